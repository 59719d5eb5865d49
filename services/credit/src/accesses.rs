//! The access log 查询日志: no look at what is not public without a purpose and a line in it.
use std::{collections::BTreeSet, sync::Arc};

use chassis::{
    Answer, Context, Tx,
    clock::{from_micros, micros, wire},
    ids,
    page::Page,
    storage::{insert_rows, sql},
};
use contract::credit::v1 as api;
use sea_orm::{FromQueryResult, Value};

use crate::{Credit, outcomes, subjects, usage};

/// A look that is allowed and has not been taken yet.
pub struct Asked {
    /// At whom.
    pub subject: api::Subject,
    // What for; none where the subject looks at itself, which asks for no purpose and is nobody's concern.
    purpose: Option<String>,
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

/// Judges a look: an enterprise's own client sees itself only, everybody else states a purpose.
pub async fn ask(app: &Arc<Credit>, context: &Context, uscc: &str, purpose: &str) -> Answer<Asked> {
    let code = outcomes::code_asked(uscc)?;
    let purpose = match context.caller.enterprise() {
        "" => {
            let purpose = context.purpose(purpose)?;
            Some(outcomes::free_text("purpose", purpose, 200).map_err(outcomes::fault)?)
        }
        own if own == code.as_str() => None,
        _ => return Err(outcomes::not_for_enterprises()),
    };
    Ok(Asked { subject: subjects::require(&app.store, &code).await?, purpose, grants: BTreeSet::new() })
}

/// Writes the look down, before it is answered.
pub async fn log(app: &Arc<Credit>, context: &Context, asked: &Asked, what: &str) -> Answer<()> {
    if asked.purpose.is_none() {
        return Ok(());
    }
    let tx = app.store.begin().await?;
    log_within(&tx, context, asked, what).await?;
    tx.commit().await
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
    let looks: Vec<_> = subjects.into_iter().map(|uscc| Look { uscc, what, grants: &none }).collect();
    let tx = app.store.begin().await?;
    write(&tx, context, &purpose, &looks).await?;
    usage::looked(&tx, context, what, looks.len()).await?;
    tx.commit().await
}

/// Writes the look down with what it led to.
pub async fn log_within(tx: &Tx, context: &Context, asked: &Asked, what: &str) -> Answer<()> {
    let Some(purpose) = &asked.purpose else { return Ok(()) };
    let look = Look { uscc: &asked.subject.uscc, what, grants: &asked.grants };
    write(tx, context, purpose, &[look]).await?;
    usage::looked(tx, context, what, 1).await
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

/// Writes lines into the log.
pub async fn write(tx: &Tx, context: &Context, purpose: &str, looks: &[Look<'_>]) -> Answer<()> {
    let columns = ["uscc", "id", "at", "client", "department", "purpose", "what", "authorizations"];
    let row = |look: &Look<'_>| -> Answer<Vec<Value>> {
        let grants: Vec<&str> = look.grants.iter().map(String::as_str).collect();
        Ok(vec![
            look.uscc.into(),
            ids::fresh(context.now)?.into(),
            micros(context.now).into(),
            context.caller.name().into(),
            context.caller.department().into(),
            purpose.into(),
            look.what.into(),
            grants.join(",").into(),
        ])
    };
    let rows: Vec<_> = looks.iter().map(row).collect::<Answer<_>>()?;
    insert_rows(&**tx, "accesses", &columns, rows, "").await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Row {
    id: String,
    at: i64,
    client: String,
    department: String,
    purpose: String,
    what: String,
    authorizations: String,
}

/// Lists who looked at a subject, the latest first.
pub async fn list(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListAccessesRequest,
) -> Answer<api::ListAccessesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let asked = ask(app, context, &request.uscc, &request.purpose).await?;
    let text = format!(
        "SELECT id, at, client, department, purpose, what, authorizations FROM accesses \
         WHERE uscc = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT {}",
        page.fetch()
    );
    let values = [asked.subject.uscc.as_str().into(), page.after.as_str().into()];
    let mut rows = Row::find_by_statement(sql(app.store.read(), &text, values)).all(app.store.read()).await?;
    log(app, context, &asked, "accesses").await?;
    let next_page_token = page.cut(&mut rows, |row| row.id.clone());
    let access = |row: Row| api::Access {
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
