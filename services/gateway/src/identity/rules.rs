//! Who may hold what, and how a secret comes about.
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use chassis::fault::Violation;
use sha2::{Digest, Sha256};

/// The credit office's own client 信用联办, made at the first start.
pub const ADMIN: &str = "admin";

/// Who may administer at all; which of it, the role says.
pub const ADMINISTRATION: &str = "identity.admin";

/// The three administrators who are not one 三员分立 (GB/T 22239-2019, 8.1.5): the clients that the suite makes for them, their names for people, their roles.
pub const ADMINISTRATORS: [(&str, &str, &str); 3] = [
    ("system-admin", "系统管理员", "system-administrator"),
    ("security-admin", "安全管理员", "security-administrator"),
    ("audit-admin", "审计管理员", "audit-administrator"),
];

/// The scopes of one of them: the audit administrator reads who looked at whom besides.
pub fn administrator_scopes(role: &str) -> &'static [&'static str] {
    if role == "audit-administrator" { &[ADMINISTRATION, "credit.read"] } else { &[ADMINISTRATION] }
}

const OFFICE: &str = "office";
/// See `ADMINISTRATORS`.
pub const SYSTEM: &str = "system-administrator";

/// Whether somebody would administer itself, or an administrator of the suite's own making.
pub fn is_own_administration(by: &str, client: &str) -> bool {
    by == client || ADMINISTRATORS.iter().any(|(id, _, _)| *id == client)
}

/// Whether something that was held is held no more.
pub fn takes_away(before: &str, after: &str) -> bool {
    before.split_whitespace().any(|held| !after.split_whitespace().any(|kept| kept == held))
}

/// Whether roles and scopes keep the three apart: nobody is two of them, or one of them and the office; and where they are `separate`,
/// nobody administers who is none of them.
pub fn keeps_apart<'a>(
    scopes: impl IntoIterator<Item = &'a str>,
    roles: impl IntoIterator<Item = &'a str>,
    separate: bool,
) -> bool {
    let (mut administrators, mut office) = (0, false);
    for role in roles {
        administrators += usize::from(ADMINISTRATORS.iter().any(|(_, _, name)| *name == role));
        office |= role == OFFICE;
    }
    let administers = scopes.into_iter().any(|scope| scope == ADMINISTRATION);
    match administrators {
        0 => !(separate && administers),
        1 => !office,
        _ => false,
    }
}

/// The scopes of a service's own client: those of the call graph and no others.
pub fn service_scopes(client: &str) -> &'static [&'static str] {
    match client {
        "svc-grading" => &["credit.read"],
        "svc-sampling" => &["grading.read", "credit.read", "credit.write"],
        "svc-discipline" => &["credit.read", "credit.write"],
        "svc-reporting" => &["credit.read", "grading.read", "sampling.read", "discipline.read"],
        _ => &[],
    }
}

/// The secret of a client as the first version derived it; only to take those over as hashes.
pub fn derived_secret(seed: &str, client: &str, nonce: &str) -> String {
    hex::encode(Sha256::digest(format!("{seed}\nclient secret\n{client}\n{nonce}")))
}

// Secrets are random and of 256 bits, so that nobody guesses one, however fast: the hash is to keep them from being read back, and
// costs some milliseconds rather than the tens that a password deserves. A sign-in is a public call.
const MEMORY_KIB: u32 = 8 * 1024;
const SALT: usize = 16;
const HEAD: &str = "$argon2id$v=19$m=8192,t=1,p=1$";

/// The hash of a secret, in the PHC form.
pub fn hashed(secret: &str, salt: &[u8; SALT]) -> Option<String> {
    let params = argon2::Params::new(MEMORY_KIB, 1, 1, Some(32)).ok()?;
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut hash = [0_u8; 32];
    argon.hash_password_into(secret.as_bytes(), salt, &mut hash).ok()?;
    Some(format!("{HEAD}{}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash)))
}

/// Whether a secret is the one of a hash.
pub fn is_of(secret: &str, stored: &str) -> bool {
    let salt = stored.strip_prefix(HEAD).and_then(|rest| rest.split('$').next());
    let salt = salt.and_then(|salt| STANDARD_NO_PAD.decode(salt).ok()?.try_into().ok());
    salt.and_then(|salt| hashed(secret, &salt)).is_some_and(|again| same(&again, stored))
}

/// Wrong secrets that a client gets for free, and an address, behind which many clients may stand.
pub const CLIENT_FAILURES: i64 = 5;
/// See `CLIENT_FAILURES`.
pub const ADDRESS_FAILURES: i64 = 30;
/// What is forgotten: failures before it.
pub const FORGOTTEN_AFTER_S: i64 = 15 * 60;

/// For how long sign-ins are refused after so many failures in a row: one second, then twice as long each time, at most a quarter of an hour.
pub fn blocked_for_s(failures: i64, free: i64) -> i64 {
    match failures - free {
        over if over < 0 => 0,
        over => 1_i64
            .checked_shl(u32::try_from(over).unwrap_or(u32::MAX))
            .unwrap_or(i64::MAX)
            .clamp(1, FORGOTTEN_AFTER_S),
    }
}

/// How far ahead a new key is shown before it signs: verifiers ask for changes more often.
pub const KEY_LEAD_S: i64 = 5;
/// What of clocks that are apart is added to a token's end.
pub const LEEWAY_S: i64 = 60;

/// Which of the keys, by their beginnings, signs at an instant: the newest that has begun, else the oldest.
pub fn signs(begins: impl Iterator<Item = i64>, now_s: i64) -> Option<usize> {
    let mut found: Option<(usize, i64)> = None;
    for (place, from) in begins.enumerate() {
        let better = match found {
            None => true,
            Some((_, best)) if best <= now_s => from <= now_s && from >= best,
            Some((_, best)) => from < best,
        };
        if better {
            found = Some((place, from));
        }
    }
    found.map(|(place, _)| place)
}

/// How far ahead of its issue a token may be dated, where the seconds before are revoked: less than verifiers allow for.
pub const AHEAD_S: i64 = 20;

/// The longest life of a client's assertion.
pub const ASSERTION_LIFE_S: i64 = 600;

/// What is wrong with a client's assertion, whose signature is right.
pub fn assertion_fault(
    assertion: &Assertion,
    client: &str,
    issuer: &str,
    now_s: i64,
) -> Option<&'static str> {
    let late = now_s >= assertion.exp.saturating_add(30);
    let far = assertion.exp > now_s.saturating_add(ASSERTION_LIFE_S);
    let early =
        [assertion.iat, assertion.nbf].into_iter().flatten().any(|from| now_s < from.saturating_sub(30));
    match assertion {
        _ if assertion.iss != client || assertion.sub != client => {
            Some("iss and sub are not the client's id")
        }
        _ if assertion.aud != issuer => Some("aud is not this issuer"),
        _ if assertion.jti.is_empty() => Some("jti is missing"),
        _ if late => Some("it has expired"),
        _ if far => Some("it ends more than ten minutes from now"),
        _ if early => Some("its iat or nbf lies in the future"),
        _ => None,
    }
}

/// The claims of a client's assertion, RFC 7523.
#[derive(serde::Deserialize)]
pub struct Assertion {
    iss: String,
    /// The client.
    pub sub: String,
    aud: String,
    /// Its end, seconds since 1970.
    pub exp: i64,
    /// Its own id, used once.
    pub jti: String,
    iat: Option<i64>,
    nbf: Option<i64>,
}

/// Compares in a time that does not tell where two secrets differ.
pub fn same(one: &str, other: &str) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    one.iter().zip(other.iter()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// The scopes to put into a token: those asked for, if the client has them all; all of them where none are asked for.
pub fn granted<'a>(held: &'a str, asked: &'a str) -> Result<&'a str, &'a str> {
    if asked.trim().is_empty() {
        return Ok(held);
    }
    let lacking = asked.split_whitespace().find(|scope| !held.split(' ').any(|one| one == *scope));
    lacking.map_or(Ok(asked), Err)
}

fn form(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// What is wrong with the name of a client to register.
pub fn id_faults(client_id: &str) -> Vec<Violation> {
    let mut faults = Vec::new();
    if !form(client_id) {
        faults.push(Violation::new(
            "clientId",
            "holds letters, digits, hyphens, dots and underscores only",
            "只能包含字母、数字、连字符、点和下划线",
        ));
    }
    let own = client_id == ADMIN || ADMINISTRATORS.iter().any(|(id, _, _)| *id == client_id);
    if own || client_id.starts_with("svc-") {
        faults.push(Violation::new("clientId", "is one of the suite's own", "为系统自用的客户端名称"));
    }
    faults
}

/// What is wrong with scopes and roles that a client is to have.
pub fn grant_faults(scopes: &[String], roles: &[String], known: &[String], separate: bool) -> Vec<Violation> {
    let mut faults = Vec::new();
    for (index, scope) in scopes.iter().enumerate().filter(|(_, scope)| !known.contains(scope)) {
        let mut fault = Violation::new(
            format!("scopes[{index}]"),
            format!("\"{scope}\" does not exist; the scopes are {}", known.join(", ")),
            format!("“{scope}”不存在；可用权限为 {}", known.join("、")),
        );
        fault.reason = contract::identity::v1::ErrorReason::ScopeUnknown.as_str_name();
        faults.push(fault);
    }
    for (index, role) in roles.iter().enumerate() {
        if role == "service" || !form(role) {
            faults.push(Violation::new(
                format!("roles[{index}]"),
                format!("\"{role}\" can't be given to a client"),
                format!("不能为客户端授予角色“{role}”"),
            ));
        }
    }
    if !keeps_apart(scopes.iter().map(String::as_str), roles.iter().map(String::as_str), separate) {
        let mut fault = Violation::new(
            "roles",
            "make one client two administrators, or an administrator and the office; the three are separate clients, and nobody else has identity.admin where they are",
            "使一个客户端兼任两种管理员，或兼任管理员与信用联办；系统、安全、审计管理员须相互独立",
        );
        fault.reason = contract::identity::v1::ErrorReason::AdministratorsSeparate.as_str_name();
        faults.push(fault);
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_carries_no_more_than_the_client_holds() {
        assert_eq!(granted("a.read b.write", ""), Ok("a.read b.write"));
        assert_eq!(granted("a.read b.write", "b.write"), Ok("b.write"));
        assert_eq!(granted("a.read b.write", "b.write c.read"), Err("c.read"));
        assert_eq!(granted("", "a.read"), Err("a.read"));
    }

    #[test]
    fn secrets_are_known_by_their_hashes_only() {
        let hash = hashed("a secret", &[7; 16]).expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=8192,t=1,p=1$"));
        assert!(is_of("a secret", &hash) && !is_of("another", &hash) && !is_of("", ""));
        assert_ne!(hash, hashed("a secret", &[8; 16]).expect("a hash"), "salted");
        assert!(!is_of("a secret", &hash[..hash.len() - 1]));
        assert!(same("x", "x") && !same("x", "y"));
    }

    #[test]
    fn guessing_gets_slower() {
        let waits: Vec<i64> = (0..20).map(|failures| blocked_for_s(failures, 5)).collect();
        assert_eq!(waits[..9], [0, 0, 0, 0, 0, 1, 2, 4, 8]);
        assert_eq!((waits[19], blocked_for_s(i64::MAX, 5)), (900, 900));
    }

    #[test]
    fn the_newest_key_that_has_begun_signs() {
        let at = |begins: &[i64], now| signs(begins.iter().copied(), now);
        assert_eq!(at(&[0, 100, 200], 150), Some(1));
        assert_eq!(at(&[0, 100, 200], 200), Some(2));
        assert_eq!(at(&[0, 100, 200], 99), Some(0));
        assert_eq!(at(&[200, 100], 50), Some(1), "a day that was set back");
        assert_eq!(at(&[], 0), None);
    }

    #[test]
    fn assertions_have_edges() {
        let of = |change: fn(&mut Assertion)| {
            let mut assertion = Assertion {
                iss: "a".into(),
                sub: "a".into(),
                aud: "xinheng".into(),
                exp: 1_300,
                jti: "1".into(),
                iat: Some(1_000),
                nbf: None,
            };
            change(&mut assertion);
            assertion_fault(&assertion, "a", "xinheng", 1_000)
        };
        assert_eq!(of(|_| {}), None);
        assert_eq!(of(|a| a.exp = 1_600), None);
        let spoilt: [fn(&mut Assertion); 8] = [
            |a| a.iss = "b".into(),
            |a| a.sub = "b".into(),
            |a| a.aud = "elsewhere".into(),
            |a| a.jti = String::new(),
            |a| a.exp = 970,
            |a| a.exp = 1_601,
            |a| a.iat = Some(1_031),
            |a| a.nbf = Some(1_031),
        ];
        for (number, change) in spoilt.into_iter().enumerate() {
            assert!(of(change).is_some(), "{number}");
        }
    }

    #[test]
    fn the_suites_own_names_and_roles_are_not_given_away() {
        let known = [String::from("credit.read")];
        let of = |id: &str, scope: &str, role: &str| {
            id_faults(id).len() + grant_faults(&[scope.to_owned()], &[role.to_owned()], &known, false).len()
        };
        assert_eq!(of("a-client", "credit.read", "office"), 0);
        assert_eq!(of("svc-credit", "credit.read", "office"), 1);
        assert_eq!(of("audit-admin", "credit.read", "office"), 1);
        assert_eq!(of("a client", "credit.reed", "service"), 3);
    }

    #[test]
    fn three_administrators_are_not_one() {
        let apart = |scopes: &[&str], roles: &[&str], separate| {
            keeps_apart(scopes.iter().copied(), roles.iter().copied(), separate)
        };
        let (system, security, audit) =
            ("system-administrator", "security-administrator", "audit-administrator");
        for (scopes, roles, united, separate) in [
            (&["identity.admin"][..], &["office"][..], true, false),
            (&["identity.admin"], &[], true, false),
            (&["identity.admin"], &[system], true, true),
            (&["identity.admin", "credit.read"], &[audit, "clerk"], true, true),
            (&["identity.admin"], &[system, security], false, false),
            (&["credit.read"], &[security, audit], false, false),
            (&["identity.admin"], &[system, security, audit], false, false),
            (&["identity.admin"], &["office", security], false, false),
            (&["credit.read"], &["office"], true, true),
            (&[], &[], true, true),
        ] {
            assert_eq!(apart(scopes, roles, false), united, "{scopes:?} {roles:?}");
            assert_eq!(apart(scopes, roles, true), separate, "{scopes:?} {roles:?}, separate");
        }
        for (_, _, role) in ADMINISTRATORS {
            assert!(apart(administrator_scopes(role), &[role], true), "{role}");
        }
        assert!(is_own_administration("a", "a") && is_own_administration("a", "audit-admin"));
        assert!(!is_own_administration("security-admin", "admin"));
        assert!(takes_away("a.read b.read", "a.read") && !takes_away("a.read", "b.read a.read"));
    }
}
