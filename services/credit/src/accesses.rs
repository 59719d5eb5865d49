//! The access log 查询日志: no look at what is not public without a purpose and a line in it.
use std::{collections::BTreeSet, sync::Arc};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, wire},
    ids,
    page::Page,
    storage::{Adding, Filters, Swift, Swiftly, sql, told_as},
};
use contract::credit::v1 as api;
use identifiers::Uscc;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Value};
use serde::{Deserialize, Serialize};

use crate::{
    Credit, outcomes,
    subjects::{self, Met},
    usage,
};

/// A look that is allowed and has not been taken yet.
pub struct Asked {
    /// At whom.
    pub subject: api::Subject,
    // What for; none where the subject looks at itself, which asks for no purpose and is nobody's concern.
    purpose: Option<String>,
    /// The edition of the catalogue when it was asked.
    pub edition: i64,
    /// Whether the subject ever made a grant.
    pub any_grants: bool,
    // The grants that open something to it.
    grants: BTreeSet<String>,
}

impl Asked {
    /// What for; empty where the subject looks at itself.
    pub fn purpose(&self) -> &str {
        self.purpose.as_deref().unwrap_or_default()
    }

    /// Notes the grants under which something is open to the look.
    pub fn under(&mut self, grants: BTreeSet<String>) {
        self.grants = grants;
    }
}

/// A look that may be taken at whom it asks about, if there is such a subject.
pub struct Asking {
    /// About whom.
    pub code: Uscc,
    purpose: Option<String>,
}

impl Asking {
    /// Judges a look: an enterprise's own client sees itself only, everybody else states a purpose.
    pub fn of(context: &Context, uscc: &str, purpose: &str) -> Answer<Self> {
        let code = outcomes::code_asked(uscc)?;
        let purpose = match context.caller.enterprise() {
            "" => {
                let purpose = context.purpose(purpose)?;
                Some(outcomes::free_text("purpose", purpose, 200).map_err(outcomes::fault)?)
            }
            own if own == code.as_str() => None,
            _ => return Err(outcomes::not_for_enterprises()),
        };
        Ok(Self { code, purpose })
    }

    /// The look at whom was met.
    pub fn at(self, met: Met) -> Asked {
        let Met { subject, edition, grants } = met;
        Asked { subject, purpose: self.purpose, edition, any_grants: grants, grants: BTreeSet::new() }
    }
}

/// Judges a look, and meets whom it asks about.
pub async fn ask(app: &Arc<Credit>, context: &Context, uscc: &str, purpose: &str) -> Answer<Asked> {
    let asking = Asking::of(context, uscc, purpose)?;
    let met = subjects::meet(&app.store, &asking.code).await?;
    Ok(asking.at(met))
}

/// The log's lines, each written before its look is answered.
pub type Log = Swift<Looks>;

/// Looks taken at once, as they are written and counted.
#[derive(Serialize, Deserialize)]
pub struct Looks {
    lines: Vec<Line>,
    counted: usage::Looked,
}

impl Swiftly for Looks {
    fn adding(looks: &[Self]) -> Answer<Adding> {
        let backend = DbBackend::Postgres;
        let lines: Vec<&Line> = looks.iter().flat_map(|looks| &looks.lines).collect();
        let lines = serde_json::to_string(&lines).map_err(Fault::internal)?;
        let (count, counted) = usage::adding_looks(backend, 2, looks.iter().map(|looks| &looks.counted));
        Ok(Adding { statements: [adding(backend, 1), count], values: vec![lines.into(), counted.into()] })
    }

    async fn add(tx: &Tx, looks: Vec<Self>) -> Answer<()> {
        let (count, counted) =
            usage::adding_looks(DbBackend::Sqlite, 1, looks.iter().map(|looks| &looks.counted));
        let lines = looks.into_iter().flat_map(|looks| looks.lines).map(Line::cells);
        tx.add("accesses", &COLUMNS, lines.collect()).await?;
        tx.execute_raw(sql(&**tx, &count, [counted.into()])).await?;
        Ok(())
    }
}

const COLUMNS: [&str; 8] = ["uscc", "id", "at", "client", "department", "purpose", "what", "authorizations"];

// Adds lines, told by the parameter `$place`.
fn adding(backend: DbBackend, place: usize) -> String {
    let columns = COLUMNS.map(|name| (name, if name == "at" { "BIGINT" } else { "TEXT" }));
    let told = told_as(backend, place, &columns);
    format!("INSERT INTO accesses ({0}) SELECT {0} FROM {told}", COLUMNS.join(", "))
}

/// One look, as the log holds it.
#[derive(FromQueryResult, Serialize, Deserialize)]
struct Line {
    uscc: String,
    id: String,
    at: i64,
    client: String,
    department: String,
    purpose: String,
    what: String,
    authorizations: String,
}

impl Line {
    // In the order of the columns.
    fn cells(self) -> Vec<Value> {
        let Self { uscc, id, at, client, department, purpose, what, authorizations } = self;
        let [uscc, id, client, department, purpose, what, authorizations] =
            [uscc, id, client, department, purpose, what, authorizations].map(Value::from);
        vec![uscc, id, at.into(), client, department, purpose, what, authorizations]
    }
}

/// One line of the log.
pub struct Look<'a> {
    /// At whom.
    pub uscc: &'a str,
    /// At what.
    pub what: &'a str,
    /// The grants that opened something to it.
    pub grants: &'a BTreeSet<String>,
}

impl Look<'_> {
    fn line(&self, context: &Context, purpose: &str) -> Answer<Line> {
        let grants: Vec<&str> = self.grants.iter().map(String::as_str).collect();
        Ok(Line {
            uscc: self.uscc.to_owned(),
            id: ids::fresh(context.now)?,
            at: micros(context.now),
            client: context.caller.name().to_owned(),
            department: context.caller.department().to_owned(),
            purpose: purpose.to_owned(),
            what: self.what.to_owned(),
            authorizations: grants.join(","),
        })
    }
}

/// Writes lines into the log.
pub async fn write(tx: &Tx, context: &Context, purpose: &str, looks: &[Look<'_>]) -> Answer<()> {
    let lines: Vec<_> = looks.iter().map(|look| look.line(context, purpose)).collect::<Answer<_>>()?;
    let lines = serde_json::to_string(&lines).map_err(Fault::internal)?;
    tx.execute_raw(sql(&**tx, &adding(tx.get_database_backend(), 1), [lines.into()])).await?;
    Ok(())
}

/// Writes the look down, before it is answered.
pub async fn log(app: &Arc<Credit>, context: &Context, asked: &Asked, what: &str) -> Answer<()> {
    let Some(purpose) = &asked.purpose else { return Ok(()) };
    let look = Look { uscc: &asked.subject.uscc, what, grants: &asked.grants };
    let lines = vec![look.line(context, purpose)?];
    app.looks.write(Looks { lines, counted: usage::Looked::new(context, what, 1) }).await
}

/// Writes looks at several subjects down, before they are answered.
pub async fn log_all(
    app: &Arc<Credit>,
    context: &Context,
    purpose: &str,
    subjects: BTreeSet<&str>,
    what: &str,
) -> Answer<()> {
    let purpose = outcomes::free_text("purpose", purpose, 200).map_err(outcomes::fault)?;
    if subjects.is_empty() {
        return Ok(());
    }
    let none = BTreeSet::new();
    let lines = subjects.iter().map(|uscc| Look { uscc, what, grants: &none }.line(context, &purpose));
    let lines: Vec<_> = lines.collect::<Answer<_>>()?;
    let counted = usage::Looked::new(context, what, lines.len());
    app.looks.write_alone(Looks { lines, counted }).await
}

/// Writes the look down with what it led to.
pub async fn log_within(tx: &Tx, context: &Context, asked: &Asked, what: &str) -> Answer<()> {
    let Some(purpose) = &asked.purpose else { return Ok(()) };
    let look = Look { uscc: &asked.subject.uscc, what, grants: &asked.grants };
    write(tx, context, purpose, &[look]).await?;
    let (count, counted) =
        usage::adding_looks(tx.get_database_backend(), 1, &[usage::Looked::new(context, what, 1)]);
    tx.execute_raw(sql(&**tx, &count, [counted.into()])).await?;
    Ok(())
}

/// Lists who looked at a subject, the latest first.
pub async fn list(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListAccessesRequest,
) -> Answer<api::ListAccessesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let asked = ask(app, context, &request.uscc, &request.purpose).await?;
    app.looks.settle().await?;
    let db = app.store.read();
    let of = Filters::new().and("uscc = $1", [asked.subject.uscc.as_str().into()]);
    let statement = of.given("id < $1", &page.after).sql(
        db,
        &format!("SELECT {} FROM accesses", COLUMNS.join(", ")),
        &format!("ORDER BY id DESC LIMIT {}", page.fetch()),
    );
    let mut rows = Line::find_by_statement(statement).all(db).await?;
    log(app, context, &asked, "accesses").await?;
    let next_page_token = page.cut(&mut rows, |row| row.id.clone());
    let access = |row: Line| api::Access {
        at: Some(wire(from_micros(row.at))),
        by: row.client,
        department: row.department,
        purpose: row.purpose,
        what: row.what,
        authorizations: names(&row.authorizations),
    };
    Ok(api::ListAccessesResponse { accesses: rows.into_iter().map(access).collect(), next_page_token })
}

fn names(text: &str) -> Vec<String> {
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
