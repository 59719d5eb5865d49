//! Cases of effect 成效案例: all five elements 时间、地点、主体、做法、成效 with evidence, or not at all.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    ids,
    page::{self, Page},
    storage::{corrupt, insert_rows, sql},
};
use contract::reporting::v1 as api;
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::{Reporting, refusals};

/// Takes a case in. That no element is missing is ruled in the contract.
pub async fn create(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::CreateEffectCaseRequest,
) -> Answer<api::EffectCase> {
    let mut case = request.effect_case.unwrap_or_default();
    case.domain = refusals::domain("effectCase.domain", &case.domain)?.code().to_owned();
    let today = context.today();
    // Dates in the contract's form compare as texts.
    if case.happened_on > today.to_string() {
        return Err(Fault::field(
            "effectCase.happenedOn",
            format!("lies in the future; today is {today}"),
            format!("晚于今天（{today}）"),
        ));
    }
    let elements = [
        ("place", &case.place),
        ("subject", &case.subject),
        ("practice", &case.practice),
        ("effect", &case.effect),
    ];
    let evidence = case.evidence.iter().enumerate();
    refusals::personal(
        elements
            .into_iter()
            .map(|(field, text)| (format!("effectCase.{field}"), text.as_str()))
            .chain(evidence.map(|(index, text)| (format!("effectCase.evidence[{index}]"), text.as_str()))),
    )?;
    case.effect_case_id = ids::fresh(context.now)?;
    case.department = context.caller.department().to_owned();
    case.create_time = Some(wire(context.now));
    let columns = ["effect_case_id", "domain", "department", "happened_on", "body"];
    let row = vec![
        case.effect_case_id.as_str().into(),
        case.domain.as_str().into(),
        case.department.as_str().into(),
        case.happened_on.as_str().into(),
        case.encode_to_vec().into(),
    ];
    insert_rows(&**tx, "effect_cases", &columns, vec![row], "").await?;
    Ok(case)
}

#[derive(FromQueryResult)]
struct Row {
    effect_case_id: String,
    happened_on: String,
    body: Vec<u8>,
}

/// Lists cases, the latest first.
pub async fn list(
    app: &Arc<Reporting>,
    _: &Context,
    request: api::ListEffectCasesRequest,
) -> Answer<api::ListEffectCasesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let (before_on, before_id) = match page.after.as_str() {
        "" => ("9999-99-99", ""),
        key => key.split_once('|').ok_or_else(page::strange_token)?,
    };
    let domain = match request.domain.as_str() {
        "" => "",
        given => refusals::domain("domain", given)?.code(),
    };
    let text = format!(
        "SELECT effect_case_id, happened_on, body FROM effect_cases WHERE ($1 = '' OR domain = $1) \
         AND ($2 = '' OR department = $2) AND (happened_on < $3 OR (happened_on = $3 AND effect_case_id < $4)) \
         ORDER BY happened_on DESC, effect_case_id DESC LIMIT {}",
        page.fetch()
    );
    let values = [domain.into(), request.department.into(), before_on.into(), before_id.into()];
    let db = app.store.read();
    let mut rows = Row::find_by_statement(sql(db, &text, values)).all(db).await?;
    let next_page_token = page.cut(&mut rows, |row| format!("{}|{}", row.happened_on, row.effect_case_id));
    let decoded = rows.iter().map(|row| api::EffectCase::decode(row.body.as_slice()));
    let effect_cases = decoded.collect::<Result<_, _>>().map_err(|error| corrupt("case of effect", error))?;
    Ok(api::ListEffectCasesResponse { effect_cases, next_page_token })
}

/// The ids of a domain's cases that happened between two days.
pub async fn of(db: &impl ConnectionTrait, domain: &str, from: &str, to: &str) -> Answer<Vec<String>> {
    let text = "SELECT effect_case_id, happened_on, body FROM effect_cases \
                WHERE domain = $1 AND happened_on BETWEEN $2 AND $3 ORDER BY happened_on, effect_case_id";
    let rows = Row::find_by_statement(sql(db, text, [domain.into(), from.into(), to.into()])).all(db).await?;
    Ok(rows.into_iter().map(|row| row.effect_case_id).collect())
}
