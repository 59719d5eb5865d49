//! What is put whole and read whole: inspection items and inspectors, each a body under an id and a department.
use chassis::{
    Answer, Tx,
    page::Page,
    storage::{Filters, corrupt, placeholders, sql},
};
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

#[derive(FromQueryResult)]
struct Body {
    body: Vec<u8>,
}

/// Reads bodies by a statement that selects `body`.
pub async fn bodies<M: Message + Default>(db: &impl ConnectionTrait, statement: Statement) -> Answer<Vec<M>> {
    let rows = Body::find_by_statement(statement).all(db).await?;
    rows.iter().map(|row| M::decode(row.body.as_slice()).map_err(|error| corrupt("body", error))).collect()
}

/// One of a table's.
pub async fn find<M: Message + Default>(
    db: &impl ConnectionTrait,
    table: &str,
    id: &str,
) -> Answer<Option<M>> {
    let text = format!("SELECT body FROM {table} WHERE id = $1");
    Ok(bodies(db, sql(db, &text, [id.into()])).await?.pop())
}

/// Those of the ids that are on file; at most a plan's hundred.
pub async fn among<M: Message + Default>(
    db: &impl ConnectionTrait,
    table: &str,
    ids: &[String],
) -> Answer<Vec<M>> {
    let text = format!("SELECT body FROM {table} WHERE id IN ({}) ORDER BY id", placeholders(1, ids.len()));
    bodies(db, sql(db, &text, ids.iter().map(|id| id.as_str().into()))).await
}

/// A page in the order of the ids, of one department or all.
pub async fn page<M: Message + Default>(
    db: &impl ConnectionTrait,
    table: &str,
    department: &str,
    page: &Page,
) -> Answer<Vec<M>> {
    let statement = Filters::new().given("id > $1", &page.after).given("department = $1", department).sql(
        db,
        &format!("SELECT body FROM {table}"),
        &format!("ORDER BY id LIMIT {}", page.fetch()),
    );
    bodies(db, statement).await
}

/// Puts one.
pub async fn put(tx: &Tx, table: &str, id: &str, department: &str, body: &impl Message) -> Answer<()> {
    let text = format!(
        "INSERT INTO {table} (id, department, body) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET department = excluded.department, body = excluded.body"
    );
    tx.execute_raw(sql(&**tx, &text, [id.into(), department.into(), body.encode_to_vec().into()])).await?;
    Ok(())
}
