//! Tokens and the keys that verify them.
use std::sync::Arc;

use chassis::{Answer, App as _, Context, Fault, access::Claims, ids};
use contract::identity::v1 as api;

use super::{App, rows, rules};

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
    let known = rows::find(app.store().read(), &request.client_id).await?;
    let client = known.filter(|client| knows(app, client, &request.client_secret)).ok_or_else(|| {
        // The same answer whether the client or the secret is wrong.
        Fault::unauthenticated(
            api::ErrorReason::ClientCredentialsInvalid.as_str_name(),
            "the client is not known, or the secret is not its own",
            "客户端未登记或密钥不正确",
        )
    })?;
    let scope = rules::granted(&client.scopes, &request.scope).map_err(|lacking| {
        Fault::denied(
            api::ErrorReason::ScopeNotGranted.as_str_name(),
            format!("the client is not registered with the scope {lacking}; ask for less, or have it registered anew"),
            format!("客户端未登记权限{lacking}；请减少申请的权限或重新登记"),
        )
        .with("scope", lacking)
    })?;
    let issued_at = context.now.as_second();
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
        access_token: app.signer.sign(&claims)?,
        token_type: String::from("Bearer"),
        expires_in: i32::try_from(app.token_ttl_s).unwrap_or(i32::MAX),
        scope: scope.to_owned(),
    })
}

fn knows(app: &App, client: &rows::Client, secret: &str) -> bool {
    if client.roles == "service" {
        return rules::same(&client.nonce, &rules::secret("service", &client.client_id, secret));
    }
    rules::knows(&app.seed, &client.client_id, &client.nonce, secret)
}

/// The public keys.
pub async fn keys(app: &Arc<App>, _: &Context, _: api::GetKeysRequest) -> Answer<api::GetKeysResponse> {
    Ok(api::GetKeysResponse { keys: vec![app.signer.public().clone()] })
}
