//! What is kept of single draws and single enterprises 检查负担: what came of a draw, and how often an enterprise was visited in a year.
use std::collections::BTreeMap;

use chassis::{
    Answer, Fault, Store, Tx,
    figures::{self, Grain, Tally},
    storage::{among, sql},
};
use contract::sampling::v1::Burden;
use jiff::civil::{Date, date};
use sea_orm::{ConnectionTrait, FromQueryResult};

/// Enterprises by how often they were visited in a calendar year: by scheme, version (empty: all, with what was ordered) and visits, on the year's first day.
const BURDENS: &str = "visits-of-enterprises";
const ALL: &str = "";

/// What came of a draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Came {
    /// Subjects drawn; those who took a place are not among them.
    pub drawn: i64,
    /// Visits recorded.
    pub visited: i64,
    /// Visits that found something.
    pub found: i64,
}

/// Adds to what came of a draw.
pub async fn add_to_draw(tx: &Tx, draw: &str, more: Came) -> Answer<()> {
    if more == Came::default() {
        return Ok(());
    }
    let text = "INSERT INTO draw_counts (draw, drawn, visited, found) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (draw) DO UPDATE SET drawn = draw_counts.drawn + excluded.drawn, \
                visited = draw_counts.visited + excluded.visited, found = draw_counts.found + excluded.found";
    let values = [draw.into(), more.drawn.into(), more.visited.into(), more.found.into()];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct OfDraw {
    draw: String,
    #[sea_orm(nested)]
    came: Came,
}

/// What came of draws, by their ids; a draw of which nothing came yet is not among them.
pub async fn of_draws(db: &impl ConnectionTrait, draws: &[&str]) -> Answer<BTreeMap<String, Came>> {
    let (of_draws, list) = among(db, "draw", 1, draws);
    let text = format!("SELECT draw, drawn, visited, found FROM draw_counts WHERE {of_draws}");
    let rows = OfDraw::find_by_statement(sql(db, &text, [list])).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.draw, row.came)).collect())
}

/// Adds visits of an enterprise in a year, by a version of a scheme or by order: 0; below zero takes back.
pub async fn add_to_enterprise(
    tx: &Tx,
    tally: &mut Tally,
    (scheme, version): (&str, &str),
    (uscc, year): (&str, i16),
    more: i64,
) -> Answer<()> {
    if more == 0 {
        return Ok(());
    }
    let text = "INSERT INTO enterprise_visits (scheme, version, year, uscc, visits) VALUES ($1, $2, $3, $4, $5) \
                ON CONFLICT (uscc, scheme, year, version) DO UPDATE SET visits = enterprise_visits.visits + excluded.visits \
                RETURNING visits";
    let span = format!("{year:04}");
    for version in [version, ALL].into_iter().filter(|version| *version != "0") {
        let values = [scheme.into(), version.into(), span.as_str().into(), uscc.into(), more.into()];
        let row = tx.query_one_raw(sql(&**tx, text, values)).await?;
        let visits: i64 = row.map_or(Ok(0), |row| row.try_get("", "visits"))?;
        for (visits, counted) in [(visits - more, -1), (visits, 1)] {
            if visits > 0 {
                tally.add(BURDENS, date(year, 1, 1), [scheme, version, &visits.to_string(), ""], counted);
            }
        }
    }
    Ok(())
}

/// How many enterprises were visited how often in each calendar year that holds one of the days; of one version, or of all with what was ordered: 0.
/// The last year first, and in it those visited the most often.
pub async fn read(
    db: &impl ConnectionTrait,
    scheme: &str,
    version: i32,
    days: (Date, Date),
) -> Answer<Vec<Burden>> {
    let version = if version == 0 { ALL.to_owned() } else { version.to_string() };
    let mut burdens = Vec::new();
    for row in figures::series(db, BURDENS, scheme, days, Grain::Year).await? {
        if row.k2 == version {
            let number = |text: &str| text.parse().map_err(Fault::internal);
            burdens.push(Burden {
                visits: number(&row.k3)?,
                enterprises: i32::try_from(row.counted).unwrap_or(i32::MAX),
                year: number(&row.span)?,
            });
        }
    }
    burdens.sort_by_key(|burden| std::cmp::Reverse((burden.year, burden.visits)));
    Ok(burdens)
}

/// Begins to keep them for a database from before they were kept.
pub async fn adopt(store: &Store) -> Answer<()> {
    figures::adopt(store, BURDENS, async |tx: &Tx| anew(tx).await).await
}

#[derive(FromQueryResult)]
struct Burdened {
    scheme: String,
    version: String,
    year: String,
    visits: i64,
    enterprises: i64,
}

// Counts all that there is.
async fn anew(tx: &Tx) -> Answer<Tally> {
    let fill = [
        "DELETE FROM draw_counts",
        "INSERT INTO draw_counts (draw, drawn, visited, found) SELECT v.draw, COUNT(CASE WHEN v.replaces = '' THEN 1 END), \
         COUNT(CASE WHEN v.inspected_on <> '' THEN 1 END), COUNT(CASE WHEN v.found THEN 1 END) \
         FROM visits v JOIN draws d ON d.draw_id = v.draw GROUP BY v.draw",
        "DELETE FROM enterprise_visits",
        "INSERT INTO enterprise_visits (scheme, version, year, uscc, visits) SELECT scheme, version, year, uscc, COUNT(*) \
         FROM (SELECT p.scheme, CAST(d.scheme_version AS TEXT) AS version, SUBSTR(v.inspected_on, 1, 4) AS year, v.uscc \
         FROM visits v JOIN draws d ON d.draw_id = v.draw JOIN plans p ON p.plan_id = d.plan WHERE v.inspected_on <> '') AS one \
         GROUP BY scheme, version, year, uscc",
        "INSERT INTO enterprise_visits (scheme, version, year, uscc, visits) SELECT scheme, '', year, uscc, COUNT(*) \
         FROM (SELECT p.scheme, SUBSTR(v.inspected_on, 1, 4) AS year, v.uscc FROM visits v \
         LEFT JOIN draws d ON d.draw_id = v.draw LEFT JOIN orders o ON o.order_id = v.draw \
         JOIN plans p ON p.plan_id = COALESCE(d.plan, o.plan) WHERE v.inspected_on <> '') AS one GROUP BY scheme, year, uscc",
    ];
    for text in fill {
        tx.execute_raw(sql(&**tx, text, [])).await?;
    }
    let mut tally = Tally::default();
    let text = "SELECT scheme, version, year, visits, COUNT(*) AS enterprises FROM enterprise_visits WHERE visits > 0 \
                GROUP BY scheme, version, year, visits";
    for row in Burdened::find_by_statement(sql(&**tx, text, [])).all(&**tx).await? {
        let year = row.year.parse().map_err(Fault::internal)?;
        let keys = [row.scheme.as_str(), &row.version, &row.visits.to_string(), ""];
        tally.add(BURDENS, date(year, 1, 1), keys, row.enterprises);
    }
    Ok(tally)
}
