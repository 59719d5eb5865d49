//! Reads over grades: pages of an export, distributions, histories.
use std::{borrow::Cow, collections::HashMap};

use chassis::{
    Answer, Store,
    page::Page,
    storage::{Line as Scanned, among, corrupt, sql},
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

/// The next subjects of a scheme's export, whoever they are. Grades and sheets are read one after the other, the second by their keys: as a
/// join PostgreSQL would, for some sizes of the tables, read all sheets for each page.
pub async fn graded(store: &Store, scheme: &str, after: &str, limit: usize) -> Answer<Vec<Scanned>> {
    let text = format!(
        "SELECT uscc, grade, score FROM grades WHERE scheme = $1 AND uscc > $2 ORDER BY uscc LIMIT {limit}"
    );
    store.scan(&text, [scheme.into(), after.into()]).await
}

/// The lines of these subjects, in their order; and whether their sheets lie apart, others between them.
pub async fn lines(store: &Store, graded: Vec<Scanned>, apart: bool) -> Answer<(Vec<Line>, bool)> {
    let codes = graded.iter().map(|one| one.text(0)).collect::<Answer<Vec<_>>>()?;
    let codes: Vec<&str> = codes.iter().map(AsRef::as_ref).collect();
    let (described, apart) = match (codes.first(), codes.last()) {
        (Some(first), Some(last)) if !apart => {
            let most = 2 * codes.len();
            // In order, so that a database that has counted nothing does not take all sheets to be the nearest way.
            let text = format!("{DESCRIBED} WHERE uscc >= $1 AND uscc <= $2 ORDER BY uscc LIMIT {most}");
            let described = store.scan(&text, [(*first).into(), (*last).into()]).await?;
            let apart = described.len() == most;
            (if apart { of_codes(store, &codes).await? } else { described }, apart)
        }
        _ => (of_codes(store, &codes).await?, apart),
    };
    let described = described.iter().map(|of| Ok((of.text(0)?, of))).collect::<Answer<HashMap<_, _>>>()?;
    let line = |(graded, uscc): (&Scanned, &str)| {
        // Never left out in silence: a roster is frozen from these lines.
        let of =
            described.get(uscc).ok_or_else(|| corrupt("grade", format_args!("{uscc} has no fact sheet")))?;
        Ok(Line {
            uscc: uscc.to_owned(),
            grade: graded.text(1)?.into_owned(),
            score: graded.text_or_none(2)?.map(Cow::into_owned),
            region: of.text(1)?.into_owned(),
            industry: of.text(2)?.into_owned(),
            name: of.text(3)?.into_owned(),
        })
    };
    Ok((graded.iter().zip(codes).map(line).collect::<Answer<_>>()?, apart))
}

const DESCRIBED: &str = "SELECT uscc, region, industry, name FROM sheets";

// Each looked for by itself: that costs three times what it costs to read on, and less where most would be read in vain.
async fn of_codes(store: &Store, codes: &[&str]) -> Answer<Vec<Scanned>> {
    let (of_codes, list) = among(store.read(), "uscc", 1, codes);
    store.scan(&format!("{DESCRIBED} WHERE {of_codes}"), [list]).await
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
