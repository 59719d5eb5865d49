//! Counts that reports are made of 统计数据; no subject is named.
mod anew;
pub mod counted;
pub mod kept;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{
    Answer, Context, Fault,
    feed::{self, Position},
    figures::BEGINNING,
};
use contract::credit::v1 as api;
use jiff::civil::{Date, date};

use crate::{Credit, items};

// A day after every other.
const END: Date = date(9998, 12, 31);

/// Counts the subjects and the effective records of a domain.
pub async fn get(
    app: &Arc<Credit>,
    _: &Context,
    request: api::GetFiguresRequest,
) -> Answer<api::GetFiguresResponse> {
    let day = |given: &str, open: Date| {
        if given.is_empty() { Ok(open) } else { given.parse().map_err(Fault::internal) }
    };
    let (from, to) = (day(&request.from, BEGINNING)?, day(&request.to, END)?);
    let domain = request.domain.as_str();
    // What goes on changing meanwhile need not be in it: a caller would run after it for ever.
    let asked = feed::newest(&app.store).await?;
    let kept = counted::caught_up(&app.store, asked).await?;
    // Behind a great load all is counted anew where somebody waits for it, or where that is soon done.
    let (subjects, records, position) =
        if kept.stands_at < asked && (request.exact || anew::is_soon_done(&kept.view).await?) {
            drop(kept);
            let settled = feed::settled(&app.store).await?;
            let view = app.store.view().await?;
            (anew::subjects(&view, domain).await?, anew::records(&view, domain, from, to).await?, settled)
        } else {
            let view = &kept.view;
            let records = counted::records(view, domain, from, to).await?;
            (counted::subjects(view, domain).await?, records, kept.stands_at)
        };
    told(app, subjects, records, position).await
}

async fn told(
    app: &Arc<Credit>,
    subjects: i64,
    records: BTreeMap<String, i64>,
    position: Position,
) -> Answer<api::GetFiguresResponse> {
    let names = items::in_force(app.store.read()).await?;
    let all = records.values().sum();
    let figure = |(item, records): (String, i64)| api::ItemFigure {
        name: names.get(&item).map(|item| item.body.name.clone()).unwrap_or_default(),
        item,
        records: number(records),
    };
    Ok(api::GetFiguresResponse {
        subjects: number(subjects),
        records: number(all),
        items: records.into_iter().map(figure).collect(),
        position: position.to_string(),
    })
}

fn number(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
