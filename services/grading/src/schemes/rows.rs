//! The tables of schemes and of their measures, and the lock under which versions change.
use std::collections::BTreeSet;

use chassis::{
    Answer, Tx,
    fault::Fault,
    page::Page,
    storage::{corrupt, sql, unique_violation},
};
use contract::{
    credit::v1::ListItemsResponse,
    grading::v1::{ErrorReason, Scheme, SchemeMeasures, scheme::State},
    r#type::v1::ErrorReason as Common,
};
use jiff::civil::Date;
use prost::Message;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult};

use super::rules;

// Any number will do, as long as nobody else in this database uses it.
const LOCK: i64 = 640_301;

/// Lets no version be published or retired until the transaction ends, so that what it grades is graded under the versions
/// that are in force when it commits.
pub async fn hold(db: &impl ConnectionTrait) -> Answer<()> {
    lock(db, "SELECT pg_advisory_xact_lock_shared($1)").await
}

/// Waits for everybody who grades, and lets nobody begin until the transaction ends.
pub async fn change(tx: &Tx) -> Answer<()> {
    lock(tx, "SELECT pg_advisory_xact_lock($1)").await
}

// On SQLite one transaction writes at a time anyway.
async fn lock(db: &impl ConnectionTrait, text: &str) -> Answer<()> {
    if db.get_database_backend() == sea_orm::DbBackend::Postgres {
        db.execute_raw(sql(db, text, [LOCK.into()])).await?;
    }
    Ok(())
}

/// All versions of a scheme, the newest first.
pub async fn versions(db: &impl ConnectionTrait, scheme: &str) -> Answer<Vec<Scheme>> {
    let text = "SELECT content FROM scheme_versions WHERE scheme = $1 AND state NOT IN ('SHADOW', 'ENDED') ORDER BY version DESC";
    let rows = db.query_all_raw(sql(db, text, [scheme.into()])).await?;
    rows.iter().map(content).collect()
}

/// All versions that were ever published, scheme after scheme, the newest first.
pub async fn all_published(db: &impl ConnectionTrait) -> Answer<Vec<Scheme>> {
    let text = "SELECT content FROM scheme_versions WHERE state IN ('PUBLISHED', 'SCHEDULED', 'RETIRED') \
                ORDER BY scheme, version DESC";
    let rows = db.query_all_raw(sql(db, text, [])).await?;
    rows.iter().map(content).collect()
}

/// The schemes of a department.
pub async fn of_department(db: &impl ConnectionTrait, department: &str) -> Answer<BTreeSet<String>> {
    let text = "SELECT DISTINCT scheme FROM scheme_versions WHERE department = $1 AND state NOT IN ('SHADOW', 'ENDED')";
    let rows = db.query_all_raw(sql(db, text, [department.into()])).await?;
    rows.iter().map(|row| Ok(row.try_get("", "scheme")?)).collect()
}

fn content(row: &QueryResult) -> Answer<Scheme> {
    let bytes: Vec<u8> = row.try_get("", "content")?;
    Scheme::decode(bytes.as_slice()).map_err(|error| corrupt("scheme", error))
}

/// Which schemes to list.
pub struct Filter<'a> {
    pub domain: &'a str,
    pub department: &'a str,
    pub state: State,
    /// Whether drafts and what only departments see stay out.
    pub outsider: bool,
}

/// A page of schemes, each in its published version or, where there is none, its newest; of those in a state, if one is asked for.
pub async fn list(db: &impl ConnectionTrait, filter: &Filter<'_>, page: &Page) -> Answer<Vec<Scheme>> {
    let shown = if filter.outsider { "w.state <> 'DRAFT' AND w.disclosure <> 'DEPARTMENTS'" } else { "TRUE" };
    let text = format!(
        "SELECT v.content FROM scheme_versions v WHERE v.scheme > $1 AND v.version = (\
           SELECT w.version FROM scheme_versions w WHERE w.scheme = v.scheme AND ($2 = '' OR w.state = $2) AND {shown} \
           ORDER BY CASE w.state WHEN 'PUBLISHED' THEN 0 ELSE 1 END, w.version DESC LIMIT 1) \
         AND v.state NOT IN ('SHADOW', 'ENDED') AND ($3 = '' OR v.domain = $3) AND ($4 = '' OR v.department = $4) ORDER BY v.scheme LIMIT {}",
        page.fetch()
    );
    let state = if filter.state == State::Unspecified { "" } else { filter.state.as_str_name() };
    let values = [page.after.as_str().into(), state.into(), filter.domain.into(), filter.department.into()];
    let rows = db.query_all_raw(sql(db, &text, values)).await?;
    rows.iter().map(content).collect()
}

/// Stores a new version.
pub async fn insert(tx: &Tx, scheme: &Scheme, catalogue: &ListItemsResponse) -> Answer<()> {
    let values = columns(scheme).into_iter().chain([catalogue.encode_to_vec().into()]);
    tx.execute_raw(sql(&**tx, INSERT, values)).await.map_err(|error| taken(error, scheme))?;
    Ok(())
}

const INSERT: &str = "INSERT INTO scheme_versions (scheme, version, state, domain, department, disclosure, etag, \
                      effective_from, content, catalogue) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Stores what a shadow evaluates, under its key.
pub async fn insert_shadow(tx: &Tx, key: &str, draft: &Scheme, catalogue: &ListItemsResponse) -> Answer<()> {
    let mut values = columns(draft);
    values[0] = key.into();
    values[2] = SHADOW.into();
    let values = values.into_iter().chain([catalogue.encode_to_vec().into()]);
    tx.execute_raw(sql(&**tx, INSERT, values)).await?;
    Ok(())
}

/// The state of a version that grades along in shadow.
pub const SHADOW: &str = "SHADOW";

/// Ends what a shadow evaluates: it grades no more, and its grades go.
pub async fn end_shadow(tx: &Tx, key: &str) -> Answer<()> {
    let ended = "UPDATE scheme_versions SET state = 'ENDED' WHERE scheme = $1";
    tx.execute_raw(sql(&**tx, ended, [key.into()])).await?;
    tx.execute_raw(sql(&**tx, "DELETE FROM grades WHERE scheme = $1", [key.into()])).await?;
    Ok(())
}

/// The schemes of which a version waits for a day that has come.
pub async fn due(db: &impl ConnectionTrait, today: Date) -> Answer<Vec<String>> {
    let text = "SELECT scheme, version FROM scheme_versions WHERE state = 'SCHEDULED' AND effective_from <= $1 \
                ORDER BY scheme";
    let keys = Key::find_by_statement(sql(db, text, [today.to_string().into()])).all(db).await?;
    Ok(keys.into_iter().map(|key| key.scheme).collect())
}

fn columns(scheme: &Scheme) -> [sea_orm::Value; 9] {
    [
        scheme.scheme_id.as_str().into(),
        scheme.version.into(),
        scheme.state().as_str_name().into(),
        scheme.domain.as_str().into(),
        scheme.department.as_str().into(),
        rules::disclosure(scheme).as_str_name().into(),
        scheme.etag.as_str().into(),
        scheme.effective_from.as_str().into(),
        scheme.encode_to_vec().into(),
    ]
}

// The keys have the last word: somebody else may have been faster than our look.
fn taken(error: DbErr, scheme: &Scheme) -> Fault {
    let id = &scheme.scheme_id;
    if unique_violation(&error).is_none() {
        return error.into();
    }
    if scheme.version > 1 {
        return Fault::precondition(
            ErrorReason::DraftExists.as_str_name(),
            format!("scheme \"{id}\" has a draft already; change that one, or publish it"),
            format!("评价制度“{id}”已有草案；请修改或发布该草案"),
        );
    }
    Fault::exists(
        Common::AlreadyExists.as_str_name(),
        format!("scheme \"{id}\" exists already; change its draft with PATCH, or open a new version with :newVersion"),
        format!("评价制度“{id}”已存在；请用 PATCH 修改草案，或用 :newVersion 新建版本"),
    )
    .at("schemeId")
}

/// Stores a version again, if it is still the one that was read.
pub async fn replace(
    tx: &Tx,
    scheme: &Scheme,
    read_etag: &str,
    catalogue: Option<&ListItemsResponse>,
) -> Answer<()> {
    let text = "UPDATE scheme_versions SET state = $3, domain = $4, department = $5, disclosure = $6, etag = $7, \
                effective_from = $8, content = $9, catalogue = COALESCE($10, catalogue) \
                WHERE scheme = $1 AND version = $2 AND etag = $11";
    let judged = catalogue.map(Message::encode_to_vec);
    let values = columns(scheme).into_iter().chain([judged.into(), read_etag.into()]);
    if tx.execute_raw(sql(&**tx, text, values)).await?.rows_affected() == 1 {
        return Ok(());
    }
    Err(Fault::aborted(
        Common::ConcurrentChange.as_str_name(),
        "another change of the scheme came first; read it again and repeat",
        "评价制度刚被他人修改；请重新读取后再试",
    ))
}

#[derive(FromQueryResult)]
struct Key {
    scheme: String,
    version: i32,
}

/// The versions that grade: the published ones by their schemes' ids, those in shadow by their keys; in the order of both.
pub async fn published(db: &impl ConnectionTrait) -> Answer<Vec<(String, i32)>> {
    let text =
        "SELECT scheme, version FROM scheme_versions WHERE state IN ('PUBLISHED', 'SHADOW') ORDER BY scheme";
    let keys = Key::find_by_statement(sql(db, text, [])).all(db).await?;
    Ok(keys.into_iter().map(|key| (key.scheme, key.version)).collect())
}

/// A version with the part of the catalogue that it was judged against.
pub async fn version(
    db: &impl ConnectionTrait,
    scheme: &str,
    version: i32,
) -> Answer<Option<(Scheme, ListItemsResponse)>> {
    let text = "SELECT content, catalogue FROM scheme_versions WHERE scheme = $1 AND version = $2";
    let Some(row) = db.query_one_raw(sql(db, text, [scheme.into(), version.into()])).await? else {
        return Ok(None);
    };
    let catalogue: Vec<u8> = row.try_get("", "catalogue")?;
    let catalogue =
        ListItemsResponse::decode(catalogue.as_slice()).map_err(|error| corrupt("catalogue", error))?;
    Ok(Some((content(&row)?, catalogue)))
}

#[derive(FromQueryResult)]
struct Measures {
    scheme: String,
    version: i32,
    effective_from: String,
    content: Vec<u8>,
}

impl Measures {
    fn read(self) -> Answer<SchemeMeasures> {
        let content =
            SchemeMeasures::decode(self.content.as_slice()).map_err(|error| corrupt("measure", error))?;
        Ok(SchemeMeasures {
            scheme: self.scheme,
            version: self.version,
            effective_from: self.effective_from,
            ..content
        })
    }
}

/// Which version of a scheme's measures is meant.
pub enum Which {
    /// By its number.
    Number(i32),
    /// The one in force on a day.
    On(Date),
}

/// The measures of a scheme; none where none were put, or none so early.
pub async fn measures(
    db: &impl ConnectionTrait,
    scheme: &str,
    which: Which,
) -> Answer<Option<SchemeMeasures>> {
    let (condition, value): (_, sea_orm::Value) = match which {
        Which::Number(number) => ("version = $2", number.into()),
        Which::On(day) => ("effective_from <= $2", day.to_string().into()),
    };
    let text = format!(
        "SELECT scheme, version, effective_from, content FROM measure_versions WHERE scheme = $1 AND {condition} \
         ORDER BY effective_from DESC, version DESC LIMIT 1"
    );
    let row = Measures::find_by_statement(sql(db, &text, [scheme.into(), value])).one(db).await?;
    row.map(Measures::read).transpose()
}

/// A page of the versions of a scheme's measures, the newest first.
pub async fn measure_versions(
    db: &impl ConnectionTrait,
    scheme: &str,
    below: i32,
    page: &Page,
) -> Answer<Vec<SchemeMeasures>> {
    let text = format!(
        "SELECT scheme, version, effective_from, content FROM measure_versions WHERE scheme = $1 AND version < $2 \
         ORDER BY version DESC LIMIT {}",
        page.fetch()
    );
    let rows = Measures::find_by_statement(sql(db, &text, [scheme.into(), below.into()])).all(db).await?;
    rows.into_iter().map(Measures::read).collect()
}

/// Appends a version of a scheme's measures and gives it its number.
pub async fn put_measures(tx: &Tx, mut measures: SchemeMeasures) -> Answer<SchemeMeasures> {
    let text = "SELECT COALESCE(MAX(version), 0) + 1 AS next FROM measure_versions WHERE scheme = $1";
    let row = tx.query_one_raw(sql(&**tx, text, [measures.scheme.as_str().into()])).await?;
    measures.version = row.map_or(Ok(1), |row| row.try_get("", "next"))?;
    let text =
        "INSERT INTO measure_versions (scheme, version, effective_from, content) VALUES ($1, $2, $3, $4)";
    let values = [
        measures.scheme.as_str().into(),
        measures.version.into(),
        measures.effective_from.as_str().into(),
        measures.encode_to_vec().into(),
    ];
    match tx.execute_raw(sql(&**tx, text, values)).await {
        Ok(_) => Ok(measures),
        Err(error) if unique_violation(&error).is_some() => Err(Fault::aborted(
            Common::ConcurrentChange.as_str_name(),
            "other measures were put in the same moment; read them and repeat",
            "监管措施刚被他人修改；请重新读取后再试",
        )),
        Err(error) => Err(error.into()),
    }
}
