//! Formulae and assessments in their tables.
use chassis::{
    Answer, Context, Fault, Tx,
    page::Page,
    storage::{Filters, corrupt, insert_rows, sql, unique_violation},
};
use contract::{
    reporting::v1::{Assessment, Formula},
    r#type::v1::ErrorReason as Common,
};
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult};

#[derive(FromQueryResult)]
struct Row {
    body: Vec<u8>,
}

/// The published versions of a formula, or of all where it is empty, the oldest first.
pub async fn versions(db: &impl ConnectionTrait, formula: &str) -> Answer<Vec<Formula>> {
    let of = Filters::new().given("formula = $1", formula);
    let statement = of.sql(db, "SELECT body FROM formulas", "ORDER BY formula, version");
    let rows = Row::find_by_statement(statement).all(db).await?;
    let read = |row: &Row| Formula::decode(row.body.as_slice()).map_err(|error| corrupt("formula", error));
    rows.iter().map(read).collect()
}

/// Keeps a version; another that came first is told.
pub async fn insert_formula(tx: &Tx, context: &Context, formula: &Formula) -> Answer<()> {
    let row = vec![
        formula.formula_id.as_str().into(),
        formula.version.into(),
        formula.effective_from.as_str().into(),
        context.caller.name().into(),
        formula.encode_to_vec().into(),
    ];
    let columns = ["formula", "version", "effective_from", "published_by", "body"];
    match insert_rows(&**tx, "formulas", &columns, vec![row], "").await {
        Err(error) if unique_violation(&error).is_some() => Err(Fault::aborted(
            Common::ConcurrentChange.as_str_name(),
            "another version was published in the same moment; read it and repeat",
            "考核办法刚被他人发布了新版本；请重新读取后再试",
        )),
        written => {
            written?;
            Ok(())
        }
    }
}

/// Keeps an assessment.
pub async fn insert(tx: &Tx, assessment: &Assessment) -> Answer<()> {
    let row = vec![
        assessment.assessment_id.as_str().into(),
        assessment.formula.as_str().into(),
        assessment.formula_version.into(),
        assessment.from.as_str().into(),
        assessment.to.as_str().into(),
        assessment.encode_to_vec().into(),
    ];
    let columns = ["assessment_id", "formula", "version", "from_on", "to_on", "body"];
    insert_rows(&**tx, "assessments", &columns, vec![row], "").await?;
    Ok(())
}

fn read(row: &Row) -> Answer<Assessment> {
    Assessment::decode(row.body.as_slice()).map_err(|error| corrupt("assessment", error))
}

/// An assessment.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Answer<Option<Assessment>> {
    let text = "SELECT body FROM assessments WHERE assessment_id = $1";
    Row::find_by_statement(sql(db, text, [id.into()])).one(db).await?.as_ref().map(read).transpose()
}

/// A page of them, the latest first.
pub async fn list(db: &impl ConnectionTrait, page: &Page) -> Answer<Vec<Assessment>> {
    let order = format!("ORDER BY assessment_id DESC LIMIT {}", page.fetch());
    let of = Filters::new().given("assessment_id < $1", &page.after);
    let statement = of.sql(db, "SELECT body FROM assessments", &order);
    let rows = Row::find_by_statement(statement).all(db).await?;
    rows.iter().map(read).collect()
}
