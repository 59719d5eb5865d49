//! Profiles 信用档案: what is known about a subject, cut to what the audience may see today.
pub mod sections;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{Answer, Context, Gathered};
use contract::credit::v1::{self as api, profile::Audience};
use identifiers::Uscc;
use jiff::{Timestamp, civil::Date};

use crate::{
    Credit, accesses,
    authorizations::{self, Granted},
    filings,
    items::{Item, Items, by_name},
    outcomes,
    records::{self, Meeting, Read, Shown, rules::may_see},
    subjects::{self, Met},
};

const RECORDS_MOST: u64 = 1_000;

/// For whom what a caller asks about a subject is cut.
pub fn audience(context: &Context, uscc: &str) -> Audience {
    let caller = &context.caller;
    if caller.is_office() {
        Audience::Office
    } else if !uscc.is_empty() && caller.enterprise() == uscc {
        Audience::Subject
    } else {
        Audience::Department
    }
}

/// Of the catalogue, what an audience may see of a subject, in the order of the names.
pub fn visible(items: &Items, audience: Audience, uscc: &str, granted: &Granted) -> Vec<Arc<Item>> {
    let visible = items
        .values()
        .filter(|item| may_see(&item.body, audience, granted.of(uscc, &item.body.item).is_some()));
    visible.cloned().collect()
}

/// Gives a profile for the caller's audience.
pub async fn get(
    app: &Arc<Credit>,
    context: &Context,
    request: api::GetProfileRequest,
) -> Answer<api::Profile> {
    let asking = accesses::Asking::of(context, &request.uscc, &request.purpose)?;
    let at = At {
        as_of: request.as_of.parse().ok(),
        known_at: records::known_at(&request.known_at, context.now)?,
    };
    let (met, read) = meet(app, context, &asking.code, at).await?;
    let mut asked = asking.at(met);
    let audience = audience(context, &asked.subject.uscc);
    let granted = authorizations::granted(app, context, &asked).await?;
    let items = app.catalogue.of_edition(&app.store, asked.edition).await?;
    let items = visible(&items, audience, &asked.subject.uscc, &granted);
    asked.under(granted.used(&asked.subject.uscc, items.iter().map(Arc::as_ref)));
    let what = format!("profile{}", records::told(at.known_at));
    // Both are done before the answer; reading need not wait for the disk.
    let (profile, ()) = tokio::try_join!(
        cut_at(app, context, (asked.subject.clone(), Some(read)), audience, &items, at),
        accesses::log(app, context, &asked, &what),
    )?;
    Ok(profile)
}

/// Gives the public profile.
pub async fn get_public(
    app: &Arc<Credit>,
    context: &Context,
    request: api::GetPublicProfileRequest,
) -> Answer<api::Profile> {
    let code = outcomes::code_asked(&request.uscc)?;
    let (Met { subject, edition, .. }, read) = meet(app, context, &code, At::default()).await?;
    let items = app.catalogue.of_edition(&app.store, edition).await?;
    let items = visible(&items, Audience::Public, &subject.uscc, &Granted::default());
    cut_at(app, context, (subject, Some(read)), Audience::Public, &items, At::default()).await
}

/// Searches for everybody.
pub async fn search(
    app: &Arc<Credit>,
    _: &Context,
    request: api::SearchPublicSubjectsRequest,
) -> Answer<api::SearchPublicSubjectsResponse> {
    subjects::search_public(app, request).await
}

/// A place in both times.
#[derive(Clone, Copy, Default)]
pub struct At {
    /// The day for which; none: today.
    pub as_of: Option<Date>,
    /// The instant as known at which; none: now.
    pub known_at: Option<Timestamp>,
}

/// Subjects on their way into profiles, with what is read of them. Those asked for while others are read are read together.
pub struct Meetings(Gathered<Meeting, Option<(Met, Read)>>);

// As many side by side as keep a small machine busy; so many together that a long one holds few up.
const SIDE_BY_SIDE: usize = 2;
const TOGETHER: usize = 16;

impl Default for Meetings {
    fn default() -> Self {
        Self(Gathered::new(SIDE_BY_SIDE, TOGETHER))
    }
}

// The subject of a code, with what a profile reads of it.
async fn meet(app: &Arc<Credit>, context: &Context, code: &Uscc, at: At) -> Answer<(Met, Read)> {
    let day = at.as_of.unwrap_or(context.today());
    let meeting = Meeting { uscc: code.as_str().to_owned(), day };
    let met = if at.known_at.is_some() {
        // Each such instant is a question of its own.
        records::meet(app.store.read(), &[meeting], at.known_at, RECORDS_MOST).await?.pop().flatten()
    } else {
        let asked = app.clone();
        let together = move |meetings: Vec<Meeting>| {
            let app = asked.clone();
            async move { records::meet(app.store.read(), &meetings, None, RECORDS_MOST).await }
        };
        app.meetings.0.ask(meeting, together).await?
    };
    met.ok_or_else(|| subjects::unknown(code))
}

/// Cuts a profile as of now, to the items that the audience may see.
pub async fn cut(
    app: &Arc<Credit>,
    context: &Context,
    subject: api::Subject,
    audience: Audience,
    items: &[Arc<Item>],
) -> Answer<api::Profile> {
    cut_at(app, context, (subject, None), audience, items, At::default()).await
}

// Cuts a profile. The term of publication 公示期限 binds what everybody sees; departments go on sharing what still holds.
async fn cut_at(
    app: &Arc<Credit>,
    context: &Context,
    (subject, read): (api::Subject, Option<Read>),
    audience: Audience,
    items: &[Arc<Item>],
    at: At,
) -> Answer<api::Profile> {
    let today = context.today();
    let as_of = at.as_of.unwrap_or(today);
    let shown = Shown {
        uscc: &subject.uscc,
        items,
        today,
        published: audience == Audience::Public,
        standing_on: Some(as_of),
        known_at: at.known_at,
    };
    let db = app.store.read();
    let mut records = match read {
        Some(read) => records::shown_of(db, &shown, read, RECORDS_MOST).await?,
        None => records::shown(db, &shown, "", RECORDS_MOST).await?,
    };
    let mut counts = BTreeMap::new();
    count(&records, &mut counts);
    let mut last = records.last().filter(|_| records.len() as u64 == RECORDS_MOST).map(records::page_key);
    // Those that the profile has no room for are counted all the same.
    while let Some(after) = last {
        let more = records::shown(db, &shown, &after, RECORDS_MOST).await?;
        count(&more, &mut counts);
        last = more.last().filter(|_| more.len() as u64 == RECORDS_MOST).map(records::page_key);
    }
    if let Some(at) = at.known_at {
        filings::mark_as_at(db, &subject.uscc, at, &mut records).await?;
    }
    let counts = counts.into_iter().filter_map(|(name, count)| {
        let item = &by_name(items, &name)?.body;
        Some(api::ItemCount { item: name, name: item.name.clone(), category: item.category.clone(), count })
    });
    let counts: Vec<api::ItemCount> = counts.collect();
    Ok(api::Profile {
        uscc: subject.uscc.clone(),
        audience: audience.into(),
        sections: sections::of(&records, &counts, items),
        records,
        counts,
        as_of: as_of.to_string(),
        known_at: at.known_at.map(|at| at.to_string()).unwrap_or_default(),
        subject: Some(subject),
    })
}

fn count(records: &[api::Record], counts: &mut BTreeMap<String, i32>) {
    for record in records {
        match counts.get_mut(&record.item) {
            Some(count) => *count += 1,
            None => _ = counts.insert(record.item.clone(), 1),
        }
    }
}
