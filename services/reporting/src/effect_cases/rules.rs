//! What a case of effect must say (吴信用联办〔2022〕8号 三（三）: 时间、地点、主体、做法、成效等要素完整), and what of it may be published. Pure.
use chassis::{Fault, fault::Violation};
use contract::reporting::v1::{
    EffectCase, ErrorReason, PublicEffectCase, PublishEffectCaseRequest, effect_case::State,
};
use identifiers::Uscc;

/// Names every element that is missing.
pub fn missing(case: &EffectCase) -> Vec<Violation> {
    let elements = [
        ("happenedOn", "time", "时间", case.happened_on.as_str()),
        ("place", "place", "地点", &case.place),
        ("subject", "subject", "主体", &case.subject),
        ("practice", "practice", "做法", &case.practice),
        ("effect", "effect", "成效", &case.effect),
        ("evidence", "evidence", "佐证材料", case.evidence.first().map_or("", String::as_str)),
    ];
    let blank = elements.into_iter().filter(|(.., text)| text.trim().is_empty());
    let violation = |(field, en, zh, _): (&str, &str, &str, &str)| {
        Violation::new(
            format!("effectCase.{field}"),
            format!("is missing: a case of effect without its {en} is refused"),
            format!("缺少要素“{zh}”：成效案例要素不完整的不予受理"),
        )
    };
    blank.map(violation).collect()
}

/// The references whose hash is none.
pub fn unhashed(case: &EffectCase) -> Vec<Violation> {
    let hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let wrong = case.references.iter().enumerate().filter(|(_, reference)| !hash(&reference.sha256));
    let violation = |(index, _)| {
        Violation::new(
            format!("effectCase.references[{index}].sha256"),
            "is no SHA-256 in hex: 64 digits from 0 to 9 and a to f",
            "不是十六进制的 SHA-256 摘要（64位）",
        )
    };
    wrong.map(violation).collect()
}

/// Refuses what the case's state does not allow.
pub fn in_state(state: State, allowed: &[State], en: &str, zh: &str) -> Result<(), Fault> {
    if allowed.contains(&state) {
        return Ok(());
    }
    let (now_en, now_zh) = match state {
        State::Accepted => ("accepted", "已采纳"),
        State::Returned => ("returned", "已退回"),
        State::Submitted | State::Unspecified => ("waiting for its review", "待审核"),
    };
    Err(Fault::precondition(
        ErrorReason::StateForbids.as_str_name(),
        format!("the case is {now_en}: {en}"),
        format!("该案例{now_zh}：{zh}"),
    )
    .with("state", state.as_str_name()))
}

/// The words of a search: those between spaces, in lower case, at most five.
pub fn words(asked: &str) -> Vec<String> {
    asked.split_whitespace().take(5).map(str::to_lowercase).collect()
}

/// The texts of a case in one, for search.
pub fn searched<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().collect::<Vec<_>>().join("\n").to_lowercase()
}

/// What is published of a case. Unless a law publishes the enterprise's name, its name, its trade name and any code give way to the words that stand for
/// it, and a text that still tells of an organisation is refused with the words that tell.
pub fn publication(case: &EffectCase, asked: &PublishEffectCaseRequest) -> Result<PublicEffectCase, Fault> {
    let or = |public: &str, own: &str| {
        if public.trim().is_empty() { own.to_owned() } else { public.trim().to_owned() }
    };
    let mut public = PublicEffectCase {
        effect_case_id: case.effect_case_id.clone(),
        domain: case.domain.clone(),
        happened_on: case.happened_on.clone(),
        place: or(&asked.place, &case.place),
        subject: or(&asked.subject, &case.subject),
        practice: or(&asked.practice, &case.practice),
        effect: or(&asked.effect, &case.effect),
        department: case.department.clone(),
        publish_time: None,
        named_basis: asked.named_basis.trim().to_owned(),
    };
    if !public.named_basis.is_empty() {
        return Ok(public);
    }
    let stand_in = asked.subject.trim();
    if stand_in.is_empty() {
        return Err(Fault::field(
            "subject",
            "is empty: say in words that do not tell who it is what stands for the enterprise, such as 某道路运输企业",
            "为空；请填写匿名称谓，例如某道路运输企业",
        ));
    }
    let names = names(case);
    let mut violations = Vec::new();
    for (field, text) in [
        ("place", &mut public.place),
        ("subject", &mut public.subject),
        ("practice", &mut public.practice),
        ("effect", &mut public.effect),
    ] {
        for name in &names {
            // What stands for the enterprise may not name it, and is never put into itself.
            if field != "subject" {
                *text = text.replace(name.as_str(), stand_in);
            }
        }
        *text = uncoded(text, stand_in);
        if let Some(told) = tells(text, &names, &case.uscc) {
            let reason = ErrorReason::SubjectNamed.as_str_name();
            let (en, zh) = (
                format!(
                    "still tells who it is (\"{told}\"); word it anew, or name the law that publishes the name"
                ),
                format!("仍可识别主体（“{told}”）；请改写，或填写公开依据"),
            );
            violations.push(Violation {
                field: field.to_owned(),
                reason,
                text: chassis::language::Text::new(en, zh),
            });
        }
    }
    if violations.is_empty() { Ok(public) } else { Err(Fault::fields(violations)) }
}

// How an organisation's name ends, the longer before the shorter.
const FORMS: [&str; 12] = [
    "股份有限公司",
    "有限责任公司",
    "有限公司",
    "集团公司",
    "分公司",
    "公司",
    "合作社",
    "事务所",
    "集团",
    "商行",
    "经营部",
    "工作室",
];

// What names the enterprise: its registered name, the subject where it is a name, and both without their legal form; the longest first.
fn names(case: &EffectCase) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in [case.subject_name.trim(), case.subject.trim()] {
        let Some(form) = FORMS.iter().find(|form| name.ends_with(**form)) else {
            if name == case.subject_name.trim() && !name.is_empty() {
                names.push(name.to_owned());
            }
            continue;
        };
        names.push(name.to_owned());
        let short = name.strip_suffix(form).unwrap_or_default();
        // A word of one or two characters is no name by itself.
        if short.chars().count() > 2 {
            names.push(short.to_owned());
        }
    }
    names.sort_by_key(|name| std::cmp::Reverse(name.chars().count()));
    names.dedup();
    names
}

// The text with every unified social credit code replaced.
fn uncoded(text: &str, stand_in: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for character in text.chars().chain(std::iter::once('\n')) {
        if character.is_ascii_alphanumeric() {
            run.push(character);
            continue;
        }
        let code = run.len() == 18 && Uscc::parse_tolerant(&run).is_ok();
        out.push_str(if code { stand_in } else { &run });
        run.clear();
        out.push(character);
    }
    out.pop();
    out
}

// The words by which a text still tells of an organisation.
fn tells(text: &str, names: &[String], uscc: &str) -> Option<String> {
    if let Some(name) = names.iter().find(|name| text.contains(name.as_str())) {
        return Some(name.clone());
    }
    if !uscc.is_empty() && text.contains(uscc) {
        return Some(uscc.to_owned());
    }
    for form in FORMS {
        for (at, _) in text.match_indices(form) {
            let before: Vec<char> =
                text[..at].chars().rev().take_while(|c| is_of_name(*c)).take(12).collect();
            let before: String = before.into_iter().rev().collect();
            // 某公司, 该公司, 运输公司 tell of nobody; a longer run of characters before the form is a name.
            let open = ["某", "该", "本", "此", "这家", "一家", "各", "两家", "涉事", "有关", "相关"];
            let anonymous = open.iter().any(|word| before.contains(word));
            if !anonymous && before.chars().count() > 3 {
                return Some(format!("{before}{form}"));
            }
        }
    }
    None
}

fn is_of_name(character: char) -> bool {
    matches!(character, '\u{4e00}'..='\u{9fff}' | '（' | '）' | '(' | ')')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> EffectCase {
        EffectCase {
            happened_on: "2026-02-20".into(),
            place: "虚构市虚构区".into(),
            subject: "虚构运输有限公司".into(),
            practice: "对虚构运输有限公司（91640399MA0000000X）降低抽查频次".into(),
            effect: "虚构运输检查次数减少".into(),
            evidence: vec!["台账".into()],
            ..Default::default()
        }
    }

    fn publish(subject: &str) -> PublishEffectCaseRequest {
        PublishEffectCaseRequest { subject: subject.into(), ..Default::default() }
    }

    #[test]
    fn each_missing_element_is_named() {
        assert!(missing(&case()).is_empty());
        let bare = EffectCase { place: " ".into(), evidence: vec![], ..Default::default() };
        let fields: Vec<String> = missing(&bare).into_iter().map(|one| one.text.zh).collect();
        for element in ["时间", "地点", "主体", "做法", "成效", "佐证材料"] {
            assert!(fields.iter().any(|text| text.contains(element)), "{element} in {fields:?}");
        }
    }

    #[test]
    fn name_trade_name_and_code_give_way() {
        let code = Uscc::fictional(7).as_str().to_owned();
        let own = EffectCase {
            practice: format!("对虚构运输有限公司（{code}）降低抽查频次"),
            uscc: code.clone(),
            ..case()
        };
        let public = publication(&own, &publish("某道路运输企业")).unwrap();
        assert_eq!(public.practice, "对某道路运输企业（某道路运输企业）降低抽查频次");
        assert_eq!(public.effect, "某道路运输企业检查次数减少");
        assert_eq!(public.subject, "某道路运输企业");
        assert!(!format!("{public:?}").contains("虚构运输") && !format!("{public:?}").contains(&code));
    }

    #[test]
    fn what_still_tells_is_refused_with_the_words() {
        for (subject, effect, told) in
            [("虚构运输有限公司", "好", "虚构运输"), ("某企业", "与虚构示例物流有限公司签约", "虚构示例物流")]
        {
            let own = EffectCase { effect: effect.into(), ..case() };
            let refused = publication(&own, &publish(subject)).unwrap_err();
            assert_eq!(refused.reason(), "SUBJECT_NAMED");
            assert!(refused.text().zh.contains(told), "{}", refused.text().zh);
        }
        assert!(publication(&case(), &publish(" ")).is_err());
        let plain = EffectCase { effect: "该公司和某运输公司受益".into(), ..case() };
        assert!(publication(&plain, &publish("某企业")).is_ok());
    }

    #[test]
    fn a_law_may_name_the_enterprise() {
        let asked =
            PublishEffectCaseRequest { named_basis: "《虚构条例》第一条".into(), ..publish("") };
        assert_eq!(publication(&case(), &asked).unwrap().subject, "虚构运输有限公司");
    }

    #[test]
    fn a_reference_has_a_hash() {
        let reference =
            |sha256: &str| contract::reporting::v1::Reference { sha256: sha256.into(), ..Default::default() };
        let own = EffectCase { references: vec![reference(&"a".repeat(64)), reference("xyz")], ..case() };
        let fields: Vec<String> = unhashed(&own).into_iter().map(|one| one.field).collect();
        assert_eq!(fields, ["effectCase.references[1].sha256"]);
    }
}
