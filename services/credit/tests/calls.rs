//! Each call of credit through the whole stack: good, bad, denied; on SQLite, and again on PostgreSQL.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

#[path = "calls/authorizations.rs"]
mod authorizations;
#[path = "calls/catalogue.rs"]
mod catalogue;
#[path = "calls/counted.rs"]
mod counted;
#[path = "calls/evaluations.rs"]
mod evaluations;
#[path = "calls/exports.rs"]
mod exports;
#[path = "calls/feed.rs"]
mod feed;
#[path = "calls/filings.rs"]
mod filings;
#[path = "calls/history.rs"]
mod history;
#[path = "calls/imports.rs"]
mod imports;
#[path = "calls/items.rs"]
mod items;
#[path = "calls/matching.rs"]
mod matching;
#[path = "calls/profiles.rs"]
mod profiles;
#[path = "calls/publicity.rs"]
mod publicity;
#[path = "calls/quality.rs"]
mod quality;
#[path = "calls/quirks.rs"]
mod quirks;
#[path = "calls/records.rs"]
mod records;
#[path = "calls/reports.rs"]
mod reports;
#[path = "calls/resume.rs"]
mod resume;
#[path = "calls/streams.rs"]
mod streams;
#[path = "calls/subjects.rs"]
mod subjects;
#[path = "calls/templates.rs"]
mod templates;
#[path = "calls/usage.rs"]
mod usage;
#[path = "calls/workbooks.rs"]
mod workbooks;
#[path = "calls/world.rs"]
mod world;

#[test]
fn all_again_on_postgresql() {
    chassis::trial::again_on_postgresql("all_again_on_postgresql");
}
