//! Feedback 惩戒措施实施反馈: which measures departments applied on a listing.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, wire},
    decisions::{self, Decision},
    figures::{self, Tally},
    ids,
    page::Page,
    storage::{Filters, insert_rows, sql},
};
use contract::discipline::v1::{self as api, ErrorReason, application::Outcome};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;

use crate::{Discipline, bases, directory, figures::kept, listings, looks, measures, personal};

/// Reports an application.
pub async fn create(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::CreateApplicationRequest,
) -> Answer<api::Application> {
    let mut application = request.application.unwrap_or_default();
    personal::refuse([("application.text", application.text.as_str())])?;
    application.outcome = match application.outcome() {
        Outcome::NotApplied if application.text.trim().is_empty() => {
            return Err(Fault::field(
                "application.text",
                "is required where the measure was not applied: say why",
                "未实施的，须说明原因",
            ));
        }
        Outcome::NotApplied => Outcome::NotApplied.into(),
        Outcome::Applied | Outcome::Unspecified => Outcome::Applied.into(),
    };
    application.lifted_on.clear();
    application.lift_text.clear();
    // Held, so that it does not end while what is applied is counted.
    let found = listings::held(tx, &application.listing).await?;
    let row = found.ok_or_else(|| Fault::not_found("listing", "列入记录", &application.listing))?;
    let mut list = directory::version::<api::List>(&**tx, &row.list_id, row.list_version).await?;
    if let Some(decided) = row.consequences() {
        list.measures.retain(|measure| decided.measures.contains(measure));
    }
    refuse_measure(context, tx, &list, &application.measure).await?;
    let (list_id, ended) = (row.list_id.clone(), row.marked_ended());
    let on: Date = application.applied_on.parse().map_err(Fault::internal)?;
    refuse_hidden(listings::hidden_from(tx, &row).await?, on)?;
    let listing = row.on(context.today());
    refuse_day(&listing, on, context.today())?;
    application.application_id = ids::fresh(context.now)?;
    application.uscc = listing.uscc;
    application.department = context.caller.department().to_owned();
    // As the table keeps it, so that every answer says the same.
    application.create_time = Some(wire(from_micros(micros(context.now))));
    insert(tx, context, &application, &list_id).await?;
    let detail = json!({ "application": application.application_id, "listing": application.listing,
                         "measure": application.measure, "on": application.applied_on,
                         "outcome": application.outcome().as_str_name() });
    let basis = format!("{list_id}@{}", application.measure);
    let decision = Decision { kind: "measure.applied", subject: &application.uscc, basis: &basis, detail };
    decisions::record(tx, context, decision).await?;
    let mut tally = Tally::default();
    let keys = [list_id.as_str(), &application.measure, &application.department];
    let applied = application.outcome() == Outcome::Applied;
    kept::measure(&mut tally, on, keys, if applied { kept::APPLIED } else { kept::NOT_APPLIED }, 1);
    if applied && ended {
        kept::measure(&mut tally, on, keys, kept::TO_LIFT, 1);
    }
    figures::keep(tx, &tally).await?;
    Ok(application)
}

/// Confirms that a measure was lifted.
pub async fn lift(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::LiftApplicationRequest,
) -> Answer<api::Application> {
    let text = format!("SELECT {COLUMNS} FROM applications a WHERE a.application_id = $1");
    let found =
        Row::find_by_statement(sql(&**tx, &text, [request.application.as_str().into()])).one(&**tx).await?;
    let row = found.ok_or_else(|| Fault::not_found("application", "措施实施反馈", &request.application))?;
    let theirs = !row.department.is_empty() && context.caller.department() == row.department;
    if !theirs && !context.caller.is_office() {
        return Err(Fault::denied(
            ErrorReason::NotOfDepartment.as_str_name(),
            format!(
                "the measure was applied by {}; only that department or the credit office lifts it",
                row.department
            ),
            format!("该措施由{}实施；只有该部门或信用联办可以登记解除", row.department),
        ));
    }
    personal::refuse([("text", request.text.as_str())])?;
    let today = context.today();
    let on: Date = if request.on.is_empty() { today } else { request.on.parse().map_err(Fault::internal)? };
    if on > today || on.to_string() < row.applied_on {
        return Err(Fault::field(
            "on",
            format!("lies between {} and {today}", row.applied_on),
            format!("应在{}至{today}之间", row.applied_on),
        ));
    }
    let listing = listings::held(tx, &row.listing).await?;
    let listing = listing.ok_or_else(|| Fault::internal(anyhow::anyhow!("{} vanished", row.listing)))?;
    let update = "UPDATE applications SET lifted_on = $2, lifted_by = $3, lift_text = $4 \
                  WHERE application_id = $1 AND outcome = 1 AND lifted_on = ''";
    let values = [
        row.application_id.as_str().into(),
        on.to_string().into(),
        context.caller.name().into(),
        request.text.as_str().into(),
    ];
    if tx.execute_raw(sql(&**tx, update, values)).await?.rows_affected() != 1 {
        return Err(Fault::precondition(
            ErrorReason::NothingToLift.as_str_name(),
            "the measure was never applied, or is lifted already",
            "该措施未实施，或已登记解除",
        ));
    }
    let detail = json!({ "application": row.application_id, "listing": row.listing, "measure": row.measure, "on": on.to_string() });
    let decision = Decision { kind: "measure.lifted", subject: &row.uscc, basis: &row.measure, detail };
    decisions::record(tx, context, decision).await?;
    let mut tally = Tally::default();
    let applied_on = row.applied_on.parse().map_err(Fault::internal)?;
    let keys = [listing.list_id.as_str(), &row.measure, &row.department];
    kept::measure(&mut tally, applied_on, keys, kept::LIFTED, 1);
    if listing.marked_ended() {
        kept::measure(&mut tally, applied_on, keys, kept::TO_LIFT, -1);
    }
    figures::keep(tx, &tally).await?;
    let mut application = api::Application::from(row);
    application.lifted_on = on.to_string();
    application.lift_text = request.text;
    Ok(application)
}

async fn refuse_measure(context: &Context, tx: &Tx, list: &api::List, id: &str) -> Answer<()> {
    let found = directory::current::<api::Measure>(&**tx, id).await?;
    let measure = found.filter(|_| list.measures.iter().any(|follows| follows == id));
    let Some(measure) = measure else {
        let follow = list.measures.join(", ");
        return Err(Fault::invalid(
            ErrorReason::MeasureNotOfListing.as_str_name(),
            format!("measure \"{id}\" does not follow from list \"{}\"; these do: {follow}", list.list_id),
            format!("措施“{id}”不属于名单“{}”；该名单的措施为：{follow}", list.list_id),
        )
        .at("application.measure"));
    };
    bases::refuse_unusable(&measure.wording, context.today())?;
    if context.caller.is_office() || measures::binds(&measure.wording, context.caller.department()) {
        return Ok(());
    }
    Err(Fault::denied(
        ErrorReason::NotOfDepartment.as_str_name(),
        format!("measure \"{id}\" is carried out by {}", measure.wording.departments.join(", ")),
        format!("措施“{id}”的实施单位为：{}", measure.wording.departments.join("、")),
    ))
}

// A measure rests on a listing that held on its day.
fn refuse_day(listing: &api::Listing, on: Date, today: Date) -> Answer<()> {
    if on > today {
        return Err(Fault::field(
            "application.appliedOn",
            format!("lies in the future; today is {today}"),
            format!("晚于今天（{today}）"),
        ));
    }
    let day = on.to_string();
    let within = listing.from <= day && (listing.until.is_empty() || day <= listing.until);
    let ended = [api::listing::State::Repaired, api::listing::State::Revoked].contains(&listing.state());
    if within && !ended {
        return Ok(());
    }
    let (from, until) = (&listing.from, if listing.until.is_empty() { "…" } else { listing.until.as_str() });
    Err(Fault::precondition(
        ErrorReason::ListingNotActive.as_str_name(),
        format!(
            "the listing does not hold on {day} (it is {}, {from} to {until})",
            listing.state().as_str_name()
        ),
        format!("该列入记录在{day}不具效力（有效期{from}至{until}）"),
    )
    .at("application.appliedOn"))
}

// Nor on one that is suspended or shielded, from the day of the document that says so.
fn refuse_hidden(from: Option<String>, on: Date) -> Answer<()> {
    let Some(from) = from.filter(|from| *from <= on.to_string()) else { return Ok(()) };
    Err(Fault::precondition(
        ErrorReason::ListingNotActive.as_str_name(),
        format!("the listing is suspended or shielded from {from} on, so that no measure can be applied on it meanwhile"),
        format!("该列入自{from}起停止执行或者暂时屏蔽，期间不得据以实施措施"),
    )
    .at("application.appliedOn"))
}

async fn insert(tx: &Tx, context: &Context, application: &api::Application, list_id: &str) -> Answer<()> {
    let columns = [
        "application_id",
        "listing",
        "measure",
        "applied_on",
        "text",
        "uscc",
        "department",
        "list_id",
        "created_at",
        "outcome",
    ];
    let row = vec![
        application.application_id.as_str().into(),
        application.listing.as_str().into(),
        application.measure.as_str().into(),
        application.applied_on.as_str().into(),
        application.text.as_str().into(),
        application.uscc.as_str().into(),
        application.department.as_str().into(),
        list_id.into(),
        micros(context.now).into(),
        application.outcome.into(),
    ];
    insert_rows(&**tx, "applications", &columns, vec![row], "").await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Row {
    application_id: String,
    listing: String,
    measure: String,
    applied_on: String,
    text: String,
    uscc: String,
    department: String,
    created_at: i64,
    outcome: i32,
    lifted_on: String,
    lift_text: String,
}

const COLUMNS: &str = "a.application_id, a.listing, a.measure, a.applied_on, a.text, a.uscc, a.department, a.created_at, a.outcome, \
                       a.lifted_on, a.lift_text";

/// What holds of an application `a` of a listing `l` that is to be lifted by a day, `$1`, and is not.
pub const TO_LIFT: &str = "a.outcome = 1 AND a.lifted_on = '' AND (l.state NOT IN (1, 2) OR (l.until_on <> '' AND l.until_on < $1))";

/// Lists applications, the latest first.
pub async fn list(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::ListApplicationsRequest,
) -> Answer<api::ListApplicationsResponse> {
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    // An enterprise's own client sees what was applied on it.
    let mut of = Filters::new()
        .given("a.uscc = $1", context.caller.enterprise())
        .given("a.listing = $1", &request.listing)
        .given("a.department = $1", &request.department)
        .given("a.application_id < $1", &page.after);
    if request.to_lift {
        of = of.and(TO_LIFT, [context.today().to_string().into()]);
    }
    let db = app.store.read();
    let statement = of.sql(
        db,
        &format!("SELECT {COLUMNS} FROM applications a JOIN listings l ON l.case_id = a.listing"),
        &format!("ORDER BY a.application_id DESC LIMIT {}", page.fetch()),
    );
    let mut rows = Row::find_by_statement(statement).all(db).await?;
    let next_page_token = page.cut(&mut rows, |row| row.application_id.clone());
    let subjects: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.uscc.as_str()).collect();
    looks::record(app, context, purpose, &subjects.into_iter().collect::<Vec<_>>()).await?;
    let applications = rows.into_iter().map(api::Application::from).collect();
    Ok(api::ListApplicationsResponse { applications, next_page_token })
}

impl From<Row> for api::Application {
    fn from(row: Row) -> Self {
        Self {
            application_id: row.application_id,
            listing: row.listing,
            measure: row.measure,
            applied_on: row.applied_on,
            text: row.text,
            uscc: row.uscc,
            department: row.department,
            create_time: Some(wire(from_micros(row.created_at))),
            outcome: row.outcome,
            lifted_on: row.lifted_on,
            lift_text: row.lift_text,
        }
    }
}
