//! What a caller sees: the office all, a department what is its own.
use std::{collections::BTreeMap, sync::Arc};

use chassis::{Answer, Context, Fault};
use contract::{grading::v1::SchemeFigures, reporting::v1::ErrorReason};
use identifiers::Domain;

use super::rules::Span;
use crate::{Reporting, refusals};

/// The schemes that a caller sees, by their ids, each with its domain.
pub struct View {
    pub schemes: BTreeMap<String, String>,
}

impl View {
    /// Asks grading for the schemes that there were by the last day; of one domain, or of all where it is empty.
    pub async fn of(app: &Arc<Reporting>, context: &Context, domain: &str, span: &Span) -> Answer<Self> {
        let own = own(context)?;
        let domain = match domain {
            "" => None,
            given => Some(refusals::domain("domain", given)?),
        };
        let all = app.sources.scheme_figures(&span.to()).await?;
        let sees = |scheme: &SchemeFigures| {
            let of = Domain::parse(&scheme.domain).ok();
            let at_home = |own: &str| {
                scheme.department == own
                    || of.is_some_and(|of| of.lead_departments().any(|lead| lead.slug() == own))
            };
            own.is_none_or(at_home) && (domain.is_none() || of == domain)
        };
        let seen = all.into_iter().filter(sees);
        Ok(Self { schemes: seen.map(|scheme| (scheme.scheme, scheme.domain)).collect() })
    }
}

/// The department of which the caller sees what is its own; none where it sees all.
pub fn own(context: &Context) -> Answer<Option<&str>> {
    let caller = &context.caller;
    if caller.is_office() || caller.is_service() {
        return Ok(None);
    }
    if caller.enterprise().is_empty() && !caller.department().is_empty() {
        return Ok(Some(caller.department()));
    }
    Err(Fault::denied(
        ErrorReason::FiguresNotDisclosed.as_str_name(),
        "figures are for the credit office and, of what is its own, for a department",
        "统计数据仅供信用联办使用；部门可以查看本部门的统计",
    ))
}
