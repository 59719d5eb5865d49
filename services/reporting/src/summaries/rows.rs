//! Summaries and their versions in their tables.
use chassis::{
    Answer, Fault, Tx,
    page::{Page, strange_token},
    storage::{Filters, corrupt, insert_rows, sql, unique_violation},
};
use contract::reporting::v1::{self as api, summary::State};
use jiff::civil::Date;
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult};

#[derive(FromQueryResult)]
struct Row {
    body: Vec<u8>,
}

fn decoded(row: Row) -> Answer<api::Summary> {
    let mut summary = api::Summary::decode(row.body.as_slice()).map_err(|error| corrupt("summary", error))?;
    // Composed before summaries had states.
    if summary.state() == State::Unspecified {
        summary.set_state(State::Draft);
    }
    Ok(summary)
}

/// Writes a new summary.
pub async fn insert(tx: &Tx, summary: &api::Summary, on: Date) -> Answer<()> {
    let columns =
        ["summary_id", "domain", "from_on", "to_on", "department", "composed_on", "state", "etag", "body"];
    let row = vec![
        summary.summary_id.as_str().into(),
        summary.domain.as_str().into(),
        summary.from.as_str().into(),
        summary.to.as_str().into(),
        summary.department.as_str().into(),
        on.to_string().into(),
        summary.state.into(),
        summary.etag.as_str().into(),
        summary.encode_to_vec().into(),
    ];
    insert_rows(&**tx, "summaries", &columns, vec![row], "").await?;
    Ok(())
}

/// What became of a change.
pub enum Change {
    /// It is written.
    Done,
    /// Somebody changed the summary meanwhile.
    Overtaken,
    /// Another summary of the domain, department and period stands.
    Another,
}

/// Writes what a summary says now, if it is still the one that was read by its etag.
pub async fn replace(tx: &Tx, summary: &api::Summary, read: &str) -> Answer<Change> {
    let text = "UPDATE summaries SET body = $2, etag = $3, state = $4 WHERE summary_id = $1 AND etag = $5";
    let values = [
        summary.summary_id.as_str().into(),
        summary.encode_to_vec().into(),
        summary.etag.as_str().into(),
        summary.state.into(),
        read.into(),
    ];
    match tx.execute_raw(sql(&**tx, text, values)).await {
        Ok(done) if done.rows_affected() == 1 => Ok(Change::Done),
        Ok(_) => Ok(Change::Overtaken),
        Err(error) if unique_violation(&error).is_some() => Ok(Change::Another),
        Err(error) => Err(error.into()),
    }
}

/// Keeps a version that was handed in.
pub async fn keep(tx: &Tx, summary: &api::Summary, on: Date) -> Answer<()> {
    let columns = ["summary_id", "version", "submitted_on", "returned_on", "body"];
    let row = vec![
        summary.summary_id.as_str().into(),
        summary.version.into(),
        on.to_string().into(),
        "".into(),
        summary.encode_to_vec().into(),
    ];
    insert_rows(&**tx, "summary_versions", &columns, vec![row], "").await?;
    Ok(())
}

/// Notes that the present version was returned.
pub async fn returned(tx: &Tx, summary: &api::Summary, on: Date) -> Answer<()> {
    let text = "UPDATE summary_versions SET returned_on = $3 WHERE summary_id = $1 AND version = $2";
    let values = [summary.summary_id.as_str().into(), summary.version.into(), on.to_string().into()];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// A summary as it stands.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Answer<api::Summary> {
    let text = "SELECT body FROM summaries WHERE summary_id = $1";
    let row = Row::find_by_statement(sql(db, text, [id.into()])).one(db).await?;
    decoded(row.ok_or_else(|| Fault::not_found("summary", "工作总结", id))?)
}

/// A version as it was handed in.
pub async fn version(db: &impl ConnectionTrait, id: &str, version: i32) -> Answer<api::Summary> {
    let text = "SELECT body FROM summary_versions WHERE summary_id = $1 AND version = $2";
    let row = Row::find_by_statement(sql(db, text, [id.into(), version.into()])).one(db).await?;
    let name = || format!("{id}@{version}");
    decoded(row.ok_or_else(|| Fault::not_found("version of a summary", "工作总结版本", &name()))?)
}

/// A page of summaries, the latest first.
pub async fn list(
    db: &impl ConnectionTrait,
    request: &api::ListSummariesRequest,
    domain: &str,
    page: &Page,
) -> Answer<Vec<api::Summary>> {
    if !page.after.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(strange_token());
    }
    let mut of = Filters::new()
        .given("domain = $1", domain)
        .given("department = $1", &request.department)
        .nonzero("state = $1", request.state)
        .given("summary_id < $1", &page.after);
    if request.year != 0 {
        let [first, last] = ["01-01", "12-31"].map(|day| format!("{:04}-{day}", request.year));
        of = of.and("from_on <= $1 AND to_on >= $2", [last.into(), first.into()]);
    }
    let order = format!("ORDER BY summary_id DESC LIMIT {}", page.fetch());
    let statement = of.sql(db, "SELECT body FROM summaries", &order);
    let rows = Row::find_by_statement(statement).all(db).await?;
    rows.into_iter().map(decoded).collect()
}

/// A version that was handed in: of what, by whom, when, and when it was returned.
#[derive(FromQueryResult)]
pub struct Handed {
    /// The domain's code.
    pub domain: String,
    /// The department.
    pub department: String,
    /// The business day.
    pub submitted_on: String,
    /// The business day; empty: it was not.
    pub returned_on: String,
}

impl Handed {
    /// Whether it was handed in at a day, YYYY-MM-DD, and not returned.
    pub fn stands(&self, day: &str) -> bool {
        self.submitted_on.as_str() <= day && (self.returned_on.is_empty() || self.returned_on.as_str() > day)
    }
}

/// What was handed in of periods that touch a year.
pub async fn handed_in(db: &impl ConnectionTrait, year: i16) -> Answer<Vec<Handed>> {
    let text = "SELECT s.domain, s.department, v.submitted_on, v.returned_on FROM summary_versions v \
                JOIN summaries s ON s.summary_id = v.summary_id WHERE s.from_on <= $2 AND s.to_on >= $1";
    let values = [format!("{year:04}-01-01").into(), format!("{year:04}-12-31").into()];
    Ok(Handed::find_by_statement(sql(db, text, values)).all(db).await?)
}
