//! Who may hold what, and how a secret comes about.
use chassis::fault::Violation;
use sha2::{Digest, Sha256};

// No derived nonce begins so: those are hex.
const GIVEN: &str = "given:";

/// The credit office's own client 信用联办, made at the first start.
pub const ADMIN: &str = "admin";

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

/// The secret of a client: derived, so that none is stored.
pub fn secret(seed: &str, client: &str, nonce: &str) -> String {
    hex::encode(Sha256::digest(format!("{seed}\nclient secret\n{client}\n{nonce}")))
}

/// What stands in place of a nonce where the operator chose the secret: a digest of it, marked as such.
pub fn given(client: &str, chosen: &str) -> String {
    format!("{GIVEN}{}", secret("given", client, chosen))
}

/// Whether a client knows its secret, derived or chosen.
pub fn knows(seed: &str, client: &str, nonce: &str, shown: &str) -> bool {
    if nonce.starts_with(GIVEN) {
        return same(nonce, &given(client, shown));
    }
    same(&secret(seed, client, nonce), shown)
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

/// What is wrong with a registration.
pub fn faults(client_id: &str, scopes: &[String], roles: &[String], known: &[String]) -> Vec<Violation> {
    let mut faults = Vec::new();
    let form = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if !form(client_id) {
        faults.push(Violation::new(
            "clientId",
            "holds letters, digits, hyphens, dots and underscores only",
            "只能包含字母、数字、连字符、点和下划线",
        ));
    }
    if client_id == ADMIN || client_id.starts_with("svc-") {
        faults.push(Violation::new("clientId", "is one of the suite's own", "为系统自用的客户端名称"));
    }
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
    fn secrets_differ_by_client_and_nonce() {
        let secret_of = |client, nonce| secret("seed", client, nonce);
        assert_ne!(secret_of("a", "1"), secret_of("a", "2"));
        assert_ne!(secret_of("a", "1"), secret_of("b", "1"));
        assert!(same(&secret_of("a", "1"), &secret_of("a", "1")) && !same("x", "y"));
    }

    #[test]
    fn a_secret_is_known_whether_derived_or_chosen() {
        assert!(knows("seed", "a", "1", &secret("seed", "a", "1")));
        assert!(!knows("seed", "a", "1", &secret("other", "a", "1")) && !knows("seed", "a", "1", "1"));
        let nonce = given("a", "chosen by the operator");
        assert!(knows("seed", "a", &nonce, "chosen by the operator"));
        assert!(!knows("seed", "b", &nonce, "chosen by the operator") && !knows("seed", "a", &nonce, &nonce));
        // What is stored does not serve as a secret, not even as if it had been derived.
        assert!(!knows("seed", "a", &nonce, &secret("seed", "a", &nonce)));
    }

    #[test]
    fn the_suites_own_names_and_roles_are_not_given_away() {
        let known = [String::from("credit.read")];
        let of = |id: &str, scope: &str, role: &str| {
            faults(id, &[scope.to_owned()], &[role.to_owned()], &known).len()
        };
        assert_eq!(of("a-client", "credit.read", "office"), 0);
        assert_eq!(of("svc-credit", "credit.read", "office"), 1);
        assert_eq!(of("a client", "credit.reed", "service"), 3);
    }
}
