//! Records 信用信息记录: taken in row by row, corrected and withdrawn as new versions, listed.
mod bulk;
mod content;
mod history;
mod marks;
pub mod publicity;
mod quality;
mod rows;
pub mod rules;
mod stream;
mod version_rows;

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use chassis::{
    Answer, Context, Fault, Store, Tx,
    clock::business_day,
    decisions::{self, Decision},
    fault::Violation,
    feed::Position,
    ids,
    page::Page,
    storage::Cells,
};
use contract::{
    credit::v1::{self as api, change::Kind, record::Status},
    r#type::v1::ErrorReason as Common,
};
use jiff::Timestamp;
use sea_orm::ConnectionTrait;
use serde_json::json;

pub use bulk::withdraw_untouched;
pub use history::{get, known_at, list_subject_versions, list_versions, told};
pub use marks::mark_as_asked;
pub use rows::{Meeting, Present, Read, Shown, Withdrawal, meet, page_key, shown, shown_of};
pub use stream::stream;

use crate::{
    Credit, accesses,
    authorizations::{self, Granted},
    changes, filings,
    items::{self, Item, Nature},
    outcomes::{self, Submitter, Verdict, refusal},
    profiles, subjects,
    usage::{self, Tally},
};

/// Takes records in.
pub async fn submit(
    app: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::SubmitRecordsRequest,
) -> Answer<api::SubmitRecordsResponse> {
    let submitter = Submitter::of(context)?;
    let verdicts = take(tx, context.now, &submitter, &request.records).await?;
    let mut tally = Tally::default();
    for (row, verdict) in request.records.iter().zip(&verdicts) {
        tally.add(row.item.trim(), verdict.into());
    }
    usage::count(tx, context.now, &submitter.department, &tally).await?;
    let position = changes::position(&app.store, tx).await?;
    Ok(api::SubmitRecordsResponse { outcomes: outcomes::wire(verdicts, context.language), position })
}

/// A row that holds by itself, before it is compared with what is there.
pub struct Judged {
    record: api::Record,
    item_version: i32,
    digest: String,
    under_grant: bool,
    // How many data items the catalogue asks.
    asked: usize,
}

impl Judged {
    fn put(&self, position: &str, cells: &mut impl Cells) {
        rows::fresh(&self.record, self.item_version, &self.digest, position, cells);
    }
}

/// Judges rows and writes what is new, in the caller's transaction: the one way in for batches and files.
pub async fn take(
    tx: &Tx,
    now: Timestamp,
    submitter: &Submitter,
    rows: &[api::RecordInput],
) -> Answer<Vec<Verdict>> {
    let judged = judge(&**tx, None, now, submitter, &mut rows.to_vec()).await?;
    put(tx, now, submitter, judged).await
}

// Rows between two pauses, so that the calls beside a large batch are answered.
const WITHOUT_PAUSE: usize = 256;

/// Judges rows by themselves, whose fields it takes, outside of a transaction with the codes that are known to be registered.
pub async fn judge(
    db: &impl ConnectionTrait,
    registered: Option<&subjects::Registered>,
    now: Timestamp,
    submitter: &Submitter,
    rows: &mut [api::RecordInput],
) -> Answer<Vec<Result<Judged, Violation>>> {
    let today = business_day(now);
    let keys: Vec<_> = rows.iter().map(rules::key).collect();
    let names: BTreeSet<&str> = keys.iter().flatten().map(|key| key.item.as_str()).collect();
    let items = items::named(db, &names.into_iter().collect::<Vec<_>>()).await?;
    let codes = keys.iter().flatten().map(|key| key.uscc.as_str());
    let mut in_need = BTreeSet::new();
    if items.values().any(needs_grant) {
        let keys = keys.iter().flatten().filter(|key| items.get(&key.item).is_some_and(needs_grant));
        in_need.extend(keys.map(|key| key.uscc.as_str()));
    }
    let granted = authorizations::for_intake(db, &submitter.department, &in_need, today).await?;
    let strangers = match registered {
        Some(registered) => registered.strangers(db, codes).await?,
        None => subjects::strangers(db, codes).await?,
    };
    let mut judged = Vec::with_capacity(rows.len());
    let strangers: HashSet<String> = strangers.into_iter().map(str::to_owned).collect();
    for (row, key) in rows.iter_mut().zip(keys) {
        judged.push(key.and_then(|key| {
            let item = items.get(&key.item).ok_or_else(|| item_unknown(&key.item))?;
            if !strangers.is_empty() && strangers.contains(&key.uscc) {
                return Err(subject_unknown(&key.uscc));
            }
            rules::may_submit(&item.body, submitter)?;
            let under_grant = needs_grant(item);
            if under_grant && granted.of(&key.uscc, &key.item).is_none() {
                return Err(authorizations::rules::required(&item.body.item, &item.body.name));
            }
            let record = rules::judge(row, key, &item.body, &submitter.department, today)?;
            let (digest, asked) = (rules::digest(&record), item.body.fields.len());
            Ok(Judged { digest, item_version: item.version, record, under_grant, asked })
        }));
        if judged.len() % WITHOUT_PAUSE == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(judged)
}

/// Writes what is new of judged rows. Batches beside each other may bring the same numbers: the one that commits first has them, and
/// the other looks again.
pub async fn put(
    tx: &Tx,
    now: Timestamp,
    submitter: &Submitter,
    mut judged: Vec<Result<Judged, Violation>>,
) -> Answer<Vec<Verdict>> {
    hold_grants(tx, now, submitter, &mut judged).await?;
    name(now, &mut judged)?;
    let mut known = known(&**tx, submitter, &judged).await?;
    let mark = tx.mark().await?;
    loop {
        let verdicts = compare(&judged, &known);
        if write(tx, now, &mut judged, &verdicts).await? {
            usage::count(tx, now, &submitter.department, &quality::of(now, &judged, &verdicts)).await?;
            return Ok(verdicts);
        }
        tx.rewind(&mark).await?;
        known = rows::known(&**tx, &submitter.department, &numbers(judged.iter().flatten())).await?;
    }
}

fn needs_grant(item: &Item) -> bool {
    item.body.nature() == Nature::Authorized
}

// Looks again at the grants of rows that need one, which from here on are not taken back before the rows are in: what was judged before the
// transaction may have lost its grant since.
async fn hold_grants(
    tx: &Tx,
    now: Timestamp,
    submitter: &Submitter,
    judged: &mut [Result<Judged, Violation>],
) -> Answer<()> {
    let in_need = judged.iter().flatten().filter(|row| row.under_grant);
    let in_need: BTreeSet<&str> = in_need.map(|row| row.record.uscc.as_str()).collect();
    if in_need.is_empty() {
        return Ok(());
    }
    let granted =
        authorizations::for_intake_held(tx, &submitter.department, &in_need, business_day(now)).await?;
    for row in judged {
        if let Ok(Judged { record, under_grant: true, .. }) = row
            && granted.of(&record.uscc, &record.item).is_none()
        {
            *row = Err(authorizations::rules::required(&record.item, &record.item));
        }
    }
    Ok(())
}

// Gives judged rows their ids.
fn name(now: Timestamp, judged: &mut [Result<Judged, Violation>]) -> Answer<()> {
    let ids = ids::fresh(now)?;
    for (place, row) in judged.iter_mut().flatten().enumerate() {
        // The rest of a fresh id, with the row's place at its end: ids of one batch stand in its order.
        row.record.record = format!("{}{place:04x}", &ids[..28]);
        row.record.recorded_at = Some(changes::stamp(now));
    }
    Ok(())
}

/// Copies judged rows in, in a transaction of its own, where the database can copy and all of them seem to be new; gives how each ended and
/// the position of the last, or nothing where they must be put the ordinary way. `count` tells what is counted of them.
pub async fn copy(
    store: &Store,
    now: Timestamp,
    submitter: &Submitter,
    judged: &mut [Result<Judged, Violation>],
    count: impl FnOnce(&[Result<Judged, Violation>], &[Verdict]) -> Tally,
) -> Answer<Option<(Vec<Verdict>, Position)>> {
    if store.is_sqlite() || judged.iter().flatten().any(|row| row.under_grant) {
        return Ok(None);
    }
    name(now, judged)?;
    if !known(store.read(), submitter, judged).await?.is_empty() {
        return Ok(None);
    }
    let Some(mut bulk) = store.bulk().await? else { return Ok(None) };
    let verdicts = compare(judged, &HashMap::new());
    let mut fresh = accepted(judged, &verdicts);
    if fresh.is_empty() {
        return Ok(None);
    }
    let position = bulk
        .append(&mut fresh, |row, telling| {
            changes::tell(Kind::RecordAccepted, now, &mut row.record, |change| {
                telling.change(&change.uscc, change);
            });
        })
        .await?;
    let told = position.to_string();
    to_insert(&mut fresh);
    let copied = bulk.copy("records", &rows::COLUMNS, fresh, |row, cells| row.put(&told, cells)).await?;
    if !copied {
        return Ok(None);
    }
    let mut counted = count(judged, &verdicts);
    counted.merge(&quality::of(now, judged, &verdicts));
    usage::count_in_bulk(&mut bulk, now, &submitter.department, &counted).await?;
    bulk.commit().await?;
    Ok(Some((verdicts, position)))
}

/// Of so many numbers of an item it is asked first whether they are known.
const SAMPLE: usize = 16;

fn numbers<'a>(judged: impl Iterator<Item = &'a Judged>) -> HashMap<&'a str, BTreeSet<&'a str>> {
    let mut numbers: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for row in judged {
        numbers.entry(&row.record.item).or_default().insert(&row.record.source_id);
    }
    numbers
}

// A batch is new or was sent before: a few of its numbers tell which. Where all of these are new, so are the others until the insert
// says otherwise.
async fn known(
    db: &impl ConnectionTrait,
    submitter: &Submitter,
    judged: &[Result<Judged, Violation>],
) -> Answer<HashMap<(String, String), rows::Known>> {
    let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
    for row in judged.iter().flatten() {
        counts.entry(&row.record.item).or_default().0 += 1;
    }
    let sample = judged.iter().flatten().filter(|row| {
        counts.get_mut(row.record.item.as_str()).is_some_and(|(count, seen)| {
            *seen += 1;
            (*seen - 1) % (*count / SAMPLE + 1) == 0
        })
    });
    if rows::known(db, &submitter.department, &numbers(sample)).await?.is_empty() {
        return Ok(HashMap::new());
    }
    rows::known(db, &submitter.department, &numbers(judged.iter().flatten())).await
}

// How each row ends beside what is known.
fn compare(
    judged: &[Result<Judged, Violation>],
    known: &HashMap<(String, String), rows::Known>,
) -> Vec<Verdict> {
    let mut held: HashMap<(&str, &str), rules::Held<'_>> = HashMap::with_capacity(judged.len());
    held.extend(known.iter().map(|((item, number), known)| ((&**item, &**number), known.held())));
    let verdicts = judged.iter().map(|row| match row {
        Err(violation) => Verdict::Refused(violation.clone()),
        Ok(row) => match held.entry((&row.record.item, &row.record.source_id)) {
            Entry::Occupied(held) => held.get().compare(&row.digest),
            Entry::Vacant(place) => {
                place.insert(rules::Held::fresh(&row.record.record, &row.digest));
                Verdict::Accepted(row.record.record.clone())
            }
        },
    });
    verdicts.collect()
}

// Writes the accepted rows; whether all of them were new.
async fn write(
    tx: &Tx,
    now: Timestamp,
    judged: &mut [Result<Judged, Violation>],
    verdicts: &[Verdict],
) -> Answer<bool> {
    let mut fresh = accepted(judged, verdicts);
    changes::append_records(tx, Kind::RecordAccepted, now, fresh.iter_mut().map(|row| &mut row.record))
        .await?;
    let position = tx.position().map(|position| position.to_string()).unwrap_or_default();
    to_insert(&mut fresh);
    let values = |row: &mut Judged| {
        let mut values = Vec::with_capacity(rows::COLUMNS.len());
        row.put(&position, &mut values);
        values
    };
    rows::insert(tx, fresh.into_iter().map(values).collect()).await
}

fn accepted<'a>(judged: &'a mut [Result<Judged, Violation>], verdicts: &[Verdict]) -> Vec<&'a mut Judged> {
    let accepted = judged.iter_mut().zip(verdicts).filter(|(_, end)| matches!(end, Verdict::Accepted(_)));
    accepted.filter_map(|(row, _)| row.as_mut().ok()).collect()
}

// In the order of their numbers, so that batches beside each other never wait for each other in a ring.
fn to_insert(fresh: &mut [&mut Judged]) {
    fresh.sort_by(|a, b| (&a.record.item, &a.record.source_id).cmp(&(&b.record.item, &b.record.source_id)));
}

fn item_unknown(item: &str) -> Violation {
    let item = outcomes::shown(item);
    refusal(
        api::ErrorReason::ItemUnknown,
        "item",
        format!("item \"{item}\" is not in the catalogue; list it by GET /credit/v1/items"),
        format!("目录中没有事项“{item}”；可通过 GET /credit/v1/items 查询目录"),
    )
}

fn subject_unknown(uscc: &str) -> Violation {
    refusal(
        api::ErrorReason::SubjectUnknown,
        "uscc",
        format!(
            "no subject {uscc} is registered here; register it by subjects:batchUpsert and send the row again"
        ),
        format!("本平台未登记主体{uscc}；请先通过 subjects:batchUpsert 登记后重新提交"),
    )
}

/// Lists a subject's effective records, as far as the caller may see them.
pub async fn list(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListRecordsRequest,
) -> Answer<api::ListRecordsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut asked = accesses::ask(app, context, &request.uscc, &request.purpose).await?;
    let audience = profiles::audience(context, &asked.subject.uscc);
    let granted = authorizations::granted(app, context, &asked).await?;
    let known_at = history::known_at(&request.known_at, context.now)?;
    let visible = match request.item.as_str() {
        "" => {
            let items = app.catalogue.of_edition(&app.store, asked.edition).await?;
            profiles::visible(&items, audience, &asked.subject.uscc, &granted)
        }
        item => vec![one_item(app, &asked, item, audience, &granted).await?],
    };
    asked.under(granted.used(&asked.subject.uscc, visible.iter().map(Arc::as_ref)));
    let mut what =
        if request.item.is_empty() { String::from("records") } else { format!("records:{}", request.item) };
    what.push_str(&history::told(known_at));
    accesses::log(app, context, &asked, &what).await?;
    let shown = Shown {
        uscc: &asked.subject.uscc,
        items: &visible,
        today: context.today(),
        published: false,
        standing_on: request.as_of.parse().ok(),
        known_at,
    };
    let mut records = rows::shown(app.store.read(), &shown, &page.after, page.fetch()).await?;
    if let Some(at) = known_at {
        filings::mark_as_at(app.store.read(), &asked.subject.uscc, at, &mut records).await?;
    }
    let next_page_token = page.cut(&mut records, rows::page_key);
    Ok(api::ListRecordsResponse { records, next_page_token })
}

// An item, if an audience may see what is recorded of a subject under it.
async fn one_item(
    app: &Arc<Credit>,
    asked: &accesses::Asked,
    item: &str,
    audience: api::profile::Audience,
    granted: &Granted,
) -> Answer<Arc<Item>> {
    let items = app.catalogue.of_edition(&app.store, asked.edition).await?;
    let item = items.get(item).ok_or_else(|| items::unknown(item).at("item"))?;
    if rules::may_see(&item.body, audience, granted.of(&asked.subject.uscc, &item.body.item).is_some()) {
        return Ok(item.clone());
    }
    Err(authorizations::required(&item.body))
}

/// Replaces what a record says.
pub async fn correct(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::CorrectRecordRequest,
) -> Answer<api::Record> {
    let present = own_effective(tx, context, &request.record).await?;
    let reason = outcomes::free_text("reason", &request.reason, 1_000).map_err(outcomes::fault)?;
    let item = item_of(tx, &present).await?;
    // What is taken in anew is taken in under a grant, and shows what the record says: whoever corrects needs one of its own.
    if needs_grant(&item) {
        let department = Submitter::of(context)?.department;
        let code = BTreeSet::from([present.record.uscc.as_str()]);
        let granted = authorizations::for_intake_held(tx, &department, &code, context.today()).await?;
        if granted.of(&present.record.uscc, &present.record.item).is_none() {
            return Err(authorizations::required(&item.body));
        }
    }
    put_right(tx, context, &present, &request, &reason).await
}

/// Puts what is right in place of what a record says.
pub async fn put_right(
    tx: &Tx,
    context: &Context,
    present: &Present,
    right: &api::CorrectRecordRequest,
    reason: &str,
) -> Answer<api::Record> {
    let item = item_of(tx, present).await?;
    let corrected =
        rules::correct(&present.record, right, &item.body, context.today()).map_err(outcomes::fault)?;
    let next = Next { record: corrected, item_version: item.version, kind: Kind::RecordCorrected, reason };
    replace(tx, context, present, Status::Corrected, next).await
}

/// The catalogue's present wording of a record's item.
pub async fn item_of(tx: &Tx, present: &Present) -> Answer<Item> {
    let item = items::named(&**tx, &[&present.record.item]).await?.remove(&present.record.item);
    item.ok_or_else(|| Fault::internal(anyhow::anyhow!("item {} vanished", present.record.item)))
}

/// Takes a record back.
pub async fn withdraw(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::WithdrawRecordRequest,
) -> Answer<api::Record> {
    let present = own_effective(tx, context, &request.record).await?;
    let reason = outcomes::free_text("reason", &request.reason, 1_000).map_err(outcomes::fault)?;
    // A department repairs by filing, which another officer decides; the suite's services have had it decided already.
    if request.repaired && !context.caller.is_service() {
        return Err(Fault::field(
            "repaired",
            "is for the suite's own procedures; file a repair by POST /credit/v1/repairs",
            "仅供本平台的程序使用；请通过 POST /credit/v1/repairs 申请修复",
        ));
    }
    let how = if request.repaired { Status::Repaired } else { Status::Withdrawn };
    let mut ended = end(tx, context, &present, how, &reason).await?;
    // Taking back needs no grant, and shows nothing that the caller has not sent itself.
    if ended.department != Submitter::of(context)?.department && needs_grant(&item_of(tx, &present).await?) {
        (ended.amount, ended.fields, ended.severity) = (String::new(), None, 0);
    }
    Ok(ended)
}

/// Ends a record: withdrawn, or repaired.
pub async fn end(
    tx: &Tx,
    context: &Context,
    present: &Present,
    how: Status,
    reason: &str,
) -> Answer<api::Record> {
    let mut record = present.record.clone();
    record.status = how.into();
    record.version += 1;
    let item_version = present.item_version;
    let kind = if how == Status::Repaired { Kind::RecordRepaired } else { Kind::RecordWithdrawn };
    replace(tx, context, present, Status::Effective, Next { record, item_version, kind, reason }).await
}

/// Puts other marks on a record, which stays the same version; gives it as it then stands.
pub async fn mark(tx: &Tx, context: &Context, present: &Present, marks: Vec<i32>) -> Answer<Present> {
    let mut next = present.clone();
    next.record.marks = marks;
    next.record.position.clear();
    changes::append_records(tx, Kind::RecordMarked, context.now, [&mut next.record]).await?;
    changes::in_order(tx, [present.record.position.as_str()])?;
    next.record.position = tx.position().map(|position| position.to_string()).unwrap_or_default();
    rows::update_marks(tx, &next.record).await?;
    Ok(next)
}

/// A record, held until the transaction ends.
pub async fn held(tx: &Tx, record: &str) -> Answer<Present> {
    let present = rows::get_for_update(tx, record).await?;
    present.ok_or_else(|| Fault::not_found("record", "记录", record).at("record"))
}

// The record, held until the transaction ends, if it is the caller's to change and still holds.
async fn own_effective(tx: &Tx, context: &Context, record: &str) -> Answer<Present> {
    let submitter = Submitter::of(context)?;
    let present = held(tx, record).await?;
    if !context.caller.is_office() && present.record.department != submitter.department {
        return Err(Fault::denied(
            Common::ScopeMissing.as_str_name(),
            "the record was submitted by another department; only that department or the credit office changes it",
            "该记录由其他部门提交；只有该部门或信用联办可以更正或撤销",
        ));
    }
    effective(&present)?;
    Ok(present)
}

/// Refuses a record that no longer holds.
pub fn effective(present: &Present) -> Answer<()> {
    if present.record.status() != Status::Effective {
        let (record, status) = (&present.record.record, present.record.status().as_str_name());
        return Err(Fault::precondition(
            api::ErrorReason::RecordNotEffective.as_str_name(),
            format!("record \"{record}\" is {status} and can't be changed; submit a new one if the fact holds again"),
            format!("记录“{record}”的状态为{status}，不能再更正或撤销；如事实成立请重新提交"),
        )
        .with("status", status));
    }
    Ok(())
}

struct Next<'a> {
    record: api::Record,
    item_version: i32,
    kind: Kind,
    reason: &'a str,
}

// Keeps the present version as `ended` and puts the next one in its place.
async fn replace(
    tx: &Tx,
    context: &Context,
    present: &Present,
    ended: Status,
    next: Next<'_>,
) -> Answer<api::Record> {
    let Next { mut record, item_version, kind, reason } = next;
    record.recorded_at = Some(changes::stamp(context.now));
    record.position.clear();
    changes::append_records(tx, kind, context.now, [&mut record]).await?;
    changes::in_order(tx, [present.record.position.as_str()])?;
    record.position = tx.position().map(|position| position.to_string()).unwrap_or_default();
    rows::keep_version(tx, context, present, ended, reason).await?;
    rows::update(tx, &record, item_version, &rules::digest(&record)).await?;
    let decision = Decision {
        kind: match kind {
            Kind::RecordWithdrawn => "record.withdrawn",
            Kind::RecordRepaired => "record.repaired",
            _ => "record.corrected",
        },
        subject: &record.uscc,
        basis: reason,
        detail: json!({ "record": record.record, "item": record.item, "version": record.version }),
    };
    decisions::record(tx, context, decision).await?;
    Ok(record)
}
