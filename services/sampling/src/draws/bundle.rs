//! The bundle 验证材料: all that is needed to recompute a draw, cut to what the scheme's disclosure lets the caller see.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault,
    clock::{from_micros, wire},
    storage::corrupt,
};
use contract::sampling::v1::{self as api, ErrorReason};
use draw::Roster;
use identifiers::Uscc;

use super::{
    rows::{self, Stored},
    rules::{self, Asker, Sight},
    unknown,
};
use crate::{Sampling, rights, visits};

/// Gives a bundle.
pub async fn bundle(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::GetBundleRequest,
) -> Answer<api::Bundle> {
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
    match sight {
        Sight::Refused => Err(withheld(&line_of)),
        Sight::Whole => whole(app, &draw).await,
        Sight::Line => {
            let mut cut = bare(app, &draw).await?;
            cut.roster = Some(line(app, &draw.draw_id, &line_of).await?);
            Ok(cut)
        }
        Sight::Bare => bare(app, &draw).await,
    }
}

async fn whole(app: &Arc<Sampling>, draw: &Stored) -> Answer<api::Bundle> {
    let kept = rows::roster(app.store.read(), &draw.draw_id).await?;
    let roster = kept.ok_or_else(|| corrupt("draw", "its roster is gone"))?.roster;
    put_together(app, draw, |bundle| draw::Bundle { roster, ..bundle }).await
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
    });
    Ok(api::Bundle {
        draw_id: cut.draw_id,
        roster: told(cut.roster),
        roster_digest: cut.roster_digest,
        quota_text: cut.quota_text,
        commitment: cut.commitment,
        entropy_source: cut.entropy_source,
        secret: cut.secret,
        entropy: cut.entropy,
        seed: cut.seed,
        selected: cut.selected.into_iter().map(selected).collect(),
        replacements: cut.replacements.into_iter().zip(times).map(|(one, at)| replacement(one, at)).collect(),
    })
}

async fn line(app: &Arc<Sampling>, draw: &str, uscc: &str) -> Answer<String> {
    let kept = rows::roster(app.store.read(), draw).await?;
    let roster = kept.ok_or_else(|| corrupt("draw", "its roster is gone"))?.roster;
    let roster = Roster::parse(roster).map_err(|fault| corrupt("roster", fault))?;
    let stratum =
        roster.stratum_of(uscc).ok_or_else(|| Fault::not_found("line of the roster", "名单主体", uscc))?;
    Ok(format!("{uscc},{stratum}\n"))
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
