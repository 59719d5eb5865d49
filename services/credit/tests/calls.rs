//! Each call of credit through the whole stack: good, bad, denied. Runs on SQLite, and on PostgreSQL where
//! `XINHENG_TRIAL_DATABASE` names one.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

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
#[path = "calls/workbooks.rs"]
mod workbooks;
#[path = "calls/world.rs"]
mod world;
