//! What arrivals, attachments, signatures and rectifications must be. Pure.
use calendar::{Calendar, LegalTerm, Procedure};
use chassis::fault::Violation;
use contract::sampling::v1::{
    Finding, OrderRectificationRequest, RecheckVisitRequest, Rectification, SignVisitRequest, VisitSignature,
    rectification::State, visit_signature::Signer,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::civil::Date;
use sha2::Sha256;

use crate::codes;

/// 行政处罚法 42, 行政强制法 18: officials act in twos at least.
pub const INSPECTORS_FEWEST: usize = 2;

/// What an arrival code says. Its text is the parts with full stops between, and the HMAC-SHA256 over them in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its id.
    pub code_id: String,
    /// The subject that it is for.
    pub uscc: String,
    /// The visit that it is for; empty: any of the subject's.
    pub visit: String,
    /// Until when it is good, in microseconds since 1970.
    pub expires_at: i64,
}

const FORM: &str = "XHRQ1";

impl Code {
    fn said(&self) -> String {
        format!("{FORM}.{}.{}.{}.{}", self.code_id, self.uscc, self.visit, self.expires_at)
    }

    /// The text to be shown, signed with a key.
    pub fn signed(&self, key: &[u8]) -> String {
        let said = self.said();
        let tag = mac(key, &said).map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default();
        format!("{said}.{tag}")
    }

    /// Reads a text; nothing where it was not signed with the key, or was changed.
    pub fn read(text: &str, key: &[u8]) -> Option<Self> {
        let (said, tag) = text.trim().rsplit_once('.')?;
        mac(key, said)?.verify_slice(&hex::decode(tag).ok()?).ok()?;
        let mut parts = said.split('.');
        let (form, code_id, uscc, visit) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let expires_at = parts.next()?.parse().ok()?;
        let code =
            Self { code_id: code_id.to_owned(), uscc: uscc.to_owned(), visit: visit.to_owned(), expires_at };
        (form == FORM && parts.next().is_none()).then_some(code)
    }
}

fn mac(key: &[u8], text: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac)
}

/// What a record says.
pub struct Record<'a> {
    pub visit: &'a str,
    pub uscc: &'a str,
    pub name: &'a str,
    pub inspected_on: &'a str,
    pub departments: &'a [String],
    pub inspectors: &'a [String],
    pub arrived_at: Option<String>,
    pub findings: &'a [Finding],
    /// The hash and the title of each attachment.
    pub attachments: &'a [(String, String)],
}

/// The text of a record 现场检查笔录 that both sides sign: the same facts always give the same bytes. A text of several lines goes on indented, so
/// that none passes for a line of the form.
pub fn record_text(record: &Record<'_>) -> String {
    let mut lines = vec![
        "现场检查笔录".to_owned(),
        format!("检查任务：{}", record.visit),
        format!("被检查单位：{}", flat(record.name)),
        format!("统一社会信用代码：{}", record.uscc),
        format!("检查部门：{}", flat(&record.departments.join("、"))),
        format!("检查人员编号：{}", flat(&record.inspectors.join("、"))),
        format!("扫码入企时间：{}", record.arrived_at.as_deref().unwrap_or("无")),
        format!("检查日期：{}", record.inspected_on),
    ];
    for (number, finding) in record.findings.iter().enumerate() {
        let name = codes::find(&finding.result_code).map_or("", |code| code.name);
        let number = number + 1;
        lines.push(format!(
            "检查结果{number}：{} {} {name}",
            flat(&finding.inspection_item),
            finding.result_code
        ));
        if !finding.text.is_empty() {
            lines.push(format!("  {}", finding.text.replace('\r', "").replace('\n', "\n  ")));
        }
    }
    for (sha256, title) in record.attachments {
        lines.push(format!("附件：{sha256} {}", flat(title)));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn flat(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// Judges who signs what.
pub fn judge_signature(request: &SignVisitRequest) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut say = |field: &str, en: &str, zh: &str| violations.push(Violation::new(field, en, zh));
    match request.signer() {
        Signer::Representative if !request.inspector.is_empty() => say(
            "inspector",
            "is for inspectors; of the enterprise's representative no natural person's data is kept. Leave it out",
            "仅用于检查人员签字；不保存企业代表的个人信息，请删去",
        ),
        Signer::Inspector if request.inspector.is_empty() => {
            say(
                "inspector",
                "is empty; name the inspector who signs by id",
                "为空；请填写签字检查人员的编号",
            );
        }
        Signer::Inspector if request.refused => say(
            "refused",
            "is for the representative; an inspector who does not sign is left out",
            "仅用于企业代表；检查人员未签字的无需填写",
        ),
        _ => {}
    }
    if request.refused == request.refusal_reason.trim().is_empty() {
        say(
            "refusalReason",
            "is told with a refusal, and with nothing else",
            "拒绝签字时必须说明，未拒绝时不得填写",
        );
    }
    violations
}

/// What of the proof from the spot is not there yet 现场签字 where a plan asks for it.
pub fn unsigned(signatures: &[VisitSignature]) -> bool {
    let current = || signatures.iter().filter(|one| one.current);
    let inspectors = current().filter(|one| one.signer() == Signer::Inspector).count();
    let representative = current().any(|one| one.signer() == Signer::Representative);
    inspectors < INSPECTORS_FEWEST || !representative
}

/// Judges an order to put something right, given on a day.
pub fn judge_order(request: &OrderRectificationRequest, today: Date) -> Option<Violation> {
    let today = today.to_string();
    (request.due_on < today).then(|| {
        let due_on = &request.due_on;
        Violation::new(
            "dueOn",
            format!(
                "{due_on} is in the past (today is {today}); give a day on which it can still be put right"
            ),
            format!("{due_on}早于今天（{today}）；请填写尚可完成整改的日期"),
        )
    })
}

/// Judges a day between the order and today.
pub fn judge_day(field: &str, day: &str, ordered_on: &str, today: Date) -> Option<Violation> {
    let today = today.to_string();
    (day < ordered_on || day > today.as_str()).then(|| {
        Violation::new(
            field,
            format!("{day} is not between the order of {ordered_on} and today, {today}; correct it"),
            format!("{day}不在责令改正日{ordered_on}与今天{today}之间；请更正"),
        )
    })
}

/// Judges a check of what was to be put right.
pub fn judge_recheck(request: &RecheckVisitRequest, ordered_on: &str, today: Date) -> Vec<Violation> {
    let mut violations: Vec<Violation> =
        judge_day("recheckedOn", &request.rechecked_on, ordered_on, today).into_iter().collect();
    if request.corrected != request.next_due_on.is_empty() {
        violations.push(Violation::new(
            "nextDueOn",
            "is given where it was not put right, and nowhere else",
            "未整改到位的必须填写新的整改期限，已整改到位的不得填写",
        ));
    } else if !request.corrected && request.next_due_on < request.rechecked_on {
        violations.push(Violation::new(
            "nextDueOn",
            format!("{} is before the check of {}; correct one", request.next_due_on, request.rechecked_on),
            format!("{}早于复查日{}；请更正", request.next_due_on, request.rechecked_on),
        ));
    }
    violations.extend(in_twos(&request.inspectors));
    violations
}

/// Officials act in twos at least, and each is named once.
pub fn in_twos(inspectors: &[String]) -> Option<Violation> {
    if let Some(twice) = inspectors.iter().enumerate().find(|(index, id)| inspectors[..*index].contains(id)) {
        let (index, id) = twice;
        return Some(Violation::new(
            format!("inspectors[{index}]"),
            format!("\"{id}\" stands here twice; name it once"),
            format!("“{id}”重复；请只填一次"),
        ));
    }
    (inspectors.len() < INSPECTORS_FEWEST).then(|| {
        Violation::new(
            "inspectors",
            "are fewer than 2: the law lets no official inspect alone (行政处罚法 art. 42)",
            "少于2名：执法人员不得少于两人（行政处罚法第四十二条）",
        )
    })
}

/// The last day to check again what was reported as put right on a day, and the rule.
pub fn recheck_due(reported_on: Date, region: &str) -> Option<(Date, String)> {
    let term = LegalTerm::of(Procedure::Recheck, reported_on)?;
    let regional;
    let calendar = if region.is_empty() {
        Calendar::national()
    } else {
        regional = Calendar::of_region(region);
        &regional
    };
    Some((term.end(calendar, reported_on).last_day, basis(term)))
}

/// A term's rule with its status.
pub fn basis(term: &LegalTerm) -> String {
    format!("{} [{}]", term.basis, term.status)
}

/// Whether a rectification, or the check of it, is overdue on a day.
pub fn is_overdue(rectification: &Rectification, today: &str) -> bool {
    match rectification.state() {
        // Dates of this form compare as texts.
        State::Ordered | State::NotCorrected => rectification.due_on.as_str() < today,
        State::Reported => rectification.recheck_due_on.as_str() < today,
        State::Corrected | State::Unspecified => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn code() -> Code {
        Code {
            code_id: "c1".to_owned(),
            uscc: "U".to_owned(),
            visit: String::new(),
            expires_at: 1_772_413_200_000_000,
        }
    }

    #[test]
    fn a_code_is_read_with_its_key_and_unchanged() {
        let text = code().signed(b"key");
        assert_eq!(Code::read(&text, b"key"), Some(code()));
        assert_eq!(Code::read(&format!(" {text}\n"), b"key"), Some(code()));
        assert_eq!(Code::read(&text, b"other"), None);
        for wrong in ["", "XHRQ1", "XHRQ1.a.b.c.1.00"] {
            assert_eq!(Code::read(wrong, b"key"), None, "{wrong}");
        }
    }

    #[test]
    fn no_byte_of_a_code_can_be_changed() {
        let text = code().signed(b"key");
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(Code::read(&changed, b"key"), None, "{at}");
        }
    }

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        // Test case 2: the key "Jefe".
        let mac = mac(b"Jefe", "what do ya want for nothing?").unwrap();
        assert_eq!(
            hex::encode(mac.finalize().into_bytes()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_text_cannot_pass_for_a_line_of_the_form() {
        let finding = Finding {
            inspection_item: "a".to_owned(),
            result_code: "R01".to_owned(),
            text: "好\n附件：0 伪造".to_owned(),
        };
        let attachments = [("ab".to_owned(), "门头\n照片".to_owned())];
        let record = Record {
            visit: "v",
            uscc: "U",
            name: "虚构公司",
            inspected_on: "2026-03-02",
            departments: &["transport".to_owned()],
            inspectors: &["i1".to_owned(), "i2".to_owned()],
            arrived_at: None,
            findings: &[finding],
            attachments: &attachments,
        };
        let text = record_text(&record);
        assert_eq!(
            text,
            "现场检查笔录\n检查任务：v\n被检查单位：虚构公司\n统一社会信用代码：U\n检查部门：transport\n检查人员编号：i1、i2\n\
             扫码入企时间：无\n检查日期：2026-03-02\n检查结果1：a R01 未发现问题\n  好\n  附件：0 伪造\n附件：ab 门头 照片\n"
        );
    }

    #[test]
    fn a_representative_has_no_name() {
        let fields = |request: SignVisitRequest| -> Vec<String> {
            judge_signature(&request).into_iter().map(|violation| violation.field).collect()
        };
        let of = |signer: Signer, inspector: &str| SignVisitRequest {
            signer: signer as i32,
            inspector: inspector.to_owned(),
            ..Default::default()
        };
        assert_eq!(fields(of(Signer::Inspector, "i1")), Vec::<String>::new());
        assert_eq!(fields(of(Signer::Representative, "")), Vec::<String>::new());
        assert_eq!(fields(of(Signer::Inspector, "")), ["inspector"]);
        assert_eq!(fields(of(Signer::Representative, "某人")), ["inspector"]);
        let refused = SignVisitRequest { refused: true, ..of(Signer::Representative, "") };
        assert_eq!(fields(refused.clone()), ["refusalReason"]);
        assert!(fields(SignVisitRequest { refusal_reason: "在场，拒签".to_owned(), ..refused }).is_empty());
    }

    #[test]
    fn proof_is_two_inspectors_and_the_representative_under_the_current_text() {
        let by = |signer: Signer, inspector: &str, current: bool| VisitSignature {
            signer: signer as i32,
            inspector: inspector.to_owned(),
            current,
            ..Default::default()
        };
        let (one, two) = (by(Signer::Inspector, "i1", true), by(Signer::Inspector, "i2", true));
        let theirs = by(Signer::Representative, "", true);
        assert!(!unsigned(&[one.clone(), two.clone(), theirs.clone()]));
        assert!(unsigned(&[one.clone(), theirs.clone()]));
        assert!(unsigned(&[one.clone(), two.clone()]));
        assert!(unsigned(&[one, by(Signer::Inspector, "i2", false), theirs]));
        assert!(unsigned(&[two, by(Signer::Representative, "", false)]));
    }

    #[test]
    fn a_check_is_due_ten_working_days_after_the_report() {
        // 2026-03-27 is a Friday; 清明节 takes Monday 2026-04-06 out.
        let (due, basis) = recheck_due(date(2026, 3, 27), "").unwrap();
        assert_eq!(due, date(2026, 4, 13));
        assert!(basis.ends_with("[VERIFIED]"), "{basis}");
    }

    #[test]
    fn what_is_overdue_depends_on_whose_turn_it_is() {
        let of = |state: State| Rectification {
            state: state as i32,
            due_on: "2026-03-10".to_owned(),
            recheck_due_on: "2026-03-20".to_owned(),
            ..Default::default()
        };
        for (state, day, overdue) in [
            (State::Ordered, "2026-03-10", false),
            (State::Ordered, "2026-03-11", true),
            (State::Reported, "2026-03-20", false),
            (State::Reported, "2026-03-21", true),
            (State::NotCorrected, "2026-03-11", true),
            (State::Corrected, "2026-12-31", false),
        ] {
            assert_eq!(is_overdue(&of(state), day), overdue, "{state:?} {day}");
        }
    }
}
