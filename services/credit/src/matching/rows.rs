//! Subjects by the keys of their names.
use std::collections::HashMap;

use chassis::{
    Answer, Tx,
    storage::{among_numbers, sql},
};
use sea_orm::{ConnectionTrait, FromQueryResult};

/// A subject as far as its names go.
#[derive(FromQueryResult)]
pub struct Named {
    name_key: i64,
    /// Its code.
    pub uscc: String,
    /// Its registered name.
    pub name: String,
    /// Where it is registered.
    pub region: String,
    /// Its other names, as they are kept.
    pub other_names: String,
}

/// Subjects, and where those of a key stand among them.
pub struct Register {
    /// The subjects, each once.
    pub subjects: Vec<Named>,
    /// Their places by key.
    pub places: HashMap<i64, Vec<usize>>,
}

impl Register {
    /// Whether more have a key than were read.
    pub fn crowded(&self, key: i64, most: usize) -> bool {
        self.places.get(&key).is_some_and(|places| places.len() > most)
    }
}

/// The subjects of these keys, at most one more than `most` of each.
pub async fn by_keys(db: &impl ConnectionTrait, keys: &[i64], most: usize) -> Answer<Register> {
    let mut register = Register { subjects: Vec::new(), places: HashMap::new() };
    if keys.is_empty() {
        return Ok(register);
    }
    let (registered, list) = among_numbers(db, "name_key", 1, keys);
    let (other, _) = among_numbers(db, "k.name_key", 1, keys);
    let text = format!(
        "SELECT name_key, uscc, name, region, other_names FROM (\
           SELECT name_key, uscc, name, region, other_names, \
                  ROW_NUMBER() OVER (PARTITION BY name_key ORDER BY uscc) AS place \
           FROM subjects WHERE {registered}) AS numbered WHERE place <= {} \
         UNION ALL \
         SELECT k.name_key, s.uscc, s.name, s.region, s.other_names \
         FROM other_name_keys AS k JOIN subjects AS s ON s.uscc = k.uscc WHERE {other}",
        most + 1
    );
    let mut known: HashMap<String, usize> = HashMap::new();
    for row in Named::find_by_statement(sql(db, &text, [list])).all(db).await? {
        let place = *known.entry(row.uscc.clone()).or_insert(register.subjects.len());
        register.places.entry(row.name_key).or_default().push(place);
        if place == register.subjects.len() {
            register.subjects.push(row);
        }
    }
    Ok(register)
}

/// Forgets keys that were made in another way than this one.
pub async fn renew(tx: &Tx, version: i32) -> Answer<()> {
    let kept =
        tx.query_one_raw(sql(&**tx, "SELECT MAX(version) AS version FROM name_key_version", [])).await?;
    let kept: Option<i32> = kept.map(|row| row.try_get("", "version")).transpose()?.flatten();
    if kept == Some(version) {
        return Ok(());
    }
    if kept.is_some() {
        tx.execute_unprepared("UPDATE subjects SET name_key = NULL").await?;
        tx.execute_unprepared("DELETE FROM other_name_keys").await?;
        tx.execute_unprepared("DELETE FROM name_key_version").await?;
    }
    tx.execute_raw(sql(&**tx, "INSERT INTO name_key_version (version) VALUES ($1)", [version.into()]))
        .await?;
    Ok(())
}
