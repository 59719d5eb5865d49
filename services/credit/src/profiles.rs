//! Profiles 信用档案: what is known about a subject, cut to what the audience may see today.
use std::sync::Arc;

use chassis::{Answer, Context, Store};
use contract::credit::v1::{self as api, profile::Audience};

use crate::{
    Credit, accesses,
    items::{self, Item},
    outcomes,
    records::{self, Shown, rules::natures},
    subjects,
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

/// The items that an audience may see.
pub async fn visible(store: &Store, audience: Audience) -> Answer<Vec<Item>> {
    let items = items::in_force(store.read()).await?;
    Ok(items.into_values().filter(|item| natures(audience).contains(&item.body.nature())).collect())
}

/// Gives a profile for the caller's audience.
pub async fn get(
    app: &Arc<Credit>,
    context: &Context,
    request: api::GetProfileRequest,
) -> Answer<api::Profile> {
    let asked = accesses::ask(app, context, &request.uscc, &request.purpose).await?;
    let audience = audience(context, &asked.subject.uscc);
    accesses::log(app, context, &asked, "profile").await?;
    cut(app, context, asked.subject, audience).await
}

/// Gives the public profile.
pub async fn get_public(
    app: &Arc<Credit>,
    context: &Context,
    request: api::GetPublicProfileRequest,
) -> Answer<api::Profile> {
    let subject = subjects::require(&app.store, &outcomes::code_asked(&request.uscc)?).await?;
    cut(app, context, subject, Audience::Public).await
}

/// Searches for everybody.
pub async fn search(
    app: &Arc<Credit>,
    _: &Context,
    request: api::SearchPublicSubjectsRequest,
) -> Answer<api::SearchPublicSubjectsResponse> {
    subjects::search_public(app, request).await
}

/// Cuts a profile. The term of publication 公示期限 binds what everybody sees; departments go on sharing what still holds.
pub async fn cut(
    app: &Arc<Credit>,
    context: &Context,
    subject: api::Subject,
    audience: Audience,
) -> Answer<api::Profile> {
    let today = context.today();
    let items = visible(&app.store, audience).await?;
    let public_on = (audience == Audience::Public).then_some(today);
    let shown = Shown { uscc: &subject.uscc, items: &items, public_on, standing_on: Some(today) };
    let records = records::shown(app.store.read(), &shown, "", RECORDS_MOST).await?;
    let counts = records::counts(app.store.read(), &shown).await?;
    let counts = counts.into_iter().filter_map(|(name, count)| {
        let item = &items.iter().find(|item| item.body.item == name)?.body;
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        Some(api::ItemCount { item: name, name: item.name.clone(), category: item.category.clone(), count })
    });
    Ok(api::Profile {
        uscc: subject.uscc.clone(),
        audience: audience.into(),
        records,
        counts: counts.collect(),
        as_of: today.to_string(),
        subject: Some(subject),
    })
}
