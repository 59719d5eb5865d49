//! Cases of effect in their table, and who looked at them.
use chassis::{
    Answer, Context, Fault, Tx,
    clock::micros,
    page::{Page, strange_token},
    storage::{corrupt, insert_rows, sql},
};
use contract::reporting::v1::{self as api, effect_case::State};
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

#[derive(FromQueryResult)]
struct Row {
    body: Vec<u8>,
}

fn decoded(row: Row) -> Answer<api::EffectCase> {
    let mut case =
        api::EffectCase::decode(row.body.as_slice()).map_err(|error| corrupt("case of effect", error))?;
    // Reported before cases had states.
    if case.state() == State::Unspecified {
        case.set_state(State::Submitted);
    }
    Ok(case)
}

/// Writes a new case; `words` is what a search looks in.
pub async fn insert(tx: &Tx, case: &api::EffectCase, words: &str) -> Answer<()> {
    let columns = ["effect_case_id", "domain", "department", "happened_on", "state", "etag", "words", "body"];
    let row = vec![
        case.effect_case_id.as_str().into(),
        case.domain.as_str().into(),
        case.department.as_str().into(),
        case.happened_on.as_str().into(),
        case.state.into(),
        case.etag.as_str().into(),
        words.into(),
        case.encode_to_vec().into(),
    ];
    insert_rows(&**tx, "effect_cases", &columns, vec![row], "").await?;
    Ok(())
}

/// Writes what a case is now, if it is still the one that was read by its etag.
pub async fn replace(
    tx: &Tx,
    case: &api::EffectCase,
    (words, public): (&str, &str),
    read: &str,
) -> Answer<bool> {
    let text = "UPDATE effect_cases SET domain = $2, happened_on = $3, state = $4, etag = $5, words = $6, public_words = $7, \
                body = $8 WHERE effect_case_id = $1 AND etag = $9";
    let values = [
        case.effect_case_id.as_str().into(),
        case.domain.as_str().into(),
        case.happened_on.as_str().into(),
        case.state.into(),
        case.etag.as_str().into(),
        words.into(),
        public.into(),
        case.encode_to_vec().into(),
        read.into(),
    ];
    Ok(tx.execute_raw(sql(&**tx, text, values)).await?.rows_affected() == 1)
}

/// A case by its id.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Answer<api::EffectCase> {
    let text = "SELECT body FROM effect_cases WHERE effect_case_id = $1";
    let row = Row::find_by_statement(sql(db, text, [id.into()])).one(db).await?;
    decoded(row.ok_or_else(|| Fault::not_found("case of effect", "成效案例", id))?)
}

/// Which cases to find; every filter given must hold.
pub struct Wanted<'a> {
    /// A domain's code.
    pub domain: &'a str,
    /// A department.
    pub department: &'a str,
    /// The first day.
    pub from: &'a str,
    /// The last day.
    pub to: &'a str,
    /// A state; 0: all.
    pub state: i32,
    /// Words that all stand in the case, in lower case.
    pub words: &'a [String],
    /// Whether only what is published is found, by its public words.
    pub public: bool,
}

/// A page of cases, the latest first.
pub async fn page(
    db: &impl ConnectionTrait,
    wanted: &Wanted<'_>,
    page: &Page,
) -> Answer<Vec<api::EffectCase>> {
    let (before_on, before_id) = match page.after.as_str() {
        "" => ("9999-99-99", ""),
        key => key.split_once('|').ok_or_else(strange_token)?,
    };
    let last = if wanted.to.is_empty() { "9999-99-99" } else { wanted.to };
    let mut values: Vec<Value> = vec![
        wanted.domain.into(),
        wanted.department.into(),
        before_on.into(),
        before_id.into(),
        wanted.from.into(),
        last.into(),
        wanted.state.into(),
    ];
    let (column, only) =
        if wanted.public { ("public_words", "AND public_words <> ''") } else { ("words", "") };
    let mut words = String::new();
    for word in wanted.words {
        let escaped = word.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        values.push(format!("%{escaped}%").into());
        words += &format!(" AND {column} LIKE ${} ESCAPE '!'", values.len());
    }
    let text = format!(
        "SELECT body FROM effect_cases WHERE ($1 = '' OR domain = $1) AND ($2 = '' OR department = $2) \
         AND (happened_on < $3 OR (happened_on = $3 AND effect_case_id < $4)) AND happened_on BETWEEN $5 AND $6 \
         AND ($7 = 0 OR state = $7) {only}{words} ORDER BY happened_on DESC, effect_case_id DESC LIMIT {}",
        page.fetch()
    );
    let rows = Row::find_by_statement(sql(db, &text, values)).all(db).await?;
    rows.into_iter().map(decoded).collect()
}

/// A domain's cases that happened between two days and were not returned, the earliest first.
pub async fn of(
    db: &impl ConnectionTrait,
    domain: &str,
    from: &str,
    to: &str,
) -> Answer<Vec<api::EffectCase>> {
    let text = "SELECT body FROM effect_cases WHERE domain = $1 AND happened_on BETWEEN $2 AND $3 AND state <> $4 \
                ORDER BY happened_on, effect_case_id";
    let values = [domain.into(), from.into(), to.into(), i32::from(State::Returned).into()];
    let rows = Row::find_by_statement(sql(db, text, values)).all(db).await?;
    rows.into_iter().map(decoded).collect()
}

/// Writes a look down before its answer leaves.
pub async fn look(tx: &Tx, context: &Context, purpose: &str, subject: &str) -> Answer<()> {
    let text = "INSERT INTO looks (at, client, department, purpose, method, subject) VALUES ($1, $2, $3, $4, $5, $6)";
    let values = [
        micros(context.now).into(),
        context.caller.name().into(),
        context.caller.department().into(),
        purpose.into(),
        context.method.as_ref().into(),
        subject.into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}
