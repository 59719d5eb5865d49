//! Reads over grades: pages of an export, distributions, histories.
use chassis::{Answer, page::Page, storage::sql};
use sea_orm::{ConnectionTrait, FromQueryResult};

/// A subject's line in an export.
#[derive(FromQueryResult)]
pub struct Line {
    pub uscc: String,
    pub grade: String,
    pub score: Option<String>,
    pub region: String,
    pub industry: String,
    pub name: String,
}

/// The next lines of a scheme's export, whoever they are of. The page is cut before it is joined: PostgreSQL can't know how many a condition
/// on the sheets leaves, and would read a million of them for each page.
pub async fn lines(db: &impl ConnectionTrait, scheme: &str, after: &str, limit: usize) -> Answer<Vec<Line>> {
    let text = format!(
        "SELECT g.uscc, g.grade, g.score, s.region, s.industry, s.name FROM \
         (SELECT uscc, grade, score FROM grades WHERE scheme = $1 AND uscc > $2 ORDER BY uscc LIMIT {limit}) AS g \
         JOIN sheets s ON s.uscc = g.uscc ORDER BY g.uscc"
    );
    let values = [scheme.into(), after.into()];
    Ok(Line::find_by_statement(sql(db, &text, values)).all(db).await?)
}

/// How many subjects have a grade.
#[derive(FromQueryResult)]
pub struct Share {
    pub grade: String,
    pub count: i64,
}

/// How many subjects have each grade under a scheme.
pub async fn shares(db: &impl ConnectionTrait, scheme: &str) -> Answer<Vec<Share>> {
    let text = "SELECT grade, COUNT(*) AS count FROM grades WHERE scheme = $1 GROUP BY grade";
    Ok(Share::find_by_statement(sql(db, text, [scheme.into()])).all(db).await?)
}

/// One change of a grade.
#[derive(FromQueryResult)]
pub struct Past {
    pub seq: i64,
    pub version: i32,
    pub grade: String,
    pub score: Option<String>,
    pub as_of: String,
    pub recorded_at: i64,
}

/// A page of a grade's history, the latest first, from below a place in it.
pub async fn history(
    db: &impl ConnectionTrait,
    uscc: &str,
    scheme: &str,
    below: i64,
    page: &Page,
) -> Answer<Vec<Past>> {
    let text = format!(
        "SELECT seq, version, grade, score, as_of, recorded_at FROM grade_history \
         WHERE uscc = $1 AND scheme = $2 AND seq < $3 ORDER BY seq DESC LIMIT {}",
        page.fetch()
    );
    Ok(Past::find_by_statement(sql(db, &text, [uscc.into(), scheme.into(), below.into()])).all(db).await?)
}
