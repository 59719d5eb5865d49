//! Scales in their table.
use chassis::{
    Answer, Fault, Tx,
    clock::{from_micros, micros, wire},
    page::Page,
    storage::{corrupt, insert_rows, sql},
};
use contract::credit::v1 as api;
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use serde::{Deserialize, Serialize};

/// A grade as JSON: in the built-in scales and in the table.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grade {
    code: String,
    name: String,
    rank: i32,
}

impl From<Grade> for api::EvaluationGrade {
    fn from(Grade { code, name, rank }: Grade) -> Self {
        Self { code, name, rank }
    }
}

impl From<api::EvaluationGrade> for Grade {
    fn from(api::EvaluationGrade { code, name, rank }: api::EvaluationGrade) -> Self {
        Self { code, name, rank }
    }
}

/// A scale with what the wire does not show.
pub struct Kept {
    /// The scale.
    pub scale: api::EvaluationScale,
    /// Whether it came with the program and nobody has put another since.
    pub built_in: bool,
}

#[derive(FromQueryResult)]
struct Row {
    scale_id: String,
    version: i32,
    name: String,
    grades: String,
    valid_from: String,
    valid_to: String,
    basis: String,
    verification: String,
    built_in: bool,
    recorded_at: i64,
}

impl TryFrom<Row> for Kept {
    type Error = Fault;

    fn try_from(row: Row) -> Answer<Self> {
        let grades: Vec<Grade> =
            serde_json::from_str(&row.grades).map_err(|error| corrupt("evaluation scale", error))?;
        let scale = api::EvaluationScale {
            scale_id: row.scale_id,
            name: row.name,
            grades: grades.into_iter().map(api::EvaluationGrade::from).collect(),
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            basis: row.basis,
            verification: api::Verification::from_str_name(&row.verification).unwrap_or_default().into(),
            version: row.version,
            update_time: Some(wire(from_micros(row.recorded_at))),
        };
        Ok(Self { scale, built_in: row.built_in })
    }
}

async fn select(db: &impl ConnectionTrait, rest: &str, values: Vec<Value>) -> Answer<Vec<Kept>> {
    let text = format!(
        "SELECT scale_id, version, name, grades, valid_from, valid_to, basis, verification, built_in, recorded_at \
         FROM evaluation_scales WHERE replaced_at IS NULL {rest}"
    );
    Row::find_by_statement(sql(db, &text, values)).all(db).await?.into_iter().map(Kept::try_from).collect()
}

/// The wording in force of one scale.
pub async fn get(db: &impl ConnectionTrait, scale: &str) -> Answer<Option<Kept>> {
    Ok(select(db, "AND scale_id = $1", vec![scale.into()]).await?.pop())
}

/// All in force, in the order of their ids.
pub async fn all(db: &impl ConnectionTrait) -> Answer<Vec<Kept>> {
    select(db, "ORDER BY scale_id", Vec::new()).await
}

/// A page of them; with a day, of those that hold on it.
pub async fn page(db: &impl ConnectionTrait, day: &str, page: &Page) -> Answer<Vec<Kept>> {
    let condition =
        "AND scale_id > $1 AND ($2 = '' OR (valid_from <= $2 AND (valid_to = '' OR valid_to >= $2)))";
    let rest = format!("{condition} ORDER BY scale_id LIMIT {}", page.fetch());
    select(db, &rest, vec![page.after.as_str().into(), day.into()]).await
}

/// The wording in force of one scale, held until the transaction ends.
pub async fn get_for_update(tx: &Tx, scale: &str) -> Answer<Option<Kept>> {
    let hold = tx.hold();
    Ok(select(&**tx, &format!("AND scale_id = $1 {hold}"), vec![scale.into()]).await?.pop())
}

/// Whether lists were graded by a scale.
pub async fn is_used(tx: &Tx, scale: &str) -> Answer<bool> {
    let text = "SELECT 1 AS used FROM evaluation_lists WHERE scale_id = $1 LIMIT 1";
    Ok(tx.query_one_raw(sql(&**tx, text, [scale.into()])).await?.is_some())
}

/// Ends the wording in force and begins a new one.
pub async fn replace(
    tx: &Tx,
    now: Timestamp,
    scale: &api::EvaluationScale,
    version: i32,
    built_in: bool,
) -> Answer<()> {
    let end = "UPDATE evaluation_scales SET replaced_at = $2 WHERE scale_id = $1 AND replaced_at IS NULL";
    tx.execute_raw(sql(&**tx, end, [scale.scale_id.as_str().into(), micros(now).into()])).await?;
    insert(tx, now, scale, version, built_in).await
}

/// Begins a wording.
pub async fn insert(
    tx: &Tx,
    now: Timestamp,
    scale: &api::EvaluationScale,
    version: i32,
    built_in: bool,
) -> Answer<()> {
    let grades: Vec<Grade> = scale.grades.iter().cloned().map(Grade::from).collect();
    let columns = [
        "scale_id",
        "version",
        "name",
        "grades",
        "valid_from",
        "valid_to",
        "basis",
        "verification",
        "built_in",
        "recorded_at",
    ];
    let row = vec![
        scale.scale_id.as_str().into(),
        version.into(),
        scale.name.as_str().into(),
        serde_json::to_string(&grades).map_err(Fault::internal)?.into(),
        scale.valid_from.as_str().into(),
        scale.valid_to.as_str().into(),
        scale.basis.as_str().into(),
        scale.verification().as_str_name().into(),
        built_in.into(),
        micros(now).into(),
    ];
    // Two replicas that start together put in the same.
    let conflict = if built_in { "ON CONFLICT DO NOTHING" } else { "" };
    insert_rows(&**tx, "evaluation_scales", &columns, vec![row], conflict).await?;
    Ok(())
}
