//! When a grant 授权 may be given, which paper stands for it, and what it covers.
use std::sync::LazyLock;

use calendar::add_months;
use chassis::fault::Violation;
use contract::credit::v1::{self as api, authorization::State, catalogue_item::Nature};
use jiff::civil::Date;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::outcomes::{free_text, refusal, shown};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TermRule {
    effective_from: String,
    months: u32,
    basis: String,
}

// The test below reads the file, so that what is shipped can be read.
static TERMS: LazyLock<Vec<TermRule>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../data/grant_terms.json")).unwrap_or_default());

/// The days of a grant, and the rule that bounds them.
#[derive(Debug, PartialEq, Eq)]
pub struct Term {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub until: Date,
    /// The rule.
    pub basis: &'static str,
}

/// Judges the days of a grant. Both are dates by their form already; without a first one it begins today. One that begins and ends on the
/// same day is a grant for that day.
pub fn term(from: &str, until: &str, today: Date) -> Result<Term, Violation> {
    let day = |field: &str, given: &str| {
        given.trim().parse::<Date>().map_err(|_| {
            let (en, zh) = ("is no date; write it as 2026-12-31", "不是日期，请写作 2026-12-31");
            Violation::new(field, en, zh)
        })
    };
    let from = if from.trim().is_empty() { today } else { day("validFrom", from)? };
    let until = day("validUntil", until)?;
    if until < from {
        return Err(Violation::new(
            "validUntil",
            format!("{until} is before validFrom, {from}"),
            format!("{until}早于生效日期{from}"),
        ));
    }
    if until < today {
        return Err(refusal(
            api::ErrorReason::GrantTerm,
            "validUntil",
            format!("{until} is over already; a grant covers days to come"),
            format!("{until}已过；授权应当覆盖今后的日期"),
        ));
    }
    let in_force = TERMS.iter().filter(|rule| rule.effective_from.as_str() <= today.to_string().as_str());
    let Some(rule) = in_force.max_by_key(|rule| &rule.effective_from) else {
        return Ok(Term { from, until, basis: "" });
    };
    let last = add_months(from, rule.months);
    if until > last {
        return Err(refusal(
            api::ErrorReason::GrantTerm,
            "validUntil",
            format!(
                "a grant from {from} lasts until {last} at the most ({}); have it given anew then",
                rule.basis
            ),
            format!("自{from}起的授权最长至{last}（{}）；届满请重新授权", rule.basis),
        ));
    }
    Ok(Term { from, until, basis: &rule.basis })
}

/// The paper that stands for a grant.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Paper {
    /// Its name, number, and where it is kept.
    pub evidence: String,
    /// Its SHA-256.
    pub hash: String,
}

/// Judges the paper: named by who records it at its window, the digest one of 64 digits and that of the paper sent along. An enterprise's
/// own client needs none: its call is kept.
pub fn paper(request: &api::CreateAuthorizationRequest, at_window: bool) -> Result<Paper, Violation> {
    let evidence = free_text("evidence", &request.evidence, 2_000)?;
    let given = match request.evidence_hash.trim() {
        // A digest alone names a paper too.
        "" => digest(&evidence),
        given => Some(digest(given).ok_or_else(|| {
            refusal(
                api::ErrorReason::EvidenceHashInvalid,
                "evidenceHash",
                format!(
                    "\"{}\" is no SHA-256; give its 64 hexadecimal digits, or the paper itself as evidenceDocument",
                    shown(given)
                ),
                format!("“{}”不是 SHA-256 摘要；请填写64位十六进制数，或以 evidenceDocument 附上原件", shown(given)),
            )
        })?),
    };
    let of_document = (!request.evidence_document.is_empty())
        .then(|| hex::encode(Sha256::digest(&request.evidence_document)));
    let hash = match (given, of_document) {
        (Some(given), Some(of_document)) if given != of_document => {
            return Err(refusal(
                api::ErrorReason::EvidenceHashInvalid,
                "evidenceHash",
                format!("is not the SHA-256 of evidenceDocument, which is {of_document}"),
                format!("与所附原件的 SHA-256 摘要（{of_document}）不符"),
            ));
        }
        (given, of_document) => of_document.or(given).unwrap_or_default(),
    };
    if at_window && evidence.is_empty() {
        return Err(refusal(
            api::ErrorReason::EvidenceRequired,
            "evidence",
            "is required of a department: name the paper that the subject signed, its number and where it is kept",
            "为必填项：请注明主体签署的授权书名称、编号及存放处",
        ));
    }
    Ok(Paper { evidence, hash })
}

// A SHA-256 in hex, in lower case.
fn digest(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

/// Judges an item to be granted: what needs no grant takes none.
pub fn grantable(item: &api::CatalogueItem) -> Result<(), Violation> {
    if item.nature() == Nature::Authorized {
        return Ok(());
    }
    let nature = item.nature().as_str_name();
    Err(refusal(
        api::ErrorReason::ItemNeedsNoGrant,
        "items",
        format!("item \"{}\" is {nature} and needs no grant; leave it out", item.item),
        format!("事项“{}”（{nature}）无需授权，请删除", item.name),
    ))
}

/// The refusal of an item that needs the subject's grant 授权 where there is none.
pub fn required(item: &str, name: &str) -> Violation {
    refusal(
        api::ErrorReason::AuthorizationRequired,
        "item",
        format!(
            "item \"{item}\" is taken and shown only under the subject's grant to the department for the stated purpose, and there is none \
             in force"
        ),
        format!("事项“{name}”须经主体对本单位、按所述用途授权方可归集和查询，目前没有有效授权"),
    )
}

/// Where a grant stands on a day.
pub fn state(valid_from: &str, valid_until: &str, revoked: bool, today: Date) -> State {
    let today = today.to_string();
    // Dates of this form compare as text.
    match (revoked, today.as_str()) {
        (true, _) => State::Revoked,
        (_, today) if today < valid_from => State::Pending,
        (_, today) if today > valid_until => State::Expired,
        _ => State::InForce,
    }
}

/// Who asks for something about a grant.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The enterprise whose own client it is, if any.
    pub enterprise: &'a str,
    /// Its department, if any.
    pub department: &'a str,
    /// Whether it is the credit office.
    pub office: bool,
    /// Whether it is a service of the suite.
    pub service: bool,
}

/// Whether a grant is the party's to see.
pub fn may_see(party: Party<'_>, uscc: &str, made_to: &str, recorded_for: &str) -> bool {
    if !party.enterprise.is_empty() {
        return party.enterprise == uscc;
    }
    let own = !party.department.is_empty() && [made_to, recorded_for].contains(&party.department);
    party.office || party.service || own
}

/// Whether a grant is the party's to take back: the enterprise's, as easily as it was given, and of who recorded it (PIPL 15).
pub fn may_revoke(party: Party<'_>, uscc: &str, recorded_for: &str) -> bool {
    if !party.enterprise.is_empty() {
        return party.enterprise == uscc;
    }
    party.office || (!party.department.is_empty() && party.department == recorded_for)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const TODAY: Date = date(2026, 2, 13);

    #[test]
    fn days_are_in_order_to_come_and_bounded() {
        for (from, until, wrong) in [
            ("", "2026-02-13", None),
            ("2026-02-13", "2026-02-13", None),
            ("2025-06-01", "2026-02-13", None),
            ("2026-03-01", "2031-03-01", None),
            ("2026-03-01", "2031-03-02", Some("GRANT_TERM")),
            ("2020-01-01", "2026-02-13", Some("GRANT_TERM")),
            ("2026-01-01", "2026-02-12", Some("GRANT_TERM")),
            ("2026-03-02", "2026-03-01", Some("FIELD_INVALID")),
            ("2026-13-01", "2026-03-01", Some("FIELD_INVALID")),
            ("", "", Some("FIELD_INVALID")),
        ] {
            let judged = term(from, until, TODAY);
            assert_eq!(judged.as_ref().err().map(|violation| violation.reason), wrong, "{from} {until}");
            if let Ok(term) = judged {
                assert!(term.basis.contains("十九"), "{term:?}");
            }
        }
    }

    #[test]
    fn a_paper_is_named_and_its_digest_is_one() {
        let request = |evidence: &str, hash: &str, document: &[u8]| api::CreateAuthorizationRequest {
            evidence: evidence.to_owned(),
            evidence_hash: hash.to_owned(),
            evidence_document: document.to_vec(),
            ..Default::default()
        };
        // The SHA-256 of "abc", from FIPS 180-2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for (evidence, hash, document, at_window, found) in [
            ("授权书1号", abc, "", true, Ok(abc)),
            ("授权书1号", &abc.to_uppercase(), "", true, Ok(abc)),
            ("授权书1号", "", "abc", true, Ok(abc)),
            ("授权书1号", abc, "abc", true, Ok(abc)),
            ("授权书1号", "", "", true, Ok("")),
            (abc, "", "", true, Ok(abc)),
            ("", "", "", false, Ok("")),
            ("", abc, "", true, Err("EVIDENCE_REQUIRED")),
            ("授权书1号", &abc[1..], "", true, Err("EVIDENCE_HASH_INVALID")),
            ("授权书1号", &abc.replace('a', "g"), "", true, Err("EVIDENCE_HASH_INVALID")),
            ("授权书1号", abc, "abd", true, Err("EVIDENCE_HASH_INVALID")),
            ("11010519491231002X", abc, "", true, Err("PERSONAL_IDENTITY_NUMBER")),
        ] {
            let judged = paper(&request(evidence, hash, document.as_bytes()), at_window);
            let judged = judged.as_ref().map(|paper| paper.hash.as_str());
            assert_eq!(judged.map_err(|violation| violation.reason), found, "{evidence} {hash} {document}");
        }
    }

    #[test]
    fn a_grant_covers_its_first_and_its_last_day() {
        let on = |today, revoked| state("2026-02-13", "2026-03-01", revoked, today);
        assert_eq!(on(date(2026, 2, 12), false), State::Pending);
        assert_eq!(on(date(2026, 2, 13), false), State::InForce);
        assert_eq!(on(date(2026, 3, 1), false), State::InForce);
        assert_eq!(on(date(2026, 3, 2), false), State::Expired);
        assert_eq!(on(date(2026, 2, 12), true), State::Revoked);
    }

    #[test]
    fn parties_see_and_take_back_their_own() {
        let nobody = Party { enterprise: "", department: "", office: false, service: false };
        let subject = Party { enterprise: "A", ..nobody };
        let taxation = Party { department: "taxation", ..nobody };
        let office = Party { department: "credit-office", office: true, ..nobody };
        let service = Party { service: true, ..nobody };
        // Made to taxation by A itself.
        for (party, sees, revokes) in [
            (subject, true, true),
            (Party { enterprise: "B", ..nobody }, false, false),
            (taxation, true, false),
            (Party { department: "transport", ..nobody }, false, false),
            (office, true, true),
            (service, true, false),
            (nobody, false, false),
        ] {
            assert_eq!(may_see(party, "A", "taxation", ""), sees, "{party:?}");
            assert_eq!(may_revoke(party, "A", ""), revokes, "{party:?}");
        }
        assert!(may_revoke(taxation, "A", "taxation"));
    }
}
