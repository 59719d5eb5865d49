//! The tables of schemes and measures, and the lock under which versions change.
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
use prost::Message;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult};

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
    let text = "SELECT content FROM scheme_versions WHERE scheme = $1 ORDER BY version DESC";
    let rows = db.query_all_raw(sql(db, text, [scheme.into()])).await?;
    rows.iter().map(content).collect()
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
         AND ($3 = '' OR v.domain = $3) AND ($4 = '' OR v.department = $4) ORDER BY v.scheme LIMIT {}",
        page.fetch()
    );
    let state = if filter.state == State::Unspecified { "" } else { filter.state.as_str_name() };
    let values = [page.after.as_str().into(), state.into(), filter.domain.into(), filter.department.into()];
    let rows = db.query_all_raw(sql(db, &text, values)).await?;
    rows.iter().map(content).collect()
}

/// Stores a new version.
pub async fn insert(tx: &Tx, scheme: &Scheme, catalogue: &ListItemsResponse) -> Answer<()> {
    let text = "INSERT INTO scheme_versions (scheme, version, state, domain, department, disclosure, etag, content, catalogue) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let values = columns(scheme).into_iter().chain([catalogue.encode_to_vec().into()]);
    tx.execute_raw(sql(&**tx, text, values)).await.map_err(|error| taken(error, scheme))?;
    Ok(())
}

fn columns(scheme: &Scheme) -> [sea_orm::Value; 8] {
    [
        scheme.scheme_id.as_str().into(),
        scheme.version.into(),
        scheme.state().as_str_name().into(),
        scheme.domain.as_str().into(),
        scheme.department.as_str().into(),
        scheme.disclosure().as_str_name().into(),
        scheme.etag.as_str().into(),
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
                content = $8, catalogue = COALESCE($9, catalogue) WHERE scheme = $1 AND version = $2 AND etag = $10";
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

/// The published versions, in the order of the schemes' ids.
pub async fn published(db: &impl ConnectionTrait) -> Answer<Vec<(String, i32)>> {
    let text = "SELECT scheme, version FROM scheme_versions WHERE state = 'PUBLISHED' ORDER BY scheme";
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

/// The measures of a scheme; none where none were put.
pub async fn measures(db: &impl ConnectionTrait, scheme: &str) -> Answer<SchemeMeasures> {
    let text = "SELECT content FROM measures WHERE scheme = $1";
    let Some(row) = db.query_one_raw(sql(db, text, [scheme.into()])).await? else {
        return Ok(SchemeMeasures { scheme: scheme.to_owned(), measures: Vec::new() });
    };
    let bytes: Vec<u8> = row.try_get("", "content")?;
    SchemeMeasures::decode(bytes.as_slice()).map_err(|error| corrupt("measure", error))
}

/// Puts the measures of a scheme, all at once.
pub async fn put_measures(tx: &Tx, measures: &SchemeMeasures) -> Answer<()> {
    let text = "INSERT INTO measures (scheme, content) VALUES ($1, $2) \
                ON CONFLICT (scheme) DO UPDATE SET content = excluded.content";
    let values = [measures.scheme.as_str().into(), measures.encode_to_vec().into()];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}
