//! Cases of effect 成效案例: refused until time, place, subject, practice and effect are all there.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, clock::wire, fault::Violation, ids, page::Page, storage::{corrupt, sql}};
use contract::reporting::v1 as api;
use jiff::civil::Date;
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::{Reporting, figures};

#[derive(FromQueryResult)]
struct Row {
    id: String,
    content: Vec<u8>,
}

/// Takes a case.
pub async fn create(_: &Arc<Reporting>, context: &Context, tx: &Tx, request: api::CreateEffectCaseRequest) -> Answer<api::EffectCase> {
    let mut case = request.effect_case.unwrap_or_default();
    case.domain = figures::domain(&case.domain)?.code().to_owned();
    case.department = figures::department(context, &case.department)?;
    if case.happened_on.parse::<Date>().is_ok_and(|day| day > context.today()) {
        return Err(Fault::fields(vec![Violation::new(
            "happenedOn",
            format!("{} is in the future", case.happened_on),
            format!("{}晚于今天", case.happened_on),
        )]));
    }
    case.effect_case_id = ids::fresh(context.now)?;
    case.create_time = Some(wire(context.now));
    let text = "INSERT INTO effect_cases (id, domain, department, happened_on, content) VALUES ($1, $2, $3, $4, $5)";
    let values = [
        case.effect_case_id.as_str().into(),
        case.domain.as_str().into(),
        case.department.as_str().into(),
        case.happened_on.as_str().into(),
        case.encode_to_vec().into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(case)
}

/// Lists cases.
pub async fn list(app: &Arc<Reporting>, _: &Context, request: api::ListEffectCasesRequest) -> Answer<api::ListEffectCasesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let domain = match request.domain.as_str() {
        "" => "",
        given => figures::domain(given)?.code(),
    };
    let text = format!(
        "SELECT id, content FROM effect_cases WHERE id > $1 AND ($2 = '' OR domain = $2) AND ($3 = '' OR department = $3) \
         ORDER BY id LIMIT {}",
        page.fetch()
    );
    let db = app.store.read();
    let values = [page.after.as_str().into(), domain.into(), request.department.as_str().into()];
    let mut rows = Row::find_by_statement(sql(db, &text, values)).all(db).await?;
    let next_page_token = page.cut(&mut rows, |row| row.id.clone());
    let effect_cases = rows
        .iter()
        .map(|row| api::EffectCase::decode(row.content.as_slice()).map_err(|error| corrupt("case of effect", error)))
        .collect::<Answer<_>>()?;
    Ok(api::ListEffectCasesResponse { effect_cases, next_page_token })
}

/// The ids of a domain's cases between two days.
pub async fn of_domain(tx: &Tx, domain: &str, from: &str, to: &str) -> Answer<Vec<String>> {
    let text = "SELECT id, content FROM effect_cases WHERE domain = $1 AND happened_on >= $2 AND happened_on <= $3 ORDER BY id";
    let rows = Row::find_by_statement(sql(&**tx, text, [domain.into(), from.into(), to.into()])).all(&**tx).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
