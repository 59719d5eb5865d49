//! The table of yearly counts.
use std::collections::HashMap;

use chassis::{
    Answer, Tx,
    storage::{insert_rows, sql},
};
use contract::sampling::v1::Frequency;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::rules::History;

#[derive(FromQueryResult)]
struct Counted {
    uscc: String,
    drawn: i64,
    directed: i64,
    drawn_on: String,
}

fn count(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

const SUMS: &str = "uscc, CAST(SUM(CASE WHEN year = $1 THEN drawn ELSE 0 END) AS BIGINT) AS drawn, \
                    CAST(SUM(CASE WHEN year = $1 THEN directed ELSE 0 END) AS BIGINT) AS directed, MAX(drawn_on) AS drawn_on";

/// A subject's visits of a year.
pub async fn frequency(db: &impl ConnectionTrait, uscc: &str, year: i32) -> Answer<Frequency> {
    let text = format!("SELECT {SUMS} FROM visit_counts WHERE uscc = $2 GROUP BY uscc");
    let row = Counted::find_by_statement(sql(db, &text, [year.into(), uscc.into()])).one(db).await?;
    let row = row.unwrap_or(Counted { uscc: String::new(), drawn: 0, directed: 0, drawn_on: String::new() });
    Ok(Frequency {
        uscc: uscc.to_owned(),
        year,
        drawn: count(row.drawn),
        directed: count(row.directed),
        last_drawn_on: row.drawn_on,
    })
}

/// What every subject that was ever visited had in a year, and when it was drawn last.
pub async fn histories(db: &impl ConnectionTrait, year: i32) -> Answer<HashMap<String, History>> {
    let text = format!("SELECT {SUMS} FROM visit_counts GROUP BY uscc");
    let rows = Counted::find_by_statement(sql(db, &text, [year.into()])).all(db).await?;
    let history = |row: Counted| {
        (row.uscc, History { visits: count(row.drawn + row.directed), drawn_on: row.drawn_on })
    };
    Ok(rows.into_iter().map(history).collect())
}

#[derive(FromQueryResult)]
struct Above {
    uscc: String,
    visits: i64,
}

/// The subjects with more visits in a year than so many.
pub async fn above(db: &impl ConnectionTrait, year: i32, visits: i32) -> Answer<HashMap<String, i32>> {
    let text = "SELECT uscc, CAST(drawn + directed AS BIGINT) AS visits FROM visit_counts \
                WHERE year = $1 AND drawn + directed > $2";
    let rows = Above::find_by_statement(sql(db, text, [year.into(), visits.into()])).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.uscc, count(row.visits))).collect())
}

/// A change of a subject's count.
pub struct Bump<'a> {
    pub uscc: &'a str,
    pub drawn: i32,
    pub directed: i32,
    /// The day of the draw, YYYY-MM-DD; empty where it was not drawn.
    pub drawn_on: &'a str,
}

impl<'a> Bump<'a> {
    /// One more visit that was drawn on a day.
    pub fn drawn(uscc: &'a str, on: &'a str) -> Self {
        Self { uscc, drawn: 1, directed: 0, drawn_on: on }
    }

    /// One less: the subject was replaced.
    pub fn given_back(uscc: &'a str) -> Self {
        Self { uscc, drawn: -1, directed: 0, drawn_on: "" }
    }

    /// One more visit that was ordered.
    pub fn directed(uscc: &'a str) -> Self {
        Self { uscc, drawn: 0, directed: 1, drawn_on: "" }
    }
}

/// Changes counts, and holds their rows to the end of the transaction. Always in the order of the codes: two that want the same rows
/// wait for one another, and never in a circle.
pub async fn bump(tx: &Tx, year: i32, mut bumps: Vec<Bump<'_>>) -> Answer<()> {
    bumps.sort_unstable_by(|one, other| one.uscc.cmp(other.uscc));
    let row = |one: &Bump<'_>| {
        vec![one.uscc.into(), year.into(), one.drawn.into(), one.directed.into(), one.drawn_on.into()]
    };
    insert_rows(
        &**tx,
        "visit_counts",
        &["uscc", "year", "drawn", "directed", "drawn_on"],
        bumps.iter().map(row).collect(),
        "ON CONFLICT (uscc, year) DO UPDATE SET drawn = visit_counts.drawn + excluded.drawn, \
         directed = visit_counts.directed + excluded.directed, drawn_on = CASE WHEN excluded.drawn_on > \
         visit_counts.drawn_on THEN excluded.drawn_on ELSE visit_counts.drawn_on END",
    )
    .await?;
    Ok(())
}
