//! What every capability refuses: citizens' identity numbers, what is another department's, unknown domains, reviews of one's own work.
use chassis::{Answer, Context, Fault, clock::wire};
use contract::{
    reporting::v1::{self as api, ErrorReason},
    r#type::v1::ErrorReason as Common,
};
use identifiers::Domain;
use jiff::civil::Date;

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

/// Refuses mobile numbers, by the field's name: an office or a post has a line of its own (个人信息保护法).
pub fn telephone<'a>(texts: impl IntoIterator<Item = (String, &'a str)>) -> Answer<()> {
    for (field, text) in texts {
        let mut runs = text.split(|character: char| !character.is_ascii_digit());
        if runs.any(|run| run.len() == 11 && run.starts_with('1') && !run.starts_with("10")) {
            return Err(Fault::invalid(
                ErrorReason::PersonalTelephoneNumber.as_str_name(),
                format!("{field} carries a mobile number; name the office or the post"),
                format!("{field} 中含有手机号码；请填写责任单位或责任岗位"),
            )
            .at(field));
        }
    }
    Ok(())
}

/// Refuses a day after today.
pub fn future(context: &Context, field: &str, day: &str) -> Answer<()> {
    let today = context.today();
    // Dates in the contract's form compare as texts.
    if day <= today.to_string().as_str() {
        return Ok(());
    }
    Err(Fault::field(field, format!("lies in the future; today is {today}"), format!("晚于今天（{today}）")))
}

/// Refuses who does not act for the credit office.
pub fn not_office(context: &Context) -> Answer<()> {
    if context.caller.is_office() {
        return Ok(());
    }
    Err(Fault::denied(
        ErrorReason::OfficeOnly.as_str_name(),
        "only the credit office reviews and publishes what departments hand in",
        "只有信用联办可以审核和发布报送材料",
    ))
}

/// Refuses the review of one's own work.
pub fn own_work(context: &Context, submitted_by: &str) -> Answer<()> {
    if context.caller.name() != submitted_by {
        return Ok(());
    }
    Err(Fault::denied(
        ErrorReason::ReviewerSubmitted.as_str_name(),
        "who handed it in does not review it; let another client of the office do it",
        "报送人不得审核自己报送的材料；请由信用联办的其他账号办理",
    ))
}

/// The review that the caller gives.
pub fn review(context: &Context, accepted: bool, text: String) -> api::Review {
    api::Review {
        decided_by: context.caller.name().to_owned(),
        department: context.caller.department().to_owned(),
        decide_time: Some(wire(context.now)),
        accepted,
        text,
    }
}

/// Refuses an etag that is not the present one; none guards against nothing.
pub fn stale(given: &str, present: &str) -> Answer<()> {
    if given.is_empty() || given == present {
        return Ok(());
    }
    Err(Fault::aborted(
        ErrorReason::EtagStale.as_str_name(),
        "the etag is not the present one: somebody changed it meanwhile; read it again and repeat",
        "etag 不是当前值：内容已被他人修改；请重新读取后再提交",
    )
    .at("etag"))
}

/// What changed between reading and writing.
pub fn changed_meanwhile() -> Fault {
    Fault::aborted(
        Common::ConcurrentChange.as_str_name(),
        "somebody changed it at the same moment; read it again and repeat",
        "内容刚刚被他人修改；请重新读取后再提交",
    )
}

/// A date that was asked for; empty: today.
pub fn day(context: &Context, given: &str) -> Answer<Date> {
    if given.is_empty() { Ok(context.today()) } else { given.parse().map_err(Fault::internal) }
}
