//! The bundle as a JSON file in pieces: the roster part by part, the selection page by page, so that a million subjects take no more memory
//! than a few thousand.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault,
    file::{File, tag_of},
    storage::corrupt,
};
use contract::sampling::v1 as api;
use futures::stream;
use serde_json::{Value, json};

use super::{
    bundle::{self, Seen},
    rosters,
    rows::Stored,
    rules::Sight,
};
use crate::{
    Sampling, frequencies,
    visits::{self, Merged},
};

const PAGE: u64 = 2_000;

/// Streams a bundle.
pub async fn download(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::GetBundleRequest,
) -> Answer<File> {
    let seen = bundle::seen(app, context, &request).await?;
    let line = match seen.sight {
        Sight::Line => bundle::line(app, &seen.draw.draw_id, &seen.line_of).await?,
        _ => String::new(),
    };
    // A draw changes by its reveal and its replacements alone, and all else that shows stands in the head.
    let replaced = visits::count_replacements(app.store.read(), &seen.draw.draw_id).await?;
    let sight = format!("{:?}", seen.sight);
    let tag = tag_of(&["bundle", &head(&seen.draw)?, &sight, &line, &replaced.to_string()]);
    let writer = Writer { app: app.clone(), seen, line };
    let language = context.language;
    let pieces = stream::unfold(Some((writer, Step::Head)), move |state| async move {
        let (writer, step) = state?;
        match writer.piece(step).await {
            Ok((text, next)) => Some((Ok(text.into_bytes()), next.map(|next| (writer, next)))),
            Err(fault) => {
                tracing::error!(draw = writer.seen.draw.draw_id, %fault, "a bundle broke off");
                Some((Err(fault.into_status(language)), None))
            }
        }
    });
    Ok(File::streamed("application/json", pieces).tagged(&tag))
}

// Where the writing stands.
enum Step {
    Head,
    Roster(i32),
    Exclusions(i32),
    Selected(i32),
    // In the order of the tickets; whether it is the beginning.
    Merged(Merged, bool),
    Replacements(i32),
}

struct Writer {
    app: Arc<Sampling>,
    seen: Seen,
    line: String,
}

impl Writer {
    // A piece of the file and the step after it; none at the end.
    async fn piece(&self, step: Step) -> Answer<(String, Option<Step>)> {
        let whole = self.seen.sight == Sight::Whole;
        match step {
            Step::Head => {
                let mut text = head(&self.seen.draw)?;
                if !self.line.is_empty() {
                    text.push_str(&format!("\"roster\":{},", quoted(&self.line)?));
                }
                let next = if whole { Step::Roster(0) } else { self.merged().await? };
                Ok((text + if whole { "\"roster\":\"" } else { "\"selected\":[" }, Some(next)))
            }
            Step::Roster(part) => self.roster(part).await,
            Step::Exclusions(after) => self.exclusions(after).await,
            Step::Selected(after) => self.selected(after).await,
            Step::Merged(merged, first) => self.merge(merged, first).await,
            Step::Replacements(after) => self.replacements(after, whole).await,
        }
    }

    async fn merged(&self) -> Answer<Step> {
        Ok(Step::Merged(Merged::begin(self.app.store.read(), self.id()).await?, true))
    }

    fn id(&self) -> &str {
        &self.seen.draw.draw_id
    }

    async fn roster(&self, part: i32) -> Answer<(String, Option<Step>)> {
        match rosters::part(self.app.store.read(), self.id(), part).await? {
            Some(kept) => Ok((inside(&kept.roster)?, Some(Step::Roster(part + 1)))),
            None if self.seen.draw.excluded == 0 => {
                Ok((String::from("\",\"selected\":["), Some(Step::Selected(-1))))
            }
            None => Ok((String::from("\",\"exclusions\":\""), Some(Step::Exclusions(-1)))),
        }
    }

    async fn exclusions(&self, after: i32) -> Answer<(String, Option<Step>)> {
        let found = rosters::exclusions(self.app.store.read(), self.id(), after, PAGE).await?;
        let Some((last, _)) = found.last() else {
            return Ok((String::from("\",\"selected\":["), Some(Step::Selected(-1))));
        };
        let last = *last;
        let text: String = found.iter().map(|(_, one)| frequencies::rules::line(one)).collect();
        Ok((inside(&text)?, Some(Step::Exclusions(last))))
    }

    async fn selected(&self, after: i32) -> Answer<(String, Option<Step>)> {
        let found =
            visits::stream_selected(self.app.store.read(), self.id(), (after, i32::MAX), PAGE).await?;
        let Some(last) = found.last() else { return Ok(replacements_follow()) };
        let one = |visit: &visits::Stored| json!({ "uscc": visit.uscc, "ticket": visit.ticket, "stratum": visit.stratum });
        Ok((listed(after < 0, found.iter().map(one)), Some(Step::Selected(last.place))))
    }

    async fn merge(&self, mut merged: Merged, first: bool) -> Answer<(String, Option<Step>)> {
        let found = merged.page(self.app.store.read(), self.id(), PAGE).await?;
        if found.is_empty() {
            return Ok(replacements_follow());
        }
        let one = |visit: &visits::Stored| json!({ "uscc": visit.uscc, "ticket": visit.ticket });
        Ok((listed(first, found.iter().map(one)), Some(Step::Merged(merged, false))))
    }

    async fn replacements(&self, after: i32, whole: bool) -> Answer<(String, Option<Step>)> {
        let found = visits::stream_replacements(self.app.store.read(), self.id(), after, PAGE).await?;
        let Some(last) = found.last() else { return Ok((String::from("]}\n"), None)) };
        let one = |visit: &visits::Stored| {
            let mut one = json!({ "uscc": visit.replaces, "replacedBy": visit.uscc, "ticket": visit.ticket,
                "reason": visit.replace_reason,
                "replacedAt": chassis::clock::from_micros(visit.replaced_at).to_string() });
            if whole {
                one["stratum"] = visit.stratum.as_str().into();
            }
            one
        };
        Ok((listed(after < 0, found.iter().map(one)), Some(Step::Replacements(last.place))))
    }
}

fn replacements_follow() -> (String, Option<Step>) {
    (String::from("],\"replacements\":["), Some(Step::Replacements(-1)))
}

// What stands before the long fields, up to a comma.
fn head(draw: &Stored) -> Answer<String> {
    let frame = bundle::frame(draw);
    let at = |micros: i64| (micros > 0).then(|| chassis::clock::from_micros(micros).to_string());
    let head = json!({
        "drawId": frame.draw_id,
        "rosterDigest": frame.roster_digest,
        "quotaText": frame.quota_text,
        "commitment": frame.commitment,
        "entropySource": frame.entropy_source,
        "secret": frame.secret,
        "entropy": frame.entropy,
        "seed": frame.seed,
        "committedAt": at(draw.committed_at),
        "revealNotBefore": at(draw.reveal_not_before),
        "revealedAt": at(draw.revealed_at),
        "attempt": frame.attempt,
        "exclusionsDigest": frame.exclusions_digest,
    });
    let text = head.to_string();
    let open = text.strip_suffix('}').ok_or_else(|| corrupt("draw", "no JSON object"))?;
    Ok(format!("{open},"))
}

fn listed(first: bool, values: impl Iterator<Item = Value>) -> String {
    let text: Vec<String> = values.map(|value| value.to_string()).collect();
    format!("{}{}", if first { "" } else { "," }, text.join(","))
}

fn quoted(text: &str) -> Answer<String> {
    serde_json::to_string(text).map_err(Fault::internal)
}

// A text as it stands inside a JSON string.
fn inside(text: &str) -> Answer<String> {
    let quoted = quoted(text)?;
    Ok(quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned())
}
