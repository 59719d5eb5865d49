//! Figures 统计数据 that are kept as things happen: how much was counted on which days. Who counts says it in the transaction of what is counted;
//! who reads sums rows of days, months and years, however many things there are.
mod asked;
pub mod filings;
mod spans;

use std::collections::BTreeMap;

use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

pub use self::{
    asked::Asked,
    spans::{BEGINNING, Grain},
};
use crate::{
    fault::Answer,
    storage::{Filters, Store, Tx, insert_rows, sql},
};

/// What a count is of, beside its figure; what is not needed is empty.
pub type Keys = [String; 4];

/// Counts that are not kept yet.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<(&'static str, Grain, String, Keys), i64>);

impl Tally {
    /// Counts on a day; what is taken back counts below zero.
    pub fn add(&mut self, figure: &'static str, day: Date, keys: [&str; 4], counted: i64) {
        if counted == 0 {
            return;
        }
        for grain in Grain::ALL {
            let key = (figure, grain, grain.span(day), keys.map(str::to_owned));
            *self.0.entry(key).or_default() += counted;
        }
    }

    /// Just the counts of some figures.
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|(figure, ..), _| wanted(figure));
        self
    }
}

/// Keeps counts. Two that keep the same ones wait for each other until the first commits: make it the last statement of the transaction.
pub async fn keep(db: &impl ConnectionTrait, tally: &Tally) -> Answer<()> {
    let changed = tally.0.iter().filter(|(_, counted)| **counted != 0);
    // In the order of the key, so that two never wait for each other in a ring.
    let row = |((figure, grain, span, keys), counted): (&(&str, Grain, String, Keys), &i64)| {
        let mut row: Vec<Value> = vec![(*figure).into(), grain.name().into(), span.as_str().into()];
        row.extend(keys.iter().map(|key| Value::from(key.as_str())));
        row.push((*counted).into());
        row
    };
    let columns = ["figure", "grain", "span", "k1", "k2", "k3", "k4", "counted"];
    let conflict = "ON CONFLICT (figure, grain, span, k1, k2, k3, k4) DO UPDATE SET counted = figures.counted + excluded.counted";
    insert_rows(db, "figures", &columns, changed.map(row).collect(), conflict).await?;
    Ok(())
}

/// A sum of counts.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Counted {
    /// The span; empty where the sum is over many.
    pub span: String,
    /// The first key.
    pub k1: String,
    /// The second.
    pub k2: String,
    /// The third.
    pub k3: String,
    /// The fourth.
    pub k4: String,
    /// The sum.
    pub counted: i64,
}

/// What a figure comes to between two days, both among them, by its keys; of one first key, or of all where it is empty.
pub async fn sum(
    db: &impl ConnectionTrait,
    figure: &str,
    first: &str,
    from: Date,
    to: Date,
) -> Answer<Vec<Counted>> {
    let mut values: Vec<Value> = vec![figure.into()];
    let of_first = if first.is_empty() {
        ""
    } else {
        values.push(first.into());
        "AND k1 = $2"
    };
    let mut parts = Vec::new();
    for (grain, first, last) in spans::cover(from, to) {
        values.extend([grain.name().into(), first.into(), last.into()]);
        let at = values.len();
        parts.push(format!(
            "SELECT k1, k2, k3, k4, counted FROM figures WHERE figure = $1 {of_first} \
             AND grain = ${} AND span BETWEEN ${} AND ${at}",
            at - 2,
            at - 1
        ));
    }
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let text = format!(
        "SELECT '' AS span, k1, k2, k3, k4, CAST(SUM(counted) AS BIGINT) AS counted FROM ({}) AS parts \
         GROUP BY k1, k2, k3, k4 HAVING SUM(counted) <> 0",
        parts.join(" UNION ALL ")
    );
    ordered(Counted::find_by_statement(sql(db, &text, values)).all(db).await?)
}

/// The same span by span, those that hold one of the days; months and years are whole.
pub async fn series(
    db: &impl ConnectionTrait,
    figure: &str,
    first: &str,
    (from, to): (Date, Date),
    grain: Grain,
) -> Answer<Vec<Counted>> {
    let statement = Filters::new()
        .and("figure = $1 AND grain = $2 AND counted <> 0", [figure.into(), grain.name().into()])
        .and("span BETWEEN $1 AND $2", [grain.span(from).into(), grain.span(to).into()])
        .given("k1 = $1", first)
        .sql(db, "SELECT span, k1, k2, k3, k4, counted FROM figures", "");
    ordered(Counted::find_by_statement(statement).all(db).await?)
}

// The databases' own collations differ.
fn ordered(mut rows: Vec<Counted>) -> Answer<Vec<Counted>> {
    rows.sort_unstable_by(|a, b| {
        (&a.span, &a.k1, &a.k2, &a.k3, &a.k4).cmp(&(&b.span, &b.k1, &b.k2, &b.k3, &b.k4))
    });
    Ok(rows)
}

/// Counts once what was there before the figure was kept, in one transaction with the note that it is done; where replicas begin together,
/// one does it and the others wait.
pub async fn adopt(store: &Store, figure: &str, anew: impl AsyncFnOnce(&Tx) -> Answer<Tally>) -> Answer<()> {
    let tx = store.begin().await?;
    let note = "INSERT INTO cursors (feed, position) VALUES ($1, 'kept') ON CONFLICT (feed) DO NOTHING";
    let noted = tx.execute_raw(sql(&*tx, note, [format!("figures:{figure}").into()])).await?;
    if noted.rows_affected() == 0 {
        return Ok(());
    }
    let tally = anew(&tx).await?;
    keep(&tx, &tally).await?;
    tx.commit().await
}
