//! What is kept, and how it is said where sheets and grades are written.
use chassis::{
    Answer, Store, Tx,
    figures::{self, Tally},
    storage::sql,
};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{
    GRADES, POPULATION,
    rules::{county, domains},
};
use crate::{schemes, sheets, simulations::shadows::is_shadow};

/// Changes of grades that are not kept yet.
#[derive(Debug, Default)]
pub struct Moves(Tally);

impl Moves {
    /// A subject's grade under a scheme became another one; an empty grade is none. Who grades along in shadow counts nowhere.
    pub fn add(&mut self, day: Date, scheme: &str, region: &str, before: &str, after: &str) {
        if !is_shadow(scheme) && before != after {
            self.0.add(GRADES, day, [scheme, county(region), before, after], 1);
        }
    }

    /// A subject with a grade went from one region to another; within a county that is no news.
    pub fn relocate(&mut self, day: Date, scheme: &str, (before, after): (&str, &str), grade: &str) {
        if county(before) != county(after) {
            self.add(day, scheme, before, grade, "");
            self.add(day, scheme, after, "", grade);
        }
    }

    /// Keeps them, as the last statement of the transaction.
    pub async fn keep(&self, db: &impl ConnectionTrait) -> Answer<()> {
        figures::keep(db, &self.0).await
    }
}

/// Counts sheets in their domains and counties: those that came, less those that were there.
pub fn classified<'a>(
    day: Date,
    before: impl IntoIterator<Item = &'a sheets::rows::Row>,
    after: impl IntoIterator<Item = &'a sheets::rows::Row>,
) -> Tally {
    let mut tally = Tally::default();
    let before = before.into_iter().map(|row| (row, -1));
    for (row, counted) in before.chain(after.into_iter().map(|row| (row, 1))) {
        for domain in domains(&row.domains) {
            tally.add(POPULATION, day, [domain, county(&row.region), "", ""], counted);
        }
    }
    tally
}

/// Begins to keep the figures of a database from before they were kept: who has a grade came on the day of its last evaluation.
pub async fn adopt(store: &Store, today: Date) -> Answer<()> {
    figures::adopt(store, GRADES, async |tx: &Tx| {
        // Nobody else writes grades meanwhile.
        schemes::rows::hold(tx).await?;
        sheets::rows::hold(tx).await?;
        anew(tx, today).await
    })
    .await
}

#[derive(FromQueryResult)]
struct Graded {
    scheme: String,
    region: String,
    grade: String,
    as_of: String,
    subjects: i64,
}

#[derive(FromQueryResult)]
struct Classified {
    domains: String,
    region: String,
    subjects: i64,
}

// Counts all that stands.
async fn anew(db: &impl ConnectionTrait, today: Date) -> Answer<Tally> {
    let mut tally = Tally::default();
    let text = "SELECT g.scheme, SUBSTR(s.region, 1, 6) AS region, g.grade, g.as_of, COUNT(*) AS subjects FROM grades g \
                JOIN sheets s ON s.uscc = g.uscc GROUP BY g.scheme, SUBSTR(s.region, 1, 6), g.grade, g.as_of";
    for row in Graded::find_by_statement(sql(db, text, [])).all(db).await? {
        if !is_shadow(&row.scheme) {
            let day = row.as_of.parse().unwrap_or(today);
            tally.add(GRADES, day, [&row.scheme, county(&row.region), "", &row.grade], row.subjects);
        }
    }
    let text = "SELECT domains, SUBSTR(region, 1, 6) AS region, COUNT(*) AS subjects FROM sheets \
                GROUP BY domains, SUBSTR(region, 1, 6)";
    for row in Classified::find_by_statement(sql(db, text, [])).all(db).await? {
        for domain in domains(&row.domains) {
            tally.add(POPULATION, today, [domain, county(&row.region), "", ""], row.subjects);
        }
    }
    Ok(tally)
}
