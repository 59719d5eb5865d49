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
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::{Credit, outcomes, subjects};

/// A look that is allowed and has not been taken yet.
pub struct Asked {
    /// At whom.
    pub subject: api::Subject,
    // What for; none where the subject looks at itself, which asks for no purpose and is nobody's concern.
    purpose: Option<String>,
}

impl Asked {
    /// What for; empty where the subject looks at itself.
    pub fn purpose(&self) -> &str {
        self.purpose.as_deref().unwrap_or_default()
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
    Ok(Asked { subject: subjects::require(&app.store, &code).await?, purpose })
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
    let row = |uscc: &str| -> Answer<Vec<Value>> {
        Ok(vec![
            uscc.into(),
            ids::fresh(context.now)?.into(),
            micros(context.now).into(),
            context.caller.name().into(),
            context.caller.department().into(),
            purpose.as_str().into(),
            what.into(),
        ])
    };
    let rows: Vec<_> = subjects.into_iter().map(row).collect::<Answer<_>>()?;
    if rows.is_empty() {
        return Ok(());
    }
    let columns = ["uscc", "id", "at", "client", "department", "purpose", "what"];
    let tx = app.store.begin().await?;
    insert_rows(&*tx, "accesses", &columns, rows, "").await?;
    tx.commit().await
}

/// Writes the look down with what it led to.
pub async fn log_within(tx: &Tx, context: &Context, asked: &Asked, what: &str) -> Answer<()> {
    let Some(purpose) = &asked.purpose else { return Ok(()) };
    let text = "INSERT INTO accesses (uscc, id, at, client, department, purpose, what) \
                VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = [
        asked.subject.uscc.as_str().into(),
        ids::fresh(context.now)?.into(),
        micros(context.now).into(),
        context.caller.name().into(),
        context.caller.department().into(),
        purpose.as_str().into(),
        what.into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
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
        "SELECT id, at, client, department, purpose, what FROM accesses WHERE uscc = $1 AND ($2 = '' OR id < $2) \
         ORDER BY id DESC LIMIT {}",
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
    };
    Ok(api::ListAccessesResponse { accesses: rows.into_iter().map(access).collect(), next_page_token })
}
