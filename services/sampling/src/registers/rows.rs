//! The members of special libraries of objects.
use chassis::{
    Answer, Tx,
    storage::{insert_rows, sql},
};
use sea_orm::{ConnectionTrait, FromQueryResult};

/// Makes these the members of a library; of one named twice the last note counts.
pub async fn put_members(tx: &Tx, library: &str, members: Vec<(String, String)>) -> Answer<()> {
    tx.execute_raw(sql(&**tx, "DELETE FROM library_members WHERE library = $1", [library.into()])).await?;
    // One statement may not meet a row twice.
    let members: std::collections::BTreeMap<String, String> = members.into_iter().collect();
    let row = |(uscc, note): (String, String)| vec![library.into(), uscc.into(), note.into()];
    let rows = members.into_iter().map(row).collect();
    insert_rows(&**tx, "library_members", &["library", "uscc", "note"], rows, "").await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Member {
    uscc: String,
    note: String,
}

/// The members of a library with their notes, in the order of the codes' bytes.
pub async fn members(db: &impl ConnectionTrait, library: &str) -> Answer<Vec<(String, String)>> {
    let text = "SELECT uscc, note FROM library_members WHERE library = $1 ORDER BY uscc";
    let rows = Member::find_by_statement(sql(db, text, [library.into()])).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.uscc, row.note)).collect())
}

/// How many members a library has.
pub async fn count(db: &impl ConnectionTrait, library: &str) -> Answer<i32> {
    let text = "SELECT COUNT(*) AS n FROM library_members WHERE library = $1";
    let row = db.query_one_raw(sql(db, text, [library.into()])).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}
