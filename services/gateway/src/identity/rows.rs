//! Where clients and the key meet their tables.
use chassis::{
    Answer, Store, Tx,
    clock::{from_micros, micros, wire},
    storage::sql,
};
use contract::identity::v1 as api;
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use super::rules::ADMIN;

/// A client as it stands in the table.
#[derive(Clone, FromQueryResult)]
pub struct Client {
    pub client_id: String,
    pub display_name: String,
    pub department: String,
    pub scopes: String,
    pub roles: String,
    pub default_purpose: String,
    pub nonce: String,
    pub request_id: String,
    pub created_at: i64,
}

impl Client {
    /// As the contract's message, without its secret.
    pub fn message(&self) -> api::Client {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        api::Client {
            client_id: self.client_id.clone(),
            display_name: self.display_name.clone(),
            department: self.department.clone(),
            scopes: words(&self.scopes),
            roles: words(&self.roles),
            default_purpose: self.default_purpose.clone(),
            client_secret: String::new(),
            create_time: Some(wire(from_micros(self.created_at))),
        }
    }
}

/// The seed of the signing key: the stored one, or `fresh` where there was none. Replicas that start together agree.
pub async fn seed(store: &Store, fresh: &str) -> Answer<String> {
    let tx = store.begin().await?;
    let keep = "INSERT INTO signing_keys (id, seed) VALUES (1, $1) ON CONFLICT (id) DO NOTHING";
    tx.execute_raw(sql(&*tx, keep, [fresh.into()])).await?;
    let row = tx.query_one_raw(sql(&*tx, "SELECT seed FROM signing_keys WHERE id = 1", [])).await?;
    let seed = row.map(|row| row.try_get("", "seed")).transpose()?.unwrap_or_else(|| fresh.to_owned());
    tx.commit().await?;
    Ok(seed)
}

pub async fn find(db: &impl ConnectionTrait, id: &str) -> Answer<Option<Client>> {
    Ok(Client::find_by_statement(sql(db, "SELECT * FROM clients WHERE client_id = $1", [id.into()]))
        .one(db)
        .await?)
}

/// Registered clients after an id, in order; the suite's own services are not among them.
pub async fn list(store: &Store, after: &str, limit: u64) -> Answer<Vec<Client>> {
    let text = format!(
        "SELECT * FROM clients WHERE client_id > $1 AND roles <> 'service' ORDER BY client_id LIMIT {limit}"
    );
    Ok(Client::find_by_statement(sql(store.read(), &text, [after.into()])).all(store.read()).await?)
}

fn values(client: &Client) -> [Value; 9] {
    [
        client.client_id.as_str().into(),
        client.display_name.as_str().into(),
        client.department.as_str().into(),
        client.scopes.as_str().into(),
        client.roles.as_str().into(),
        client.default_purpose.as_str().into(),
        client.nonce.as_str().into(),
        client.request_id.as_str().into(),
        client.created_at.into(),
    ]
}

const INSERT: &str = "INSERT INTO clients (client_id, display_name, department, scopes, roles, default_purpose, nonce, \
                      request_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// Registers a client; false where the id is taken.
pub async fn insert(tx: &Tx, client: &Client) -> Answer<bool> {
    let text = format!("{INSERT} ON CONFLICT (client_id) DO NOTHING");
    Ok(tx.execute_raw(sql(&**tx, &text, values(client))).await?.rows_affected() == 1)
}

async fn put(store: &Store, client: &Client) -> Answer<()> {
    let tx = store.begin().await?;
    let text = format!(
        "{INSERT} ON CONFLICT (client_id) DO UPDATE SET scopes = excluded.scopes, roles = excluded.roles, \
         nonce = excluded.nonce"
    );
    tx.execute_raw(sql(&*tx, &text, values(client))).await?;
    tx.commit().await
}

/// Registers one of the suite's own services; its secret is the operator's, so that the nonce holds it as it is.
pub async fn put_service(
    store: &Store,
    id: &str,
    secret: &str,
    scopes: &[&str],
    now: Timestamp,
) -> Answer<()> {
    let client = Client {
        client_id: id.to_owned(),
        display_name: id.to_owned(),
        department: String::new(),
        scopes: scopes.join(" "),
        roles: String::from("service"),
        default_purpose: String::from("服务间调用"),
        nonce: super::rules::secret("service", id, secret),
        request_id: String::new(),
        created_at: micros(now),
    };
    put(store, &client).await
}

/// Registers the office's own client.
pub async fn put_admin(store: &Store, nonce: &str, scopes: &[String], now: Timestamp) -> Answer<()> {
    put(store, &admin(nonce.to_owned(), scopes, now)).await
}

/// The same with a secret that is the operator's.
pub async fn put_given_admin(store: &Store, secret: &str, scopes: &[String], now: Timestamp) -> Answer<()> {
    put(store, &admin(super::rules::given(ADMIN, secret), scopes, now)).await
}

fn admin(nonce: String, scopes: &[String], now: Timestamp) -> Client {
    Client {
        client_id: ADMIN.to_owned(),
        display_name: String::from("信用联办"),
        department: String::from("credit-office"),
        scopes: scopes.join(" "),
        roles: String::from("office"),
        default_purpose: String::from("信用监管"),
        nonce,
        request_id: String::new(),
        created_at: micros(now),
    }
}

/// Removes a client; false where there is none.
pub async fn delete(tx: &Tx, id: &str) -> Answer<bool> {
    let text = "DELETE FROM clients WHERE client_id = $1 AND roles <> 'service'";
    Ok(tx.execute_raw(sql(&**tx, text, [id.into()])).await?.rows_affected() == 1)
}
