//! The code of the subject that a request names: normalised, judged, refused with credit's own reasons.
use chassis::{Answer, Fault};
use contract::grading::v1::ErrorReason;
use identifiers::{CodeFault, CodeStatus, Uscc};

/// The code in its one spelling. Codes that were issued though their check fails pass: the subject may be one of them.
pub fn code(given: &str, field: &str) -> Answer<Uscc> {
    Uscc::parse_tolerant(given).map(|(code, _)| code).map_err(|fault| refusal(fault).at(field))
}

/// The refusal of a code that no subject here has. Where its check fails it is a typing error sooner than a subject.
pub fn unknown(code: &Uscc) -> Fault {
    if code.status() == CodeStatus::Nonconforming {
        return refusal(CodeFault::CheckFailed).at("uscc");
    }
    Fault::missing(
        ErrorReason::SubjectUnknown.as_str_name(),
        format!("no subject {code} is known here; take it in through credit first, or give its minPosition"),
        format!("本服务没有主体{code}；请先在信用信息服务登记，或附上其 minPosition"),
    )
    .with("uscc", code)
}

fn refusal(fault: CodeFault) -> Fault {
    Fault::invalid(fault.reason(), fault.message_en(), fault.message_zh())
}
