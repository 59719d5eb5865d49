//! A reveal 揭示: the public entropy added, the secret opened, subjects and inspectors drawn, the yearly caps kept.
use std::{collections::HashMap, sync::Arc};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros},
    decisions::{self, Decision},
};
use contract::sampling::v1::{self as api, ErrorReason, draw::State};
use draw::{Quotas, Roster, Seed};
use serde_json::json;

use super::{
    kept, overtaken, own, read_back,
    rows::{self, Stored},
    still_committed, told,
};
use crate::{
    Sampling, figures,
    frequencies::{self, Caps},
    visits::{self, OfDraw, Opening},
};

/// Adds the public entropy, opens the secret and draws subjects and inspectors.
pub async fn reveal(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::RevealDrawRequest,
) -> Answer<api::Draw> {
    // Of two reveals at once the second reads what the first left.
    rows::lock(tx, &request.draw).await?;
    let (mut draw, plan) = own(tx, context, &request.draw).await?;
    still_committed(&draw)?;
    in_time(&draw, context)?;
    let kept = kept(tx, &draw.draw_id).await?;
    let seed = Seed::derive(&draw.secret, &request.entropy, &draw.roster_digest, &draw.quota_text);
    draw.state = State::Revealed as i32;
    draw.entropy = request.entropy;
    draw.seed = seed.as_str().to_owned();
    draw.revealed_at = micros(context.now);
    if !rows::reveal(tx, &draw).await? {
        return Err(overtaken());
    }
    let (roster, quotas) = read_back(&kept, &draw.quota_text)?;
    let drawn = within_caps(tx, context, &plan, &draw, (&seed, &roster, &quotas)).await?;
    let selected = drawn.selected.len();
    let opening = visits::drawn(&drawn, &roster, &kept.names, draw.revealed_at);
    let opening = Opening { id: &draw.draw_id, seed: &seed, visits: opening };
    let opened = visits::open(tx, context, &plan, opening).await?;
    let detail = json!({ "plan": draw.plan, "entropy": draw.entropy, "secret": draw.secret, "seed": draw.seed,
        "drawn": selected, "replacedAtCap": drawn.replacements.len(), "cancelledAtCap": drawn.unfilled.len() });
    let decision =
        Decision { kind: "draw.revealed", subject: &draw.draw_id, basis: &draw.commitment, detail };
    decisions::record(tx, context, decision).await?;
    let mut counting = figures::Counting::new(&draw.scheme, draw.scheme_version);
    counting.reveal(context.today(), &draw.draw_id, drawn.selected.iter().map(|one| one.stratum.as_str()));
    counting.keep(tx).await?;
    told(&**tx, context, (&draw, &plan), OfDraw::of(opened.visits), opened.understaffed).await
}

// Not before the time that was named, and not by a clock that runs behind the commit.
fn in_time(draw: &Stored, context: &Context) -> Answer<()> {
    let (id, now) = (&draw.draw_id, context.now);
    let committed_at = from_micros(draw.committed_at);
    if now < committed_at {
        return Err(Fault::precondition(
            ErrorReason::ClockBehind.as_str_name(),
            format!(
                "draw \"{id}\" was committed at {committed_at}, and this machine's clock shows {now}; set the clock right first"
            ),
            format!("抽取“{id}”于{committed_at}承诺，而本机时钟为{now}；请先校正时钟"),
        ));
    }
    match draw.reveal_not_before().filter(|at| now < *at) {
        None => Ok(()),
        Some(at) => Err(Fault::precondition(
            ErrorReason::RevealTooEarly.as_str_name(),
            format!(
                "draw \"{id}\" may be revealed from {at} on, as was named at the commit (it is {now}), when {} has spoken",
                draw.entropy_source
            ),
            format!("抽取“{id}”在承诺时约定最早于{at}揭示（现为{now}），届时“{}”已公布", draw.entropy_source),
        )
        .with("revealNotBefore", at.to_string())),
    }
}

// The selection, in which who reached the yearly cap since the commit is replaced in plain sight. The counts are raised in the order of
// the codes and read again; where another draw was quicker, all is undone to here, its locks with it, and chosen again with what is known now.
async fn within_caps(
    tx: &Tx,
    context: &Context,
    plan: &api::Plan,
    draw: &Stored,
    (seed, roster, quotas): (&Seed, &Roster, &Quotas),
) -> Answer<draw::Drawn> {
    let (caps, year) = (Caps::parse(&draw.cap_text), frequencies::year_of(plan));
    let today = context.today().to_string();
    let mut full = match caps.least() {
        Some(least) => frequencies::above(&**tx, year, least - 1).await?,
        None => HashMap::new(),
    };
    loop {
        let at_cap = |stratum: &str, uscc: &str| {
            let (cap, visits) = (caps.of_stratum(stratum)?, *full.get(uscc)?);
            (visits >= cap).then(|| frequencies::rules::at_cap(visits, cap, year))
        };
        let drawn = draw::select_within(seed, roster, quotas, at_cap);
        let visited = visits::visited(&drawn);
        let mark = tx.mark().await?;
        let raised = visited.iter().map(|(uscc, _)| frequencies::Bump::drawn(uscc, &today)).collect();
        frequencies::bump(tx, year, raised).await?;
        let Some(least) = caps.least() else { return Ok(drawn) };
        let after = frequencies::above(&**tx, year, least).await?;
        let exceeding = |(uscc, stratum): &(&str, &str)| {
            let (cap, visits) = (caps.of_stratum(stratum)?, *after.get(*uscc)?);
            (visits > cap).then(|| ((*uscc).to_owned(), visits - 1))
        };
        let exceeded: Vec<(String, i32)> = visited.iter().filter_map(exceeding).collect();
        if exceeded.is_empty() {
            return Ok(drawn);
        }
        tx.rewind(&mark).await?;
        full.extend(exceeded);
    }
}
