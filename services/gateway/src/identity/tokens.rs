//! Tokens and the keys that verify them.
use std::sync::Arc;

use chassis::{
    Answer, App as _, Context, Fault,
    access::{Claims, KeySet, Token},
    fault::Kind,
    ids,
};
use contract::identity::v1 as api;
use sha2::{Digest, Sha256};

use super::{
    App,
    guards::Guard,
    rows,
    rules::{self, Assertion},
};

/// Issues a token to a client that knows its secret.
pub async fn issue(
    app: &Arc<App>,
    context: &Context,
    request: api::IssueTokenRequest,
) -> Answer<api::IssueTokenResponse> {
    if request.grant_type != "client_credentials" {
        return Err(Fault::invalid(
            api::ErrorReason::GrantTypeUnsupported.as_str_name(),
            "grant_type must be client_credentials",
            "grant_type 必须为 client_credentials",
        )
        .at("grant_type"));
    }
    let client = sign_in(app, context, &request).await?;
    let scope = rules::granted(&client.scopes, &request.scope).map_err(|lacking| {
        Fault::denied(
            api::ErrorReason::ScopeNotGranted.as_str_name(),
            format!("the client is not registered with the scope {lacking}; ask for less, or have it registered anew"),
            format!("客户端未登记权限{lacking}；请减少申请的权限或重新登记"),
        )
        .with("scope", lacking)
    })?;
    // Not a second whose tokens are revoked; what is ahead for it, the verifiers' leeway covers.
    let now_s = context.now.as_second();
    let revoked = rows::revocations(app.store().read(), now_s).await?;
    let revoked = revoked.into_iter().find(|(id, _)| *id == client.client_id).map(|(_, until)| until + 1);
    let issued_at = revoked.filter(|second| *second <= now_s + rules::AHEAD_S).unwrap_or(now_s).max(now_s);
    let claims = Claims {
        iss: app.issuer.clone(),
        sub: client.client_id.clone(),
        aud: app.audience.clone(),
        exp: issued_at + i64::from(app.token_ttl_s),
        iat: issued_at,
        jti: ids::fresh(context.now)?,
        department: client.department.clone(),
        roles: client.roles.split_whitespace().map(str::to_owned).collect(),
        scope: scope.to_owned(),
        default_purpose: client.default_purpose.clone(),
        uscc: String::new(),
    };
    Ok(api::IssueTokenResponse {
        access_token: app.signer(context.now)?.sign(&claims)?,
        token_type: String::from("Bearer"),
        expires_in: i32::try_from(app.token_ttl_s).unwrap_or(i32::MAX),
        scope: scope.to_owned(),
    })
}

async fn sign_in(
    app: &Arc<App>,
    context: &Context,
    request: &api::IssueTokenRequest,
) -> Answer<rows::Client> {
    let assertion = match request.client_assertion_type.as_str() {
        "" if request.client_assertion.is_empty() => None,
        ASSERTION => Some(
            Token::parse_assertion(&request.client_assertion)
                .map_err(|_| assertion_invalid("it is no JWT signed with EdDSA"))?,
        ),
        _ => {
            return Err(Fault::field(
                "client_assertion_type",
                format!("must be {ASSERTION}"),
                format!("必须为 {ASSERTION}"),
            ));
        }
    };
    if assertion.is_some() && !request.client_secret.is_empty() {
        return Err(Fault::field(
            "client_secret",
            "is given beside an assertion; give one of them",
            "不能与客户端断言同时提供；请只提供其一",
        ));
    }
    let claims: Option<Assertion> = match &assertion {
        Some(token) => {
            Some(token.claims().map_err(|_| assertion_invalid("a claim is missing or of the wrong type"))?)
        }
        None => None,
    };
    let id = match &claims {
        Some(claims) if request.client_id.is_empty() => claims.sub.clone(),
        _ => request.client_id.clone(),
    };
    let guard = Guard::pass(app, context, &id).await?;
    let known = rows::find(app.store().read(), &id).await?;
    let proven = match (&assertion, &claims) {
        (Some(token), Some(claims)) => asserted(app, context, known.as_ref(), token, claims).await,
        _ => knows(app, known.as_ref(), &request.client_secret).await,
    };
    match (proven, known) {
        // Told only to who proved to be it.
        (Ok(()), Some(client)) if client.locked_at > 0 => Err(Fault::denied(
            api::ErrorReason::ClientLocked.as_str_name(),
            format!("the client {} is locked; ask the security administrator", client.client_id),
            format!("客户端{}已被锁定；请联系安全管理员", client.client_id),
        )),
        (Ok(()), Some(client)) => {
            guard.succeeded(app, context).await?;
            if client.signed_in_at == 0 && client.roles != "service" {
                rows::first_sign_in(app.store(), &client.client_id, context.now).await?;
            }
            Ok(client)
        }
        (Err(fault), _) if fault.kind() != Kind::Unauthenticated => Err(fault),
        (refused, _) => {
            guard.failed(app, context).await?;
            Err(refused.err().unwrap_or_else(secret_wrong))
        }
    }
}

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

// A hash of nothing that anybody knows: an unknown client is refused in the time that a wrong secret takes.
const NOBODY: &str =
    "$argon2id$v=19$m=8192,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

async fn knows(app: &App, client: Option<&rows::Client>, secret: &str) -> Answer<()> {
    let stored = client.map(|client| client.secret_hash.as_str()).filter(|hash| !hash.is_empty());
    let (stored, secret) = (stored.unwrap_or(NOBODY).to_owned(), secret.to_owned());
    if app.hashing(move || rules::is_of(&secret, &stored)).await? { Ok(()) } else { Err(secret_wrong()) }
}

// The same answer whether the client or the secret is wrong.
fn secret_wrong() -> Fault {
    Fault::unauthenticated(
        api::ErrorReason::ClientCredentialsInvalid.as_str_name(),
        "the client is not known, or the secret is not its own",
        "客户端未登记或密钥不正确",
    )
}

async fn asserted(
    app: &App,
    context: &Context,
    client: Option<&rows::Client>,
    token: &Token<'_>,
    claims: &Assertion,
) -> Answer<()> {
    let foreign = || assertion_invalid("no key of the client signed it");
    let client = client.ok_or_else(foreign)?;
    let keys = client.public_keys().map(|(kid, x)| key(&api::PublicKey { kid: kid.into(), x: x.into() }));
    let named = keys.filter(|key| token.kid.is_empty() || key.kid == token.kid).collect::<Vec<_>>();
    let set = KeySet::of(&named).map_err(Fault::internal)?;
    let signed = named.iter().filter_map(|key| set.get(&key.kid)).any(|key| token.is_signed_by(key));
    if !signed {
        return Err(foreign());
    }
    let fault = rules::assertion_fault(claims, &client.client_id, &app.issuer, context.now.as_second());
    if let Some(what) = fault {
        return Err(assertion_invalid(what));
    }
    let digest = hex::encode(Sha256::digest(format!("{}\n{}", client.client_id, claims.jti)));
    let tx = app.store().begin().await?;
    if !rows::take_assertion(&tx, &digest, claims.exp).await? {
        return Err(assertion_invalid("its jti came before"));
    }
    tx.commit().await
}

fn assertion_invalid(what: &str) -> Fault {
    Fault::unauthenticated(
        api::ErrorReason::ClientAssertionInvalid.as_str_name(),
        format!("the client's assertion does not hold: {what}"),
        "客户端断言无效：签名、受众、时间或 jti 不符合要求",
    )
    .with("what", what)
}

/// A client's public key as one of a key set.
pub fn key(key: &api::PublicKey) -> api::Key {
    api::Key {
        kty: String::from("OKP"),
        crv: String::from("Ed25519"),
        x: key.x.clone(),
        kid: key.kid.clone(),
        alg: String::from("EdDSA"),
        r#use: String::from("sig"),
    }
}
