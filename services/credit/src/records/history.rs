//! Records as they were known 可追溯: valid time in what they say, recorded time in their versions. What a decision saw can be shown again.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault,
    page::{self, Page},
};
use contract::credit::v1::{self as api, record::Status};
use jiff::Timestamp;

use super::{one_item, rows, version_rows};
use crate::{Credit, accesses, authorizations, filings, outcomes, profiles};

/// Reads the instant as known at which something is asked for; none: now.
pub fn known_at(given: &str, now: Timestamp) -> Answer<Option<Timestamp>> {
    let given = given.trim();
    if given.is_empty() {
        return Ok(None);
    }
    // A plus in an address is read as a space.
    let parsed = given.replace(' ', "+").parse::<Timestamp>();
    match parsed {
        Ok(at) if at <= now => Ok(Some(at)),
        Ok(_) => Err(Fault::field(
            "knownAt",
            format!("\"{}\" is yet to come; what will be known then is not known", outcomes::shown(given)),
            format!("“{}”尚未到来，届时的记录无从得知", outcomes::shown(given)),
        )),
        Err(_) => Err(Fault::field(
            "knownAt",
            format!("\"{}\" is no instant; write it as 2026-02-13T09:00:00+08:00", outcomes::shown(given)),
            format!("“{}”不是时刻；请写作 2026-02-13T09:00:00+08:00", outcomes::shown(given)),
        )),
    }
}

/// What the access log adds where something is asked for as it was known.
pub fn told(known_at: Option<Timestamp>) -> String {
    known_at.map(|at| format!("@{at:.0}")).unwrap_or_default()
}

/// Gives one record. What has ended is shared no longer: it is shown to its subject, to who submitted it and to the credit office, and to
/// others as it was known before, under a purpose, so that what they decided upon can be shown again.
pub async fn get(
    app: &Arc<Credit>,
    context: &Context,
    request: api::GetRecordRequest,
) -> Answer<api::Record> {
    let at = known_at(&request.known_at, context.now)?;
    let missing = || Fault::not_found("record", "记录", &request.record).at("record");
    let found = rows::get(app.store.read(), &request.record, at).await?.ok_or_else(missing)?;
    let mut record = found.record;
    let mut asked = accesses::ask(app, context, &record.uscc, &request.purpose).await?;
    if record.status() != Status::Effective && !closely(context, &record) {
        return Err(missing());
    }
    let granted = authorizations::granted(app, context, &asked).await?;
    let audience = profiles::audience(context, &record.uscc);
    let item = one_item(app, &asked, &record.item, audience, &granted).await?;
    asked.under(granted.used(&record.uscc, [item.as_ref()]));
    accesses::log(app, context, &asked, &format!("record:{}{}", record.record, told(at))).await?;
    if let Some(at) = at {
        filings::mark_as_at(app.store.read(), &asked.subject.uscc, at, [&mut record]).await?;
    }
    rows::publish(&mut record, &item, context.today());
    Ok(record)
}

/// Lists what a record ever said.
pub async fn list_versions(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListRecordVersionsRequest,
) -> Answer<api::ListRecordVersionsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let below = match page.after.as_str() {
        "" => i32::MAX,
        version => version.parse().map_err(|_| page::strange_token())?,
    };
    let missing = || Fault::not_found("record", "记录", &request.record).at("record");
    let present = rows::get(app.store.read(), &request.record, None).await?.ok_or_else(missing)?;
    let record = present.record;
    let mut asked = accesses::ask(app, context, &record.uscc, &request.purpose).await?;
    if !closely(context, &record) {
        return Err(missing());
    }
    let granted = authorizations::granted(app, context, &asked).await?;
    let audience = profiles::audience(context, &record.uscc);
    let item = one_item(app, &asked, &record.item, audience, &granted).await?;
    asked.under(granted.used(&record.uscc, [item.as_ref()]));
    accesses::log(app, context, &asked, &format!("versions:{}", record.record)).await?;
    let mut versions = Vec::new();
    if record.version < below {
        versions.push(api::RecordVersion { record: Some(record), ..Default::default() });
    }
    let (db, uscc) = (app.store.read(), &asked.subject.uscc);
    versions.extend(version_rows::versions(db, uscc, &request.record, below, page.fetch()).await?);
    let key = |version: &api::RecordVersion| version.record.as_ref().map_or(0, |record| record.version);
    let next_page_token = page.cut(&mut versions, |version| key(version).to_string());
    Ok(api::ListRecordVersionsResponse { versions, next_page_token })
}

/// Lists everything that a subject's records ever said.
pub async fn list_subject_versions(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListSubjectVersionsRequest,
) -> Answer<api::ListSubjectVersionsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let at = known_at(&request.known_at, context.now)?;
    let asked = accesses::ask(app, context, &request.uscc, &request.purpose).await?;
    accesses::log(app, context, &asked, &format!("versions{}", told(at))).await?;
    let (db, at) = (app.store.read(), at.unwrap_or(context.now));
    let mut versions =
        version_rows::subject_versions(db, &asked.subject.uscc, at, &page.after, page.fetch()).await?;
    let key = |version: &api::RecordVersion| {
        let record = version.record.as_ref();
        format!("{} {}", record.map_or("", |r| r.record.as_str()), record.map_or(0, |r| r.version))
    };
    let next_page_token = page.cut(&mut versions, key);
    Ok(api::ListSubjectVersionsResponse { versions, next_page_token })
}

// Its subject, who submitted it, the credit office.
fn closely(context: &Context, record: &api::Record) -> bool {
    let caller = &context.caller;
    caller.is_office() || caller.enterprise() == record.uscc || caller.department() == record.department
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_and_none_to_come() {
        let now: Timestamp = "2026-02-13T01:00:00Z".parse().unwrap();
        assert_eq!(known_at(" ", now).unwrap(), None);
        let nine = known_at("2026-02-13T09:00:00+08:00", now).unwrap();
        assert_eq!(nine, Some(now));
        assert_eq!(known_at("2026-02-13T09:00:00 08:00", now).unwrap(), nine);
        assert_eq!(told(nine), "@2026-02-13T01:00:00Z");
        for wrong in ["2026-02-13", "yesterday", "2026-02-13T01:00:01Z"] {
            assert!(known_at(wrong, now).is_err(), "{wrong}");
        }
    }
}
