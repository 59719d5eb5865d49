//! Why a case or a step is refused, in the caller's words: the state, the steps that are possible, the earliest date.
use chassis::Fault;
use contract::discipline::v1::{self as api, ErrorReason, case::State, step::Kind};
use identifiers::CodeFault;

use super::rules::{Earliest, Refusal, Standing, called};

pub fn list_unknown(id: &str) -> Fault {
    Fault::missing(
        ErrorReason::ListUnknown.as_str_name(),
        format!("there is no list \"{id}\"; put it first, or list what exists"),
        format!("不存在名单“{id}”；请先登记该名单，或查询已有名单"),
    )
    .at("listId")
}

pub fn code(fault: &CodeFault) -> Fault {
    Fault::invalid(fault.reason(), fault.message_en(), fault.message_zh()).at("uscc")
}

pub fn subject_unknown(uscc: &str) -> Fault {
    Fault::missing(
        ErrorReason::SubjectUnknown.as_str_name(),
        format!("credit knows no subject {uscc}; register it there first"),
        format!("信用信息中没有主体{uscc}；请先登记该主体"),
    )
    .at("uscc")
}

pub fn not_entitled(list: &api::List) -> Fault {
    let who =
        if list.decided_by.is_empty() { String::from("a department") } else { list.decided_by.join(", ") };
    Fault::denied(
        ErrorReason::DeciderNotEntitled.as_str_name(),
        format!("your department may not decide on list \"{}\"; these may: {who}", list.list_id),
        format!("贵单位不是名单“{}”的认定单位；认定单位为：{who}", list.list_id),
    )
    .with("decidedBy", who)
}

pub fn not_of_department(case: &api::Case) -> Fault {
    Fault::denied(
        ErrorReason::NotOfDepartment.as_str_name(),
        format!(
            "this case is {}'s; only that department, the list's deciders or the credit office go on with it",
            case.department
        ),
        format!("本案由{}提出；只有该部门、名单认定单位或信用联办可以办理", case.department),
    )
    .with("department", &case.department)
}

fn decider_is_proposer() -> Fault {
    Fault::denied(
        ErrorReason::DeciderIsProposer.as_str_name(),
        "you proposed this case, so somebody else must decide it; use another client",
        "本案由您提出，须由他人作出决定；请使用其他客户端办理",
    )
}

fn officer_is_proposer(asked: Kind) -> Fault {
    let (en, zh) = match asked {
        Kind::HoldHearing => ("does not chair its hearing", "不得主持听证"),
        _ => ("does not review its legality", "不得审核其合法性"),
    };
    Fault::denied(
        ErrorReason::OfficerIsProposer.as_str_name(),
        format!("you proposed this case, and who proposed a case {en}; use another client"),
        format!("本案由您提出，承办人{zh}；请使用其他客户端办理"),
    )
}

/// Why a step of a case is refused.
pub fn step(standing: &Standing<'_>, asked: Kind, refusal: Refusal) -> Fault {
    let earliest = standing.earliest_decision();
    match refusal {
        Refusal::OutOfOrder => out_of_order(standing, asked, earliest),
        Refusal::TooEarly(earliest) => too_early(asked, earliest),
        Refusal::HearingTooSoon(earliest) => hearing_too_soon(earliest),
        Refusal::TooLate(last) => Fault::precondition(
            ErrorReason::StepTooLate.as_str_name(),
            format!("a hearing could be asked for until {last}; record the statement without it"),
            format!("听证应在{last}前申请；请不带听证申请登记该陈述申辩"),
        )
        .with("latestDate", last)
        .at("hearingRequested"),
        Refusal::DeciderIsProposer => decider_is_proposer(),
        Refusal::OfficerIsProposer => officer_is_proposer(asked),
        Refusal::HearingNotOffered => Fault::precondition(
            ErrorReason::HearingNotOffered.as_str_name(),
            "cases of this list know no hearing; record the statement without it",
            "该名单的认定程序不适用听证；请不带听证申请登记该陈述申辩",
        )
        .at("hearingRequested"),
        Refusal::ReviewFailed => Fault::precondition(
            ErrorReason::LegalReviewFailed.as_str_name(),
            "the legal review did not pass, so that it can't be decided to list; decide DROP, or have it reviewed again",
            "法制审核未通过，不得决定列入；可决定不予列入（DROP），或重新审核",
        )
        .at("outcome"),
        Refusal::Incomplete(part) => Fault::field(
            part,
            "is missing: a notice tells facts, basis, consequences, remedies and the conditions of removal",
            "缺失：告知应当载明事实、依据、后果、救济途径和移出条件",
        ),
        Refusal::Exceeds => exceeds(standing, asked),
        Refusal::BeforePrevious(previous) => Fault::precondition(
            ErrorReason::StepDateInvalid.as_str_name(),
            format!("the step before it is of {previous}; the earliest date of this step is {previous}"),
            format!("前一步骤的日期为{previous}；本步骤最早日期为{previous}"),
        )
        .with("earliestDate", previous)
        .at("on"),
        Refusal::InFuture(today) => Fault::precondition(
            ErrorReason::StepDateInvalid.as_str_name(),
            format!("the date lies in the future; today is {today}, record the step when it is done"),
            format!("日期晚于今天（{today}）；请在办理后再登记"),
        )
        .with("latestDate", today)
        .at("on"),
    }
}

fn exceeds(standing: &Standing<'_>, asked: Kind) -> Fault {
    let decided = asked == Kind::Decide;
    let most = if decided { standing.notified() } else { &standing.course.consequences };
    let (of_en, of_zh, field) = match decided {
        true => ("what was notified", "事先告知的内容", "consequences"),
        false => ("what the list says", "名单规定的内容", "notice.consequences"),
    };
    let (months_en, months_zh) = match most.publication_months {
        0 => (String::from("any time"), String::from("期限不限")),
        months => (format!("{months} months"), format!("{months}个月")),
    };
    let measures = most.measures.join(", ");
    Fault::precondition(
        ErrorReason::ConsequencesExceeded.as_str_name(),
        format!("it goes further than {of_en}: at most {months_en}, of the measures {measures}"),
        format!("超出{of_zh}：{months_zh}以内，措施限于{measures}"),
    )
    .with("publicationMonths", most.publication_months)
    .with("measures", measures)
    .at(field)
}

fn hearing_too_soon(earliest: Earliest) -> Fault {
    Fault::precondition(
        ErrorReason::StepTooEarly.as_str_name(),
        format!("the subject has to know of the hearing in time; it can be held from {} on", earliest.on),
        format!("听证通知期限未满；听证最早可于{}举行", earliest.on),
    )
    .with("earliestDate", earliest.on)
    .with("provisional", earliest.provisional)
    .at("hearingOn")
}

fn too_early(asked: Kind, earliest: Earliest) -> Fault {
    let (en, zh) = if earliest.provisional { (" (provisional)", "（暂定）") } else { ("", "") };
    let day = earliest.on;
    let (text_en, text_zh) = match asked {
        Kind::Publish => (
            format!("the announced decision counts as served from {day}{en}, and can be published then"),
            format!("公告送达自{day}{zh}起视为送达，其后方可列入公示"),
        ),
        Kind::HoldHearing => (format!("the hearing was called for {day}"), format!("听证通知的日期为{day}")),
        Kind::ReviewLegality => (
            format!("the subject may still state its defence; the whole case can be reviewed from {day}{en}"),
            format!("陈述申辩期限未满；最早可于{day}{zh}审核"),
        ),
        _ => (
            format!(
                "the subject may still state its defence; a decision is possible from {day}{en}, or from a waiver recorded by waiveDefence"
            ),
            format!(
                "当事人陈述申辩期限未满；最早可于{day}{zh}作出决定，或自登记放弃陈述申辩（waiveDefence）起"
            ),
        ),
    };
    Fault::precondition(ErrorReason::StepTooEarly.as_str_name(), text_en, text_zh)
        .with("earliestDate", day)
        .with("provisional", earliest.provisional)
}

fn out_of_order(standing: &Standing<'_>, asked: Kind, earliest: Option<Earliest>) -> Fault {
    let (asked_en, asked_zh) = called(asked);
    let (state_en, state_zh) = named(standing.state);
    let next = standing.next_steps();
    let possible_en = next.iter().map(|&step| called(step).0).collect::<Vec<_>>().join(", ");
    let possible_zh = next.iter().map(|&step| called(step).1).collect::<Vec<_>>().join("、");
    let (then_en, then_zh) = match (next.is_empty(), earliest.filter(|_| next.contains(&Kind::Drop))) {
        (true, _) => (String::from("no step follows any more"), String::from("程序已终结")),
        (false, None) => (format!("possible now: {possible_en}"), format!("当前可办理：{possible_zh}")),
        (false, Some(earliest)) => (
            format!("possible now: {possible_en}; a decision from {}", earliest.on),
            format!("当前可办理：{possible_zh}；最早可于{}作出决定", earliest.on),
        ),
    };
    let hearing = standing.hearing_requested && asked == Kind::Decide && standing.state == State::Defended;
    let (why_en, why_zh) = if hearing {
        (", and the subject has asked for a hearing", "，当事人已申请听证")
    } else {
        ("", "")
    };
    let fault = Fault::precondition(
        ErrorReason::StepOutOfOrder.as_str_name(),
        format!("{asked_en} does not follow now: the case is {state_en}{why_en}; {then_en}"),
        format!("此时不能办理“{asked_zh}”：案件状态为{state_zh}{why_zh}；{then_zh}"),
    )
    .with("state", state_en)
    .with("nextSteps", possible_en);
    match earliest.filter(|_| next.contains(&Kind::Drop)) {
        Some(earliest) => fault.with("earliestDate", earliest.on),
        None => fault,
    }
}

fn named(state: State) -> (&'static str, &'static str) {
    let zh = match state {
        State::Unspecified => "未知",
        State::Proposed => "已提出",
        State::Notified => "已告知",
        State::Defended => "已陈述申辩",
        State::Heard => "已听证",
        State::Decided => "已决定",
        State::Served => "已送达",
        State::Listed => "已列入",
        State::Dropped => "已终止",
    };
    (state.as_str_name(), zh)
}
