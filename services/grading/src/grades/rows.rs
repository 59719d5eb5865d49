//! Reads over grades: pages of an export, distributions, histories.
use std::collections::HashMap;

use chassis::{
    Answer,
    page::Page,
    storage::{among, corrupt, sql},
};
use sea_orm::{ConnectionTrait, FromQueryResult};

/// A subject's line in an export.
pub struct Line {
    pub uscc: String,
    pub grade: String,
    pub score: Option<String>,
    pub region: String,
    pub industry: String,
    pub name: String,
}

/// A subject's grade as it stands.
#[derive(FromQueryResult)]
pub struct Graded {
    pub uscc: String,
    pub grade: String,
    pub score: Option<String>,
}

#[derive(FromQueryResult)]
struct Described {
    uscc: String,
    region: String,
    industry: String,
    name: String,
}

/// The next subjects of a scheme's export, whoever they are. Grades and sheets are read one after the other, the second by their keys: as a
/// join PostgreSQL would, for some sizes of the tables, read all sheets for each page.
pub async fn graded(
    db: &impl ConnectionTrait,
    scheme: &str,
    after: &str,
    limit: usize,
) -> Answer<Vec<Graded>> {
    let text = format!(
        "SELECT uscc, grade, score FROM grades WHERE scheme = $1 AND uscc > $2 ORDER BY uscc LIMIT {limit}"
    );
    let values = [scheme.into(), after.into()];
    Ok(Graded::find_by_statement(sql(db, &text, values)).all(db).await?)
}

/// The lines of these subjects, in their order.
pub async fn lines(db: &impl ConnectionTrait, graded: Vec<Graded>) -> Answer<Vec<Line>> {
    let codes: Vec<&str> = graded.iter().map(|one| one.uscc.as_str()).collect();
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let (of_codes, list) = among(db, "uscc", 1, &codes);
    let text = format!("SELECT uscc, region, industry, name FROM sheets WHERE {of_codes}");
    let described = Described::find_by_statement(sql(db, &text, [list])).all(db).await?;
    let mut described: HashMap<String, Described> =
        described.into_iter().map(|one| (one.uscc.clone(), one)).collect();
    let line = |Graded { uscc, grade, score }| {
        // Never left out in silence: a roster is frozen from these lines.
        let sheet = described
            .remove(&uscc)
            .ok_or_else(|| corrupt("grade", format_args!("{uscc} has no fact sheet")))?;
        let Described { region, industry, name, .. } = sheet;
        Ok(Line { uscc, grade, score, region, industry, name })
    };
    graded.into_iter().map(line).collect()
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
