//! Usage statistics 共享使用统计: what departments send and look at, counted in the transaction of what is counted.
pub mod folded;
mod rows;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{Answer, Context, Fault, Store, Tx, bulk::Bulk, clock::business_day, page::Page, storage::sql};
use contract::{credit::v1 as api, r#type::v1::ErrorReason as Common};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, DbBackend};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Credit,
    outcomes::{self, Verdict},
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A row taken in.
    Accepted,
    /// A row known already.
    Duplicates,
    /// A row refused.
    Rejected,
    /// A profile looked at.
    Profiles,
    /// Records looked at.
    Records,
    /// A report issued or looked at.
    Reports,
    /// Another look.
    Others,
    /// A change delivered by the feed.
    Feed,
    /// A registration taken in.
    Subjects,
    /// A name looked up.
    Matches,
    /// A record that came within the term 按期归集.
    InTime,
    /// A data item that accepted records say 已填数据项.
    Filled,
    /// A data item that the catalogue asks of them 应填数据项.
    Asked,
}

impl Kind {
    /// As the table names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::Duplicates => "DUPLICATES",
            Self::Rejected => "REJECTED",
            Self::Profiles => "PROFILES",
            Self::Records => "RECORDS",
            Self::Reports => "REPORTS",
            Self::Others => "OTHERS",
            Self::Feed => "FEED",
            Self::Subjects => "SUBJECTS",
            Self::Matches => "MATCHES",
            Self::InTime => "IN_TIME",
            Self::Filled => "FILLED",
            Self::Asked => "ASKED",
        }
    }

    // Of what the access log says was looked at.
    fn of(what: &str) -> Self {
        match what.split([':', '@']).next().unwrap_or_default() {
            "profile" => Self::Profiles,
            "records" | "record" | "versions" => Self::Records,
            "report" => Self::Reports,
            _ => Self::Others,
        }
    }
}

impl From<&Verdict> for Kind {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Accepted(_) => Self::Accepted,
            Verdict::Duplicate(_) => Self::Duplicates,
            Verdict::Refused(_) => Self::Rejected,
        }
    }
}

/// Counts by item, before they are added.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<String, BTreeMap<Kind, i64>>);

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, item: &str, kind: Kind) {
        self.add_many(item, kind, 1);
    }

    /// So many registrations and nothing else.
    pub fn of_subjects(verdicts: &[Verdict]) -> Self {
        let taken = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Accepted(_))).count();
        let mut tally = Self::default();
        if taken > 0 {
            tally.add_many("", Kind::Subjects, i64::try_from(taken).unwrap_or(i64::MAX));
        }
        tally
    }

    /// Counts so many more.
    pub fn add_many(&mut self, item: &str, kind: Kind, count: i64) {
        // Most rows of a batch are of an item that is there already.
        if let Some(kinds) = self.0.get_mut(item) {
            *kinds.entry(kind).or_default() += count;
        } else {
            self.0.entry(item.to_owned()).or_default().insert(kind, count);
        }
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (item, kinds) in &other.0 {
            for (&kind, &count) in kinds {
                self.add_many(item, kind, count);
            }
        }
    }

    /// Whether there is nothing to add.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn told(&self, day: &str, department: &str) -> Vec<serde_json::Value> {
        let each = self.0.iter().flat_map(|(item, kinds)| kinds.iter().map(move |counted| (item, counted)));
        let told = each.map(|(item, (kind, counted))| {
            json!({ "day": day, "department": department, "item": item, "kind": kind.name(), "counted": counted })
        });
        told.collect()
    }
}

fn parameter(now: Timestamp, department: &str, tally: &Tally) -> String {
    serde_json::Value::from(tally.told(&business_day(now).to_string(), department)).to_string()
}

/// Adds counts in the transaction of what is counted; as its last statement, so that no other who counts waits for longer than the commit.
pub async fn count(tx: &Tx, now: Timestamp, department: &str, tally: &Tally) -> Answer<()> {
    if tally.is_empty() {
        return Ok(());
    }
    let told = parameter(now, department, tally).into();
    tx.execute_raw(sql(&**tx, &rows::adding(tx.get_database_backend(), 1), [told])).await?;
    Ok(())
}

/// The same in a transaction that copies.
pub async fn count_in_bulk(bulk: &mut Bulk, now: Timestamp, department: &str, tally: &Tally) -> Answer<()> {
    if tally.is_empty() {
        return Ok(());
    }
    bulk.execute(&rows::adding(DbBackend::Postgres, 1), &[&parameter(now, department, tally)]).await
}

/// Looks to be counted, by what the access log says of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Looked {
    day: String,
    department: String,
    item: String,
    kind: Kind,
    looks: i64,
}

impl Looked {
    /// So many looks of a caller.
    pub fn new(context: &Context, what: &str, looks: usize) -> Self {
        let item = what.strip_prefix("records:").and_then(|rest| rest.split('@').next()).unwrap_or_default();
        Self {
            day: business_day(context.now).to_string(),
            department: department(context).to_owned(),
            item: item.to_owned(),
            kind: Kind::of(what),
            looks: i64::try_from(looks).unwrap_or(i64::MAX),
        }
    }
}

/// The statement that adds looks, however many there are, and its parameter, `$at`. Under an item that is not in the catalogue nobody looks.
pub fn adding_looks<'a>(
    backend: DbBackend,
    at: usize,
    looks: impl IntoIterator<Item = &'a Looked>,
) -> (String, String) {
    (rows::adding_known(backend, at), serde_json::Value::from(told_together(looks)).to_string())
}

// Added up here: those that are written together are mostly the same callers'.
fn told_together<'a>(looks: impl IntoIterator<Item = &'a Looked>) -> Vec<serde_json::Value> {
    let mut tallies = BTreeMap::<(&str, &str), Tally>::new();
    for look in looks {
        let tally = tallies.entry((&look.day, &look.department)).or_default();
        tally.add_many(&look.item, look.kind, look.looks);
    }
    tallies.iter().flat_map(|((day, department), tally)| tally.told(day, department)).collect()
}

/// As what a caller is counted.
pub fn department(context: &Context) -> &str {
    let caller = &context.caller;
    if caller.department().is_empty() { caller.name() } else { caller.department() }
}

/// Changes that a stream has delivered and that are not added yet: written about each second and at the end, since a stream brings some
/// change at any moment.
pub struct Delivered {
    store: Store,
    clock: chassis::clock::Clock,
    department: String,
    tally: Tally,
    since: std::time::Instant,
}

const KEPT_FOR: std::time::Duration = std::time::Duration::from_secs(1);

impl Delivered {
    /// None yet.
    pub fn new(app: &Credit, context: &Context) -> Self {
        Self {
            store: app.store.clone(),
            clock: app.clock.clone(),
            department: department(context).to_owned(),
            tally: Tally::default(),
            since: std::time::Instant::now(),
        }
    }

    /// One more.
    pub fn add(&mut self, item: &str) {
        self.tally.add(item, Kind::Feed);
    }

    /// Adds what was delivered, if it is time.
    pub async fn settle(&mut self, at_once: bool) -> Answer<()> {
        if self.tally.is_empty() || (!at_once && self.since.elapsed() < KEPT_FOR) {
            return Ok(());
        }
        self.since = std::time::Instant::now();
        let tally = std::mem::take(&mut self.tally);
        write(&self.store, self.clock.now(), &self.department, &tally).await
    }
}

impl Drop for Delivered {
    // Who follows mostly leaves without a word.
    fn drop(&mut self) {
        let tally = std::mem::take(&mut self.tally);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if tally.is_empty() {
            return;
        }
        let (store, now, department) =
            (self.store.clone(), self.clock.now(), std::mem::take(&mut self.department));
        runtime.spawn(async move {
            if let Err(fault) = write(&store, now, &department, &tally).await {
                tracing::warn!(department, %fault, "the last changes delivered were not counted");
            }
        });
    }
}

/// Counts names that a caller looked up.
pub async fn matched(store: &Store, context: &Context, names: usize) -> Answer<()> {
    let mut tally = Tally::default();
    tally.add_many("", Kind::Matches, i64::try_from(names).unwrap_or(i64::MAX));
    write(store, context.now, department(context), &tally).await
}

async fn write(store: &Store, now: Timestamp, department: &str, tally: &Tally) -> Answer<()> {
    let tx = store.begin().await?;
    count(&tx, now, department, tally).await?;
    tx.commit().await
}

/// Lists the counts.
pub async fn list(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListUsageRequest,
) -> Answer<api::ListUsageResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let caller = &context.caller;
    if !caller.enterprise().is_empty() {
        return Err(outcomes::not_for_enterprises());
    }
    let asked = request.department.trim();
    let department = match department(context) {
        _ if caller.is_office() || caller.is_service() => asked,
        own if asked.is_empty() || asked == own => own,
        _ => return Err(of_another()),
    };
    // Dates of this form compare as text.
    if !request.from.is_empty() && !request.to.is_empty() && request.to < request.from {
        return Err(Fault::field(
            "to",
            format!("{} is before from, {}", request.to, request.from),
            format!("{}早于起始日期{}", request.to, request.from),
        ));
    }
    app.looks.settle().await?;
    let filter = rows::Filter { from: &request.from, to: &request.to, department, daily: request.daily };
    let mut rows = rows::list(app.store.read(), &filter, &page).await?;
    let next_page_token = page.cut(&mut rows, rows::page_key);
    Ok(api::ListUsageResponse { rows, next_page_token })
}

fn of_another() -> Fault {
    Fault::denied(
        Common::ScopeMissing.as_str_name(),
        "a department sees its own usage; ask the credit office for another's",
        "部门只能查看本单位的使用统计；其他单位的请向信用联办查询",
    )
    .at("department")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_counted_by_what_was_looked_at() {
        for (what, kind) in [
            ("profile", Kind::Profiles),
            ("profile@2026-02-13T01:00:00Z", Kind::Profiles),
            ("records", Kind::Records),
            ("records:tax-payment@2026-02-13T01:00:00Z", Kind::Records),
            ("record:0194", Kind::Records),
            ("versions:0194", Kind::Records),
            ("report", Kind::Reports),
            ("report:XH-20260213-1", Kind::Reports),
            ("OBJECTION", Kind::Others),
            ("accesses", Kind::Others),
        ] {
            assert_eq!(Kind::of(what), kind, "{what}");
        }
    }

    #[test]
    fn looks_written_together_are_added_up_by_day_and_department() {
        let look = |day: &str, department: &str, item: &str, kind| {
            let [day, department, item] = [day, department, item].map(str::to_owned);
            Looked { day, department, item, kind, looks: 1 }
        };
        let (one, next) = ("2026-02-12", "2026-02-13");
        let told = told_together(&[
            look(one, "finance", "", Kind::Profiles),
            look(next, "finance", "", Kind::Profiles),
            look(one, "finance", "", Kind::Profiles),
            look(one, "health", "", Kind::Profiles),
            look(one, "finance", "penalty", Kind::Records),
        ]);
        let row = |day, department, item, kind, counted| json!({ "day": day, "department": department, "item": item, "kind": kind, "counted": counted });
        let expected = [
            row("2026-02-12", "finance", "", "PROFILES", 2),
            row("2026-02-12", "finance", "penalty", "RECORDS", 1),
            row("2026-02-12", "health", "", "PROFILES", 1),
            row("2026-02-13", "finance", "", "PROFILES", 1),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_tally_adds_up() {
        let mut tally = Tally::default();
        assert!(tally.is_empty());
        for item in ["b", "a", "b"] {
            tally.add(item, Kind::Accepted);
        }
        tally.add("b", Kind::Rejected);
        let told = serde_json::Value::from(tally.told("2026-02-13", "finance"));
        let one = |item, kind, counted| json!({ "day": "2026-02-13", "department": "finance", "item": item, "kind": kind, "counted": counted });
        assert_eq!(told, json!([one("a", "ACCEPTED", 1), one("b", "ACCEPTED", 2), one("b", "REJECTED", 1)]));
    }
}
