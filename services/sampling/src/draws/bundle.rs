//! The bundle 验证材料: all that is needed to recompute a draw, cut to what the scheme's disclosure lets the caller see.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault,
    clock::{from_micros, wire},
};
use contract::sampling::v1::{self as api, ErrorReason};
use identifiers::Uscc;

use super::{
    rosters,
    rows::{self, Stored},
    rules::{self, Asker, Sight},
    unknown,
};
use crate::{Sampling, frequencies, rights, visits};

/// What a caller may see of a bundle, once the look is written down.
pub(super) struct Seen {
    pub draw: Stored,
    pub sight: Sight,
    /// Whose line is given, where just one is.
    pub line_of: String,
}

/// Judges what a caller may see of a draw's bundle.
pub(super) async fn seen(
    app: &Arc<Sampling>,
    context: &Context,
    request: &api::GetBundleRequest,
) -> Answer<Seen> {
    let line_of = match request.uscc.trim() {
        "" => String::new(),
        given => {
            let code = Uscc::parse_tolerant(given).map_err(|fault| rights::code_fault("uscc", &fault))?;
            code.0.as_str().to_owned()
        }
    };
    let draw = rows::find(app.store.read(), &request.draw).await?.ok_or_else(|| unknown(&request.draw))?;
    let caller = &context.caller;
    let asker = Asker {
        auditor: caller.has_scope("sampling.audit"),
        office: caller.is_office(),
        enterprise: caller.enterprise(),
    };
    let sight = rules::sight(draw.disclosure(), asker, &line_of);
    let open = rules::sight(draw.disclosure(), Asker::default(), "") == Sight::Whole;
    let own = !line_of.is_empty() && asker.enterprise == line_of;
    // Grades that are not everybody's are looked at for a purpose; a subject needs none to look at itself.
    if !open && !own && matches!(sight, Sight::Whole | Sight::Line) {
        let purpose = context.purpose(&request.purpose)?;
        let subject = if line_of.is_empty() { &draw.draw_id } else { &line_of };
        rights::look(app, context, purpose, subject).await?;
    }
    if sight == Sight::Refused { Err(withheld(&line_of)) } else { Ok(Seen { draw, sight, line_of }) }
}

/// Gives a bundle.
pub async fn bundle(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::GetBundleRequest,
) -> Answer<api::Bundle> {
    let Seen { draw, sight, line_of } = seen(app, context, &request).await?;
    match sight {
        Sight::Whole => whole(app, &draw).await,
        Sight::Line => {
            let mut cut = bare(app, &draw).await?;
            cut.roster = Some(line(app, &draw.draw_id, &line_of).await?);
            Ok(cut)
        }
        Sight::Bare | Sight::Refused => bare(app, &draw).await,
    }
}

// A line of the roster has some 21 bytes, so that this is well below the largest message.
const SUBJECTS_MOST: i32 = 300_000;

async fn whole(app: &Arc<Sampling>, draw: &Stored) -> Answer<api::Bundle> {
    if draw.roster_size > SUBJECTS_MOST {
        return Err(too_large(draw));
    }
    let db = app.store.read();
    let roster = rosters::whole(db, &draw.draw_id).await?.roster;
    let excluded = rosters::exclusions(db, &draw.draw_id, -1, i64::MAX as u64).await?;
    let exclusions = excluded.iter().map(|(_, one)| frequencies::rules::line(one)).collect();
    put_together(app, draw, |bundle| draw::Bundle { roster, exclusions, ..bundle }).await
}

fn too_large(draw: &Stored) -> Fault {
    let (id, size) = (&draw.draw_id, draw.roster_size);
    Fault::precondition(
        ErrorReason::BundleTooLarge.as_str_name(),
        format!(
            "the bundle has a roster of {size} subjects, too large for one message; take the same by GET /sampling/v1/draws/{id}/bundle:download"
        ),
        format!(
            "验证材料的名单有{size}个主体，超出单条消息；请通过 GET /sampling/v1/draws/{id}/bundle:download 下载同一材料"
        ),
    )
}

async fn bare(app: &Arc<Sampling>, draw: &Stored) -> Answer<api::Bundle> {
    put_together(app, draw, draw::Bundle::without_strata).await
}

async fn put_together(
    app: &Arc<Sampling>,
    draw: &Stored,
    cut: impl FnOnce(draw::Bundle) -> draw::Bundle,
) -> Answer<api::Bundle> {
    let of = visits::of_draw(app.store.read(), &draw.draw_id).await?;
    let (replacements, times): (Vec<_>, Vec<i64>) = of.replacements.into_iter().unzip();
    let cut = cut(draw::Bundle {
        draw_id: draw.draw_id.clone(),
        roster: String::new(),
        roster_digest: draw.roster_digest.clone(),
        quota_text: draw.quota_text.clone(),
        commitment: draw.commitment.clone(),
        entropy_source: draw.entropy_source.clone(),
        secret: draw.open_secret().to_owned(),
        entropy: draw.entropy.clone(),
        seed: draw.seed.clone(),
        selected: of.selected,
        replacements,
        exclusions: String::new(),
        exclusions_digest: draw.exclusions_digest.clone(),
    });
    Ok(api::Bundle {
        roster: told(cut.roster),
        selected: cut.selected.into_iter().map(selected).collect(),
        replacements: cut.replacements.into_iter().zip(times).map(|(one, at)| replacement(one, at)).collect(),
        exclusions: told(cut.exclusions),
        ..frame(draw)
    })
}

/// What a bundle says without the roster, the selection and the replacements.
pub(super) fn frame(draw: &Stored) -> api::Bundle {
    let wired = draw.wire();
    api::Bundle {
        draw_id: wired.draw_id,
        roster_digest: wired.roster_digest,
        quota_text: wired.quota_text,
        commitment: wired.commitment,
        entropy_source: wired.entropy_source,
        secret: wired.secret,
        entropy: wired.entropy,
        seed: wired.seed,
        committed_at: wired.committed_at,
        reveal_not_before: wired.reveal_not_before,
        revealed_at: wired.revealed_at,
        attempt: wired.attempt,
        exclusions_digest: wired.exclusions_digest,
        ..Default::default()
    }
}

/// A subject's line of a roster.
pub(super) async fn line(app: &Arc<Sampling>, draw: &str, uscc: &str) -> Answer<String> {
    let line = rosters::line(app.store.read(), draw, uscc).await?;
    line.ok_or_else(|| Fault::not_found("line of the roster", "名单主体", uscc))
}

fn withheld(uscc: &str) -> Fault {
    Fault::denied(
        ErrorReason::NotDisclosed.as_str_name(),
        format!(
            "the line of {uscc} is for that subject's own client, where the scheme tells subjects their grades, \
             for the credit office and for auditors; leave uscc out for the public bundle"
        ),
        format!(
            "{uscc}的名单行仅供该主体自己的客户端（评价制度向主体告知等级的）、\
             信用联办和审计人员查看；去掉 uscc 即得公开的验证材料"
        ),
    )
}

fn told(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A drawn subject as the contract's message.
pub fn selected(one: draw::Selected) -> api::Selected {
    api::Selected { uscc: one.uscc, stratum: told(one.stratum), ticket: one.ticket }
}

/// A replacement as the contract's message.
pub fn replacement(one: draw::Replacement, at: i64) -> api::Replacement {
    api::Replacement {
        uscc: one.uscc,
        replaced_by: one.replaced_by,
        stratum: told(one.stratum),
        ticket: one.ticket,
        reason: one.reason,
        replaced_at: Some(wire(from_micros(at))),
    }
}
