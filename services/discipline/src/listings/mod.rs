//! Listings 名单公示: the search, what happens to one after it was published, and its end on the day that the law sets.
mod rows;
mod rules;

use std::{sync::Arc, time::Duration};

use calendar::Calendar;
use chassis::{
    Answer, Context, Fault, Tx,
    clock::Clock,
    decisions::{self, Decision},
    figures::Tally,
    page::{self, Page},
    storage::Filters,
};
use contract::discipline::v1::{
    self as api, ListingMark as Mark, change::Kind as Changed, listing::State, listing_event::Kind, paper,
};
use identifiers::Uscc;
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;
use tokio_util::sync::CancellationToken;

pub use rows::{ACTIVE, COLUMNS, Row, decided, held, insert, note_record, stored};
pub use rules::hides;

use crate::{
    Discipline, changes, deliveries, directory, figures, filings, looks,
    papers::{self, Printed},
    personal,
};

/// A listing as it stands on a day.
pub async fn find(db: &impl ConnectionTrait, listing: &str, today: Date) -> Answer<Option<api::Listing>> {
    match stored(db, listing).await? {
        None => Ok(None),
        Some(row) => Ok(Some(shown(db, row, today).await?)),
    }
}

// With what follows from its list's wording.
async fn shown(db: &impl ConnectionTrait, row: Row, today: Date) -> Answer<api::Listing> {
    let first = repair_from(db, &row).await?;
    let mut listing = row.on(today);
    listing.repair_from = first.map(|day| day.to_string()).unwrap_or_default();
    Ok(listing)
}

/// From which day on a repair of a listing may be asked for; none where its list lets it be asked for at once.
pub async fn repair_from(db: &impl ConnectionTrait, row: &Row) -> Answer<Option<Date>> {
    let list = directory::version::<api::List>(db, &row.list_id, row.list_version).await?;
    Ok(rules::repair_from(row.from_on.parse().map_err(Fault::internal)?, &list))
}

/// Searches active listings, for everybody.
pub async fn list_public(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::ListPublicListingsRequest,
) -> Answer<api::ListPublicListingsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let (before_on, before_id) = before(&page)?;
    let (code, part) = match Uscc::parse_tolerant(&request.q) {
        Ok((code, _)) => (code.to_string(), String::new()),
        Err(_) => (String::new(), pattern(&request.q)),
    };
    let today = context.today();
    let db = app.store.read();
    let statement = Filters::new()
        .and(ACTIVE, [today.to_string().into()])
        .given("list_id = $1", &request.list)
        .given("uscc = $1", &code)
        .given("LOWER(name) LIKE $1 ESCAPE '!'", &part)
        .and("(from_on, case_id) < ($1, $2)", [before_on.into(), before_id.into()])
        .sql(
            db,
            &format!("SELECT {COLUMNS} FROM listings"),
            &format!("ORDER BY from_on DESC, case_id DESC LIMIT {}", page.fetch()),
        );
    let mut rows = Row::find_by_statement(statement).all(db).await?;
    let next_page_token = page.cut(&mut rows, page_key);
    let listings = rows.into_iter().map(|row| row.on(today)).collect();
    Ok(api::ListPublicListingsResponse { listings, next_page_token })
}

fn page_key(row: &Row) -> String {
    format!("{}|{}", row.from_on, row.case_id)
}

// The key of the last one of the page before.
fn before(page: &Page) -> Answer<(&str, &str)> {
    match page.after.as_str() {
        "" => Ok(("9999-99-99", "")),
        key => key.split_once('|').ok_or_else(page::strange_token),
    }
}

/// Gives one listing with all that happened to it. An enterprise's own client sees its own.
pub async fn get(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::GetListingRequest,
) -> Answer<api::Listing> {
    let purpose = context.purpose(&request.purpose)?;
    let db = app.store.read();
    let enterprise = context.caller.enterprise();
    let found = stored(db, &request.listing).await?;
    let row = found.filter(|row| enterprise.is_empty() || enterprise == row.uscc);
    let row = row.ok_or_else(|| missing(&request.listing))?;
    looks::record(app, context, purpose, &[&row.uscc]).await?;
    told(db, row, context.today()).await
}

async fn told(db: &impl ConnectionTrait, row: Row, today: Date) -> Answer<api::Listing> {
    let mut listing = shown(db, row, today).await?;
    listing.events = rows::events(db, &listing.listing).await?;
    Ok(listing)
}

fn missing(listing: &str) -> Fault {
    Fault::not_found("listing", "列入记录", listing)
}

/// Lists listings, those that ended among them.
pub async fn list(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::ListListingsRequest,
) -> Answer<api::ListListingsResponse> {
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let asked = match request.uscc.as_str() {
        "" => String::new(),
        code => {
            let read = Uscc::parse_tolerant(code);
            read.map_err(|fault| {
                Fault::invalid(fault.reason(), fault.message_en(), fault.message_zh()).at("uscc")
            })?
            .0
            .to_string()
        }
    };
    let enterprise = context.caller.enterprise();
    if !enterprise.is_empty() && !asked.is_empty() && asked != enterprise {
        return Ok(api::ListListingsResponse::default());
    }
    let today = context.today();
    let filter = rows::Filter {
        uscc: if enterprise.is_empty() { &asked } else { enterprise },
        list: &request.list,
        state: request.state(),
        today,
        before: before(&page)?,
    };
    let db = app.store.read();
    let mut found = rows::list(db, &filter, page.fetch()).await?;
    let next_page_token = page.cut(&mut found, page_key);
    let mut subjects: Vec<&str> = found.iter().map(|row| row.uscc.as_str()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    looks::record(app, context, purpose, &subjects).await?;
    let mut listings = Vec::with_capacity(found.len());
    for row in found {
        listings.push(shown(db, row, today).await?);
    }
    Ok(api::ListListingsResponse { listings, next_page_token })
}

/// Puts a mark on a listing.
pub async fn mark(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::MarkListingRequest,
) -> Answer<api::Listing> {
    mark_by_hand(context, tx, request, true).await
}

/// Takes a mark off a listing.
pub async fn unmark(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::MarkListingRequest,
) -> Answer<api::Listing> {
    mark_by_hand(context, tx, request, false).await
}

async fn mark_by_hand(
    context: &Context,
    tx: &Tx,
    request: api::MarkListingRequest,
    put: bool,
) -> Answer<api::Listing> {
    let mark = request.mark();
    if !rules::by_hand(mark) {
        return Err(Fault::field(
            "mark",
            "is UNDER_REVIEW, IN_LITIGATION, SUSPENDED or SHIELDED; the others follow objections and repairs",
            "应为 UNDER_REVIEW、IN_LITIGATION、SUSPENDED 或 SHIELDED；其他标注随异议和修复申请产生",
        ));
    }
    let row = own(context, tx, &request.listing).await?;
    if row.marks().contains(&mark) == put {
        let (en, zh) =
            if put { ("is on it already", "已有该标注") } else { ("is not on it", "没有该标注") };
        return Err(Fault::precondition(
            api::ErrorReason::MarkUnchanged.as_str_name(),
            format!("{} {en}", mark.as_str_name()),
            format!("{zh}（{}）", mark.as_str_name()),
        ));
    }
    personal::refuse([
        ("text", request.text.as_str()),
        ("documentNumber", request.document_number.as_str()),
    ])?;
    let on = day(context, &request.on)?;
    let event = api::ListingEvent {
        kind: if put { Kind::Marked.into() } else { Kind::Unmarked.into() },
        mark: mark.into(),
        on: on.to_string(),
        document_number: request.document_number,
        text: request.text,
        ..Default::default()
    };
    put_mark(context, tx, &row, mark, put, event).await?;
    after(context, tx, &request.listing).await
}

// The listing as a call that changed it answers it.
async fn after(context: &Context, tx: &Tx, listing: &str) -> Answer<api::Listing> {
    let row = stored(&**tx, listing).await?.ok_or_else(|| missing(listing))?;
    let mut listing = told(&**tx, row, context.today()).await?;
    listing.position = tx.position().map(|position| position.to_string()).unwrap_or_default();
    Ok(listing)
}

/// Puts a mark on a listing, or takes it off, and tells credit.
pub async fn put_mark(
    context: &Context,
    tx: &Tx,
    row: &Row,
    mark: Mark,
    put: bool,
    event: api::ListingEvent,
) -> Answer<()> {
    let mut marks = row.marks();
    marks.retain(|held| *held != mark);
    if put {
        marks.push(mark);
    }
    rows::set_marks(tx, &row.case_id, &marks).await?;
    rows::remember(tx, context, &row.case_id, &event).await?;
    // Two of our marks mean the same to credit, so that it hears of the last only.
    if put || !marks.iter().any(|held| deliveries::told(*held) == deliveries::told(mark)) {
        deliveries::mark(tx, context, &row.case_id, mark, put).await?;
    }
    changes::append(tx, context, Changed::Marked, &row.case_id).await?;
    tell(context, tx, row, &event).await
}

async fn tell(context: &Context, tx: &Tx, row: &Row, event: &api::ListingEvent) -> Answer<()> {
    let kind = format!("listing.{}", event.kind().as_str_name().to_lowercase());
    let basis = format!("{}@{}", row.list_id, row.list_version);
    let detail = json!({ "listing": row.case_id, "mark": event.mark().as_str_name(), "on": event.on,
                         "documentNumber": event.document_number, "text": event.text, "late": event.late });
    decisions::record(tx, context, Decision { kind: &kind, subject: &row.uscc, basis: &basis, detail }).await
}

/// Prints the paper by which a listing is revoked.
pub async fn print_removal(
    app: &Arc<Discipline>,
    context: &Context,
    request: &api::RevokeListingRequest,
) -> Answer<Printed> {
    match stored(app.store.read(), &request.listing).await? {
        Some(row) if changes_it(context, &row) => papers::print(vec![removal(context, &row, request)]).await,
        _ => Ok(Printed::default()),
    }
}

// 河南省社会信用条例 第三十七条: an exit is told as the entry was.
fn removal(context: &Context, row: &Row, request: &api::RevokeListingRequest) -> papers::Sheet {
    let (kind, department) = (paper::Kind::Removal, context.caller.department());
    let (own, _) = rules::exits(row.kind());
    let mut sheet = row.sheet(kind, department, context.today(), (&request.removal_number, own));
    sheet.values.extend([("annulledBy", request.document_number.clone()), ("text", request.text.clone())]);
    sheet
}

/// Revokes a listing whose decision was annulled.
pub async fn revoke(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::RevokeListingRequest,
    mut printed: Printed,
) -> Answer<api::Listing> {
    let row = own(context, tx, &request.listing).await?;
    personal::refuse([
        ("text", request.text.as_str()),
        ("documentNumber", request.document_number.as_str()),
        ("removalNumber", request.removal_number.as_str()),
    ])?;
    let annulled_on = day(context, &request.on)?;
    let removal = removal(context, &row, &request);
    papers::keep(tx, context, &removal, &mut printed, (&row.uscc, 0)).await?;
    let event = api::ListingEvent {
        kind: Kind::Revoked.into(),
        on: annulled_on.to_string(),
        document_number: request.document_number,
        text: request.text,
        late: rules::withdrawn_late(annulled_on, context.today(), Calendar::national()),
        ..Default::default()
    };
    end(context, tx, &row, State::Revoked, event).await?;
    after(context, tx, &request.listing).await
}

/// Ends a listing before its term, here and in credit; what was filed about it and is open is closed.
pub async fn end(
    context: &Context,
    tx: &Tx,
    row: &Row,
    state: State,
    event: api::ListingEvent,
) -> Answer<()> {
    rows::end(tx, &row.case_id, state, context.today()).await?;
    rows::remember(tx, context, &row.case_id, &event).await?;
    filings::close_all(context, tx, &row.case_id).await?;
    deliveries::end(tx, context, &row.case_id, state == State::Repaired, &event.text).await?;
    changes::append(tx, context, Changed::Ended, &row.case_id).await?;
    tell(context, tx, row, &event).await?;
    let mut tally = Tally::default();
    row.counted()?.ended(&mut tally, context.today(), state);
    figures::kept::left(&mut tally, tx, &row.list_id, &row.case_id).await?;
    chassis::figures::keep(tx, &tally).await
}

// The listing, held until the transaction ends, if it is the caller's to change and has not ended.
async fn own(context: &Context, tx: &Tx, listing: &str) -> Answer<Row> {
    let caller = &context.caller;
    let found = held(tx, listing)
        .await?
        .filter(|row| caller.enterprise().is_empty() || caller.enterprise() == row.uscc);
    let row = found.ok_or_else(|| missing(listing))?;
    if !changes_it(context, &row) {
        return Err(Fault::denied(
            api::ErrorReason::NotOfDepartment.as_str_name(),
            format!(
                "the listing was decided by {}; only that department or the credit office changes it",
                row.department
            ),
            format!("该列入由{}认定；只有该部门或信用联办可以办理", row.department),
        )
        .with("department", &row.department));
    }
    active(context, &row)?;
    Ok(row)
}

// The department that decided, and the office.
fn changes_it(context: &Context, row: &Row) -> bool {
    let caller = &context.caller;
    caller.is_office() || (caller.enterprise().is_empty() && caller.department() == row.department)
}

/// From which day on a listing is neither shown nor checked, as the documents of the marks that it bears say; none where it is.
pub async fn hidden_from(tx: &Tx, row: &Row) -> Answer<Option<String>> {
    let hiding: Vec<Mark> = row.marks().into_iter().filter(|mark| hides(*mark)).collect();
    if hiding.is_empty() {
        return Ok(None);
    }
    let events = rows::events(&**tx, &row.case_id).await?;
    let put = |mark: &Mark| {
        let of_mark = |event: &&api::ListingEvent| event.mark() == *mark && event.kind() == Kind::Marked;
        events.iter().rfind(of_mark).map(|event| event.on.clone())
    };
    Ok(hiding.iter().filter_map(put).min())
}

/// Refuses a listing that has ended.
pub fn active(context: &Context, row: &Row) -> Answer<()> {
    if row.holds(context.today()) {
        return Ok(());
    }
    let state = row.clone().on(context.today()).state().as_str_name();
    Err(Fault::precondition(
        api::ErrorReason::ListingNotActive.as_str_name(),
        format!("the listing has ended ({state}), so that nothing about it can be changed"),
        format!("该列入已终止（{state}），不能再办理"),
    )
    .with("state", state))
}

fn day(context: &Context, given: &str) -> Answer<Date> {
    let today = context.today();
    let on = if given.is_empty() { today } else { given.parse().map_err(Fault::internal)? };
    if on > today {
        return Err(Fault::precondition(
            api::ErrorReason::StepDateInvalid.as_str_name(),
            format!("the date lies in the future; today is {today}"),
            format!("日期晚于今天（{today}）"),
        )
        .with("latestDate", today)
        .at("on"));
    }
    Ok(on)
}

// A LIKE pattern that finds the text anywhere, its own wildcards taken as text.
fn pattern(text: &str) -> String {
    let text = text.trim().to_lowercase();
    if text.is_empty() {
        return text;
    }
    let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{escaped}%")
}

/// Marks listings whose last day has passed, each day by the suite's clock, until the process stops. Reads do not wait for it.
pub async fn expire(app: Arc<Discipline>, stopping: CancellationToken) {
    let mut marked: Option<Date> = None;
    while !stopping.is_cancelled() {
        let today = app.clock.today();
        if marked != Some(today) {
            match mark_expired(&app, &app.clock, &stopping).await {
                Ok(()) => marked = Some(today),
                Err(fault) => tracing::warn!(%fault, "expired listings can't be marked now"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = stopping.cancelled() => {}
        }
    }
}

// How many are marked at once: their notices are printed before the transaction and held in memory meanwhile.
const TOGETHER: usize = 32;

async fn mark_expired(app: &Arc<Discipline>, clock: &Clock, stopping: &CancellationToken) -> Answer<()> {
    let context = Context::of_service("discipline", clock.now(), stopping.clone());
    while !stopping.is_cancelled() {
        let ended = rows::run_out(app.store.read(), context.today(), TOGETHER).await?;
        if ended.is_empty() {
            break;
        }
        let sheets: Vec<papers::Sheet> = ended.iter().map(|row| exit_notice(&context, row)).collect();
        let mut printed = papers::print(sheets.clone()).await?;
        let tx = app.store.begin().await?;
        let mut tally = Tally::default();
        for (row, sheet) in ended.iter().zip(&sheets) {
            if rows::mark_run_out(&tx, &row.case_id).await? {
                mark_one(&context, &tx, row, &mut tally).await?;
                papers::keep(&tx, &context, sheet, &mut printed, (&row.uscc, 0)).await?;
            }
        }
        chassis::figures::keep(&tx, &tally).await?;
        tx.commit().await?;
    }
    Ok(())
}

// Nobody gives its number at that hour: it bears the decision's.
fn exit_notice(context: &Context, row: &Row) -> papers::Sheet {
    let (_, own) = rules::exits(row.kind());
    row.sheet(paper::Kind::ExitNotice, &row.department, context.today(), ("", own))
}

async fn mark_one(context: &Context, tx: &Tx, row: &Row, tally: &mut Tally) -> Answer<()> {
    let last = row.until().ok_or_else(|| Fault::internal(anyhow::anyhow!("{} has no term", row.case_id)))?;
    let basis = format!("{}@{}", row.list_id, row.list_version);
    let detail = json!({ "case": row.case_id, "until": last.to_string() });
    let decision = Decision { kind: "listing.expired", subject: &row.uscc, basis: &basis, detail };
    decisions::record(tx, context, decision).await?;
    let after = last.tomorrow().unwrap_or(last);
    row.counted()?.ended(tally, after, State::Expired);
    figures::kept::left(tally, tx, &row.list_id, &row.case_id).await?;
    let event = api::ListingEvent { kind: Kind::Expired.into(), on: last.to_string(), ..Default::default() };
    rows::remember(tx, context, &row.case_id, &event).await?;
    filings::close_all(context, tx, &row.case_id).await?;
    changes::append(tx, context, Changed::Ended, &row.case_id).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_takes_wildcards_as_text() {
        assert_eq!(pattern(" 100%_Good! "), "%100!%!_good!!%");
        assert_eq!(pattern("  "), "");
    }
}
