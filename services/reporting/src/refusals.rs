//! What every capability refuses: citizens' identity numbers, what is another department's, unknown domains.
use chassis::{Answer, Context, Fault};
use contract::reporting::v1::ErrorReason;
use identifiers::Domain;

/// Refuses texts that carry a citizen's identity number 公民身份号码, by the field's name (个人信息保护法).
pub fn personal<'a>(texts: impl IntoIterator<Item = (String, &'a str)>) -> Answer<()> {
    for (field, text) in texts {
        if identifiers::personal::occurs_in(text) {
            return Err(Fault::invalid(
                ErrorReason::PersonalIdentityNumber.as_str_name(),
                format!("{field} carries a citizen's identity number, which is never stored; leave it out"),
                format!("{field} 中含有公民身份号码，本系统不予存储；请删去"),
            )
            .at(field));
        }
    }
    Ok(())
}

/// Refuses what is another department's; the credit office acts for all.
pub fn stranger(context: &Context, department: &str) -> Answer<()> {
    let own = !department.is_empty() && context.caller.department() == department;
    if own || context.caller.is_office() {
        return Ok(());
    }
    Err(Fault::denied(
        ErrorReason::NotOfDepartment.as_str_name(),
        format!("this is {department}'s; only {department} or the credit office may do it"),
        format!("此项属于{department}；只有该部门或信用联办可以办理"),
    )
    .with("department", department))
}

/// Takes a domain by its code or slug.
pub fn domain(field: &str, given: &str) -> Answer<Domain> {
    Domain::parse(given).map_err(|fault| {
        Fault::invalid(ErrorReason::DomainUnknown.as_str_name(), fault.message_en(), fault.message_zh())
            .at(field)
    })
}
