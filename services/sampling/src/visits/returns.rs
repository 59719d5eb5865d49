//! Findings go back to credit as records, each until credit has acknowledged it. The visit's id makes a record
//! idempotent there, so that sending twice does no harm and a crash loses nothing.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chassis::{
    Answer, Tx,
    storage::{Filters, placeholders, sql},
};
use contract::{
    credit::v1::{Outcome, RecordInput, SubmitRecordsRequest, outcome, records_client::RecordsClient},
    sampling::v1::Visit,
};
use prost_types::{Struct, Value, value::Kind};
use sea_orm::{ConnectionTrait, FromQueryResult};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response};

use crate::{Sampling, codes, plans, visits::rows};

/// The item of credit's catalogue 行政监督检查.
const ITEM: &str = "administrative-inspection";

const BATCH: usize = 500;
const PATIENCE: Duration = Duration::from_secs(10);
// How long a publication waits for credit before it answers without its records.
const GRACE: Duration = Duration::from_secs(3);
const AGAIN_AFTER: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_secs(1);

#[derive(FromQueryResult)]
struct Due {
    visit: String,
    place: i32,
    inspection_item: String,
    result_code: String,
    text: String,
    draw: String,
    uscc: String,
    inspected_on: String,
}

/// Makes a visit's findings due, in the transaction that publishes them.
pub async fn make_due(tx: &Tx, visit: &str) -> Answer<()> {
    tx.execute_raw(sql(&**tx, "UPDATE findings SET due = 1 WHERE visit = $1", [visit.into()])).await?;
    Ok(())
}

// What was refused is tried again: the catalogue or the register may have been put right since.
async fn retry_refused(app: &Arc<Sampling>) {
    if let Err(fault) = make_refused_due(app).await {
        tracing::warn!(%fault, "refused findings can't be tried again yet");
    }
}

async fn make_refused_due(app: &Arc<Sampling>) -> Answer<()> {
    let db = app.store.read();
    if db.query_one_raw(sql(db, "SELECT visit FROM findings WHERE due = 2 LIMIT 1", [])).await?.is_none() {
        return Ok(());
    }
    let tx = app.store.begin().await?;
    tx.execute_raw(sql(&*tx, "UPDATE findings SET due = 1 WHERE due = 2", [])).await?;
    tx.commit().await
}

async fn due(db: &impl ConnectionTrait, visit: &str) -> Answer<Vec<Due>> {
    let statement = Filters::new().and("f.due = 1", []).given("f.visit = $1", visit).sql(
        db,
        "SELECT f.visit, f.place, f.inspection_item, f.result_code, f.text, v.draw, v.uscc, v.inspected_on \
         FROM findings f JOIN visits v ON v.visit_id = f.visit",
        &format!("ORDER BY f.visit, f.place LIMIT {BATCH}"),
    );
    Ok(Due::find_by_statement(statement).all(db).await?)
}

impl Due {
    fn record(&self, plan: &str, department: &str) -> RecordInput {
        let texts = [
            ("resultCode", self.result_code.as_str()),
            ("inspectionItem", &self.inspection_item),
            ("plan", plan),
            ("draw", &self.draw),
            ("visit", &self.visit),
            ("department", department),
            ("text", &self.text),
        ];
        let field = |(key, text): (&str, &str)| {
            (key.to_owned(), Value { kind: Some(Kind::StringValue(text.to_owned())) })
        };
        let fields: BTreeMap<String, Value> =
            texts.into_iter().filter(|(_, text)| !text.is_empty()).map(field).collect();
        // The first finding goes by the visit's id, the others by their number as well.
        let source_id =
            if self.place == 0 { self.visit.clone() } else { format!("{}-{}", self.visit, self.place + 1) };
        RecordInput {
            uscc: self.uscc.clone(),
            item: ITEM.to_owned(),
            source_id,
            occurred_on: self.inspected_on.clone(),
            severity: codes::find(&self.result_code).map_or(0, |code| code.severity),
            fields: Some(Struct { fields }),
            // The roster has the subject as credit knows it.
            accept_nonconforming: true,
            ..Default::default()
        }
    }
}

// Sends what is due, of one visit or of all, and notes what credit said; gives how many findings that were.
async fn deliver(app: &Arc<Sampling>, visit: &str) -> Answer<usize> {
    let db = app.store.read();
    let due = due(db, visit).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let mut draws: Vec<&str> = due.iter().map(|one| one.draw.as_str()).collect();
    draws.sort_unstable();
    draws.dedup();
    let plans = plans::of_draws(db, &draws).await?;
    let record = |one: &Due| {
        let plan = plans.get(&one.draw);
        let departments = plan.map(|plan| plan.departments.join(",")).unwrap_or_default();
        one.record(plan.map_or("", |plan| &plan.plan_id), &departments)
    };
    let mut request = Request::new(SubmitRecordsRequest {
        records: due.iter().map(record).collect(),
        ..Default::default()
    });
    request.set_timeout(PATIENCE);
    let answer = RecordsClient::new(app.credit.clone()).submit_records(request).await?.into_inner();
    note(app, &due, &answer.outcomes, &answer.position).await?;
    Ok(due.len())
}

async fn note(app: &Arc<Sampling>, due: &[Due], outcomes: &[Outcome], position: &str) -> Answer<()> {
    let tx = app.store.begin().await?;
    let mut taken: Vec<&str> = Vec::new();
    for outcome in outcomes {
        let Some(one) = usize::try_from(outcome.index).ok().and_then(|index| due.get(index)) else {
            continue;
        };
        let refusal = outcome
            .error
            .as_ref()
            .map_or(String::new(), |error| format!("{}: {}", error.reason, error.message));
        let refused = outcome.status() == outcome::Status::Rejected;
        if refused {
            tracing::warn!(
                visit = one.visit,
                refusal,
                "credit refused a finding's record; it is sent again later"
            );
        } else {
            taken.push(&one.visit);
        }
        let text = "UPDATE findings SET due = $3, record = $4, refusal = $5 WHERE visit = $1 AND place = $2";
        let state = if refused { 2 } else { 0 };
        let values = [
            one.visit.as_str().into(),
            one.place.into(),
            state.into(),
            outcome.record.as_str().into(),
            refusal.into(),
        ];
        tx.execute_raw(sql(&*tx, text, values)).await?;
    }
    taken.dedup();
    if !taken.is_empty() {
        let text =
            format!("UPDATE visits SET position = $1 WHERE visit_id IN ({})", placeholders(2, taken.len()));
        let values = [position].into_iter().chain(taken).map(sea_orm::Value::from);
        tx.execute_raw(sql(&*tx, &text, values)).await?;
    }
    tx.commit().await
}

/// A published visit with its records, where credit takes them at once; where it does not, the background goes on.
pub async fn acknowledged(app: &Arc<Sampling>, published: Response<Visit>) -> Response<Visit> {
    let id = published.get_ref().visit_id.clone();
    let sent = tokio::time::timeout(GRACE, deliver(app, &id)).await;
    if let Ok(Err(fault)) = &sent {
        tracing::warn!(visit = id, %fault, "credit does not take a finding yet; it is sent again");
    }
    let mut published = published;
    match records(app, &id).await {
        Ok((records, refusal, position)) => {
            let visit = published.get_mut();
            (visit.records, visit.credit_error, visit.position) = (records, refusal, position);
        }
        // The publication itself is done: its answer stands without what hangs on it.
        Err(fault) => tracing::warn!(visit = id, %fault, "the records of a visit can't be read"),
    }
    published
}

async fn records(app: &Arc<Sampling>, id: &str) -> Answer<(Vec<String>, String, String)> {
    let db = app.store.read();
    let Some(visit) = rows::find(db, id).await? else { return Ok(Default::default()) };
    let details = rows::details(db, std::slice::from_ref(&visit)).await?.remove(id).unwrap_or_default();
    Ok((details.records(), details.refusal(), visit.position))
}

/// Sends findings whenever some are due, until the process stops.
pub async fn run(app: Arc<Sampling>, stopping: CancellationToken) {
    let mut commits = app.store.commits();
    let mut pause = FIRST_PAUSE;
    retry_refused(&app).await;
    loop {
        commits.borrow_and_update();
        let failed = tokio::select! {
            sent = deliver_all(&app) => sent.inspect_err(|fault| {
                tracing::warn!(%fault, "findings can't be sent to credit; they are sent again");
            }).is_err(),
            () = stopping.cancelled() => return,
        };
        let wait = if failed { pause } else { AGAIN_AFTER };
        pause = if failed { (pause * 2).min(AGAIN_AFTER) } else { FIRST_PAUSE };
        tokio::select! {
            // A service that just failed is not asked again for each commit.
            _ = commits.changed(), if !failed => {}
            () = tokio::time::sleep(wait) => retry_refused(&app).await,
            () = stopping.cancelled() => return,
        }
    }
}

async fn deliver_all(app: &Arc<Sampling>) -> Answer<()> {
    while deliver(app, "").await? == BATCH {}
    Ok(())
}
