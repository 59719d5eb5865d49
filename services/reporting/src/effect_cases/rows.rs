//! Cases of effect in their table, and who looked at them.
use chassis::{
    Answer, Context, Fault, Tx,
    clock::micros,
    page::{Page, strange_token},
    storage::{Filters, corrupt, insert_rows, sql},
};
use contract::reporting::v1::{self as api, effect_case::State};
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult};

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
    let mut of = Filters::new()
        .given("domain = $1", wanted.domain)
        .given("department = $1", wanted.department)
        .given("happened_on >= $1", wanted.from)
        .given("happened_on <= $1", wanted.to)
        .nonzero("state = $1", wanted.state);
    if !page.after.is_empty() {
        let (on, id) = page.after.split_once('|').ok_or_else(strange_token)?;
        of = of.and("(happened_on, effect_case_id) < ($1, $2)", [on.into(), id.into()]);
    }
    if wanted.public {
        of = of.and("public_words <> ''", []);
    }
    let column = if wanted.public { "public_words" } else { "words" };
    for word in wanted.words {
        let escaped = word.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        of = of.and(&format!("{column} LIKE $1 ESCAPE '!'"), [format!("%{escaped}%").into()]);
    }
    let order = format!("ORDER BY happened_on DESC, effect_case_id DESC LIMIT {}", page.fetch());
    let statement = of.sql(db, "SELECT body FROM effect_cases", &order);
    let rows = Row::find_by_statement(statement).all(db).await?;
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
