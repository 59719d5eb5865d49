//! Where clients and the key meet their tables.
use chassis::{
    Answer, Store, Tx,
    access::Denied,
    clock::{from_micros, micros, wire},
    storage::{Filters, insert_rows, sql},
};
use contract::identity::v1 as api;
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

/// A client as it stands in the table.
#[derive(Clone, FromQueryResult)]
pub struct Client {
    pub client_id: String,
    pub display_name: String,
    pub department: String,
    pub scopes: String,
    pub roles: String,
    pub default_purpose: String,
    /// The argon2id hash of its secret; empty where it signs in by its keys.
    pub secret_hash: String,
    pub request_id: String,
    pub created_at: i64,
    /// "kid=x kid=x".
    pub keys: String,
    /// Microseconds since 1970; 0: never.
    pub signed_in_at: i64,
    /// Likewise.
    pub locked_at: i64,
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
            keys: self
                .public_keys()
                .map(|(kid, x)| api::PublicKey { kid: kid.into(), x: x.into() })
                .collect(),
            lock_time: (self.locked_at > 0).then(|| wire(from_micros(self.locked_at))),
        }
    }

    /// Its public keys: their ids and themselves.
    pub fn public_keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.keys.split_whitespace().filter_map(|key| key.split_once('='))
    }
}

/// A signing key as it stands in the table; times are seconds since 1970.
#[derive(Clone, FromQueryResult)]
pub struct SigningKey {
    pub seed: String,
    pub active_from: i64,
    /// 0: it is not replaced yet.
    pub ends_at: i64,
}

/// Makes the first signing key of a fresh seed where there is none. Replicas that start together agree.
pub async fn first_key(store: &Store, fresh: &str) -> Answer<()> {
    let tx = store.begin().await?;
    let keep = "INSERT INTO signing_keys (id, seed) SELECT 1, $1 WHERE NOT EXISTS (SELECT 1 FROM signing_keys) \
                ON CONFLICT (id) DO NOTHING";
    tx.execute_raw(sql(&*tx, keep, [fresh.into()])).await?;
    tx.commit().await
}

/// The signing keys, in the order of their making.
pub async fn signing_keys(db: &impl ConnectionTrait) -> Answer<Vec<SigningKey>> {
    let text = "SELECT seed, active_from, ends_at FROM signing_keys ORDER BY id";
    Ok(SigningKey::find_by_statement(sql(db, text, [])).all(db).await?)
}

/// Adds a key that signs from an instant on; those before it end at another.
pub async fn add_key(tx: &Tx, seed: &str, active_from: i64, previous_until: i64) -> Answer<()> {
    let end = "UPDATE signing_keys SET ends_at = $1 WHERE ends_at = 0";
    tx.execute_raw(sql(&**tx, end, [previous_until.into()])).await?;
    let add = "INSERT INTO signing_keys (id, seed, active_from) SELECT COALESCE(MAX(id), 0) + 1, $1, $2 FROM signing_keys";
    tx.execute_raw(sql(&**tx, add, [seed.into(), active_from.into()])).await?;
    Ok(())
}

/// Removes keys that have ended, with their seeds; how many.
pub async fn remove_keys(tx: &Tx, now_s: i64) -> Answer<u64> {
    let text = "DELETE FROM signing_keys WHERE ends_at > 0 AND ends_at <= $1";
    Ok(tx.execute_raw(sql(&**tx, text, [now_s.into()])).await?.rows_affected())
}

/// The version of how tokens stand; 1 before the first change.
pub async fn version(db: &impl ConnectionTrait) -> Answer<i64> {
    let row = db.query_one_raw(sql(db, "SELECT version FROM standing WHERE id = 1", [])).await?;
    Ok(row.map(|row| row.try_get("", "version")).transpose()?.unwrap_or(1))
}

/// Moves the version on; concurrent changes of how tokens stand wait here for each other.
pub async fn next_version(tx: &Tx) -> Answer<()> {
    let text = "INSERT INTO standing (id, version) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET version = standing.version + 1";
    tx.execute_raw(sql(&**tx, text, [])).await?;
    Ok(())
}

/// Clients whose tokens are revoked, up to which second each.
pub async fn revocations(db: &impl ConnectionTrait, now_s: i64) -> Answer<Vec<(String, i64)>> {
    let text = "SELECT client_id, issued_until FROM revocations WHERE shown_until > $1";
    let rows = db.query_all_raw(sql(db, text, [now_s.into()])).await?;
    let told = rows.iter().map(|row| Ok((row.try_get("", "client_id")?, row.try_get("", "issued_until")?)));
    told.collect()
}

/// Revokes a client's tokens up to a second; where that is revoked already, the one after it too, which its newest tokens carry.
pub async fn revoke(tx: &Tx, client: &str, issued_until: i64, shown_until: i64) -> Answer<()> {
    let text = "INSERT INTO revocations (client_id, issued_until, shown_until) VALUES ($1, $2, $3) ON CONFLICT (client_id) \
                DO UPDATE SET shown_until = excluded.shown_until, issued_until = CASE WHEN revocations.issued_until \
                < excluded.issued_until THEN excluded.issued_until ELSE revocations.issued_until + 1 END";
    tx.execute_raw(sql(&**tx, text, [client.into(), issued_until.into(), shown_until.into()])).await?;
    next_version(tx).await
}

/// What is known of sign-ins of one client or from one address; times are seconds since 1970.
#[derive(Clone, FromQueryResult)]
pub struct SignIns {
    pub who: String,
    pub failures: i64,
    pub blocked_until: i64,
    pub good_address: String,
}

/// What is known of two of them.
pub async fn sign_ins(db: &impl ConnectionTrait, client: &str, address: &str) -> Answer<Vec<SignIns>> {
    let text = "SELECT who, failures, blocked_until, good_address FROM sign_ins WHERE who IN ($1, $2)";
    Ok(SignIns::find_by_statement(sql(db, text, [client.into(), address.into()])).all(db).await?)
}

/// Counts a failure, the first again where the last is forgotten; how many there are now in a row.
pub async fn count_failure(tx: &Tx, who: &str, now_s: i64, forgotten: i64) -> Answer<i64> {
    let text = "INSERT INTO sign_ins (who, failures, last_at, blocked_until, good_address) VALUES ($1, 1, $2, 0, '') \
                ON CONFLICT (who) DO UPDATE SET last_at = excluded.last_at, \
                failures = CASE WHEN sign_ins.last_at < $3 THEN 1 ELSE sign_ins.failures + 1 END RETURNING failures";
    let row = tx.query_one_raw(sql(&**tx, text, [who.into(), now_s.into(), forgotten.into()])).await?;
    Ok(row.map(|row| row.try_get("", "failures")).transpose()?.unwrap_or(1))
}

/// Refuses sign-ins until an instant.
pub async fn block(tx: &Tx, who: &str, until: i64) -> Answer<()> {
    let text = "UPDATE sign_ins SET blocked_until = $2 WHERE who = $1";
    tx.execute_raw(sql(&**tx, text, [who.into(), until.into()])).await?;
    Ok(())
}

/// Forgets a client's failures and remembers from where it signed in.
pub async fn signed_in(tx: &Tx, who: &str, address: &str, now_s: i64) -> Answer<()> {
    let text = "INSERT INTO sign_ins (who, failures, last_at, blocked_until, good_address) VALUES ($1, 0, $2, 0, $3) \
                ON CONFLICT (who) DO UPDATE SET failures = 0, blocked_until = 0, good_address = excluded.good_address";
    tx.execute_raw(sql(&**tx, text, [who.into(), now_s.into(), address.into()])).await?;
    Ok(())
}

/// Writes down that a client has signed in, the first time.
pub async fn first_sign_in(store: &Store, client: &str, now: Timestamp) -> Answer<()> {
    let tx = store.begin().await?;
    let text = "UPDATE clients SET signed_in_at = $2 WHERE client_id = $1";
    tx.execute_raw(sql(&*tx, text, [client.into(), micros(now).into()])).await?;
    tx.commit().await
}

/// Takes an assertion, once; false where it came before.
pub async fn take_assertion(tx: &Tx, digest: &str, ends_at: i64) -> Answer<bool> {
    let text = "INSERT INTO assertions (digest, ends_at) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
    Ok(tx.execute_raw(sql(&**tx, text, [digest.into(), ends_at.into()])).await?.rows_affected() == 1)
}

/// Removes what need not be known any more.
pub async fn forget(tx: &Tx, now_s: i64) -> Answer<()> {
    for text in [
        "DELETE FROM assertions WHERE ends_at < $1 - 120",
        "DELETE FROM revocations WHERE shown_until < $1",
        "DELETE FROM denials WHERE at < ($1 - 200 * 86400) * 1000000",
        "DELETE FROM sign_ins WHERE last_at < $1 - 86400 AND good_address = ''",
    ] {
        tx.execute_raw(sql(&**tx, text, [now_s.into()])).await?;
    }
    Ok(())
}

/// Clients with what the first version stored in the place of a hash.
pub async fn unhashed(db: &impl ConnectionTrait) -> Answer<Vec<Client>> {
    let text = "SELECT * FROM clients WHERE secret_hash <> '' AND secret_hash NOT LIKE '$argon2id$%'";
    Ok(Client::find_by_statement(sql(db, text, [])).all(db).await?)
}

/// Puts a client's hash in the place of what stands there.
pub async fn set_hash(tx: &Tx, client: &str, hash: &str) -> Answer<()> {
    let text = "UPDATE clients SET secret_hash = $2 WHERE client_id = $1";
    tx.execute_raw(sql(&**tx, text, [client.into(), hash.into()])).await?;
    Ok(())
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

fn values(client: &Client) -> [Value; 10] {
    [
        client.client_id.as_str().into(),
        client.display_name.as_str().into(),
        client.department.as_str().into(),
        client.scopes.as_str().into(),
        client.roles.as_str().into(),
        client.default_purpose.as_str().into(),
        client.secret_hash.as_str().into(),
        client.request_id.as_str().into(),
        client.created_at.into(),
        client.keys.as_str().into(),
    ]
}

const INSERT: &str = "INSERT INTO clients (client_id, display_name, department, scopes, roles, default_purpose, secret_hash, \
                      request_id, created_at, keys) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Registers a client; false where the id is taken.
pub async fn insert(tx: &Tx, client: &Client) -> Answer<bool> {
    let text = format!("{INSERT} ON CONFLICT (client_id) DO NOTHING");
    Ok(tx.execute_raw(sql(&**tx, &text, values(client))).await?.rows_affected() == 1)
}

async fn put(store: &Store, client: &Client) -> Answer<()> {
    let tx = store.begin().await?;
    let text = format!(
        "{INSERT} ON CONFLICT (client_id) DO UPDATE SET scopes = excluded.scopes, roles = excluded.roles, \
         secret_hash = excluded.secret_hash"
    );
    tx.execute_raw(sql(&*tx, &text, values(client))).await?;
    tx.commit().await
}

/// Registers one of the suite's own services; its secret is the operator's.
pub async fn put_service(
    store: &Store,
    id: &str,
    secret_hash: &str,
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
        secret_hash: secret_hash.to_owned(),
        request_id: String::new(),
        created_at: micros(now),
        keys: String::new(),
        signed_in_at: 0,
        locked_at: 0,
    };
    put(store, &client).await
}

/// Registers a client that the suite makes at its start: the office's own, or an administrator.
pub async fn put_own(
    store: &Store,
    id: &str,
    (name, role): (&str, &str),
    secret_hash: &str,
    scopes: &[&str],
    now: Timestamp,
) -> Answer<()> {
    let client = Client {
        client_id: id.to_owned(),
        display_name: name.to_owned(),
        department: String::from("credit-office"),
        scopes: scopes.join(" "),
        roles: role.to_owned(),
        default_purpose: String::from("信用监管"),
        secret_hash: secret_hash.to_owned(),
        request_id: String::new(),
        created_at: micros(now),
        keys: String::new(),
        signed_in_at: 0,
        locked_at: 0,
    };
    put(store, &client).await
}

/// Writes what may change of a client: grants, keys, lock.
pub async fn update(tx: &Tx, client: &Client) -> Answer<()> {
    let text = "UPDATE clients SET scopes = $2, roles = $3, keys = $4, secret_hash = $5, locked_at = $6 WHERE client_id = $1";
    let values = [
        client.client_id.as_str().into(),
        client.scopes.as_str().into(),
        client.roles.as_str().into(),
        client.keys.as_str().into(),
        client.secret_hash.as_str().into(),
        client.locked_at.into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// All clients that may ask for a scope, the suite's own services left out.
pub async fn with_scope(db: &impl ConnectionTrait, scope: &str) -> Answer<Vec<Client>> {
    let text =
        "SELECT * FROM clients WHERE roles <> 'service' AND (' ' || scopes || ' ') LIKE ('% ' || $1 || ' %')";
    Ok(Client::find_by_statement(sql(db, text, [scope.into()])).all(db).await?)
}

/// Removes a client; false where there is none.
pub async fn delete(tx: &Tx, id: &str) -> Answer<bool> {
    let text = "DELETE FROM clients WHERE client_id = $1 AND roles <> 'service'";
    Ok(tx.execute_raw(sql(&**tx, text, [id.into()])).await?.rows_affected() == 1)
}

/// A refused call, or several that were alike; its time is in microseconds since 1970.
#[derive(FromQueryResult)]
pub struct Denial {
    pub seq: i64,
    pub at: i64,
    pub caller: String,
    pub method: String,
    pub reason: String,
    pub address: String,
    pub calls: i64,
}

/// Writes refused calls down.
pub async fn add_denials(store: &Store, taken: &[(Denied, Timestamp, i64)]) -> Answer<()> {
    if taken.is_empty() {
        return Ok(());
    }
    let row = |(denied, at, calls): &(Denied, Timestamp, i64)| -> Vec<Value> {
        let address = denied.address.map(|address| address.to_string()).unwrap_or_default();
        vec![
            micros(*at).into(),
            denied.caller.as_str().into(),
            denied.method.as_str().into(),
            denied.reason.as_str().into(),
            address.into(),
            (*calls).into(),
        ]
    };
    let columns = ["at", "caller", "method", "reason", "address", "calls"];
    let tx = store.begin().await?;
    insert_rows(&*tx, "denials", &columns, taken.iter().map(row).collect(), "").await?;
    tx.commit().await
}

/// Refused calls before a number, the latest first; of one caller, or of all where the name is empty.
pub async fn denials(store: &Store, caller: &str, before: i64, limit: u64) -> Answer<Vec<Denial>> {
    let db = store.read();
    let statement = Filters::new().and("seq < $1", [before.into()]).given("caller = $1", caller).sql(
        db,
        "SELECT seq, at, caller, method, reason, address, calls FROM denials",
        &format!("ORDER BY seq DESC LIMIT {limit}"),
    );
    Ok(Denial::find_by_statement(statement).all(db).await?)
}

/// What an administrator changed; its time is in microseconds since 1970.
#[derive(FromQueryResult)]
pub struct Change {
    pub seq: i64,
    pub at: i64,
    pub actor: String,
    pub department: String,
    pub kind: String,
    pub subject: String,
    pub detail: String,
}

/// Changes before a number, the latest first; of one subject, or of all where the name is empty.
pub async fn changes(store: &Store, subject: &str, before: i64, limit: u64) -> Answer<Vec<Change>> {
    let db = store.read();
    let statement = Filters::new().and("seq < $1", [before.into()]).given("subject = $1", subject).sql(
        db,
        "SELECT seq, at, actor, department, kind, subject, detail FROM decisions",
        &format!("ORDER BY seq DESC LIMIT {limit}"),
    );
    Ok(Change::find_by_statement(statement).all(db).await?)
}
