//! Figures 统计数据: counts for reports, summed from what is kept as it happens.
pub mod kept;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chassis::{
    Answer, Context, Fault,
    figures::{self, Asked, BEGINNING, Counted, filings},
    storage::sql,
};
use contract::{
    discipline::v1::{self as api, listing::State},
    r#type::v1::ErrorReason as Common,
};
use jiff::civil::{Date, date};
use sea_orm::{ConnectionTrait, FromQueryResult};

use self::kept::{
    APPLIED, CASES, DROPPED, IN_FORCE, LIFTED, LISTED, LISTINGS, MEASURES, NOT_APPLIED, PROPOSED, TO_LIFT,
};
use crate::{Discipline, applications, directory};

// A day after every other.
const END: Date = date(9998, 12, 31);

fn count(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

// Days that may be left open on both ends.
fn days(from: &str, to: &str) -> Answer<(Date, Date)> {
    let day = |given: &str, open: Date| {
        if given.is_empty() { Ok(open) } else { given.parse().map_err(Fault::internal) }
    };
    Ok((day(from, BEGINNING)?, day(to, END)?))
}

/// Counts.
pub async fn get(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::GetFiguresRequest,
) -> Answer<api::GetFiguresResponse> {
    let (from, to) = days(&request.from, &request.to)?;
    let last_day = if request.to.is_empty() { context.today() } else { to };
    // All of one moment.
    let db = app.store.view().await?;
    let lists = concerned(&db, &request.domain).await?;
    let theirs = |row: &&Counted| lists.as_ref().is_none_or(|lists| lists.contains(&row.k1));
    let (cases, listings) =
        (figures::sum(&db, CASES, "", from, to).await?, figures::sum(&db, LISTINGS, "", from, to).await?);
    let (in_force, measures) = (
        figures::sum(&db, IN_FORCE, "", BEGINNING, last_day).await?,
        figures::sum(&db, MEASURES, "", from, to).await?,
    );
    let total = |rows: &[Counted], is: fn(&Counted) -> bool| {
        count(rows.iter().filter(theirs).filter(|row| is(row)).map(|row| row.counted).sum())
    };
    Ok(api::GetFiguresResponse {
        proposed: total(&cases, |row| row.k2 == PROPOSED),
        dropped: total(&cases, |row| row.k2 == DROPPED),
        listed: total(&listings, |row| row.k3 == LISTED),
        active: total(&in_force, |_| true),
        applied: total(&measures, |row| row.k4 == APPLIED),
    })
}

// The lists of a domain, and those of all domains; none where every list is meant.
async fn concerned(db: &impl ConnectionTrait, domain: &str) -> Answer<Option<BTreeSet<String>>> {
    if domain.is_empty() {
        return Ok(None);
    }
    let lists = directory::all::<api::List>(db, "").await?;
    let concerns =
        |list: &api::List| list.domains.is_empty() || list.domains.iter().any(|held| held == domain);
    Ok(Some(lists.into_iter().filter(concerns).map(|list| list.list_id).collect()))
}

/// Counts what departments did, by measure and department.
pub async fn measures(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::CountMeasuresRequest,
) -> Answer<api::CountMeasuresResponse> {
    let (from, to) = days(&request.from, &request.to)?;
    let db = app.store.view().await?;
    let mut all: BTreeMap<(String, String), api::MeasureFigures> = BTreeMap::new();
    for row in figures::sum(&db, MEASURES, "", from, to).await? {
        add_measure(&mut all, row);
    }
    for row in unmarked(&db, context, from, to).await? {
        add_measure(&mut all, row);
    }
    Ok(api::CountMeasuresResponse { measures: all.into_values().collect() })
}

fn add_measure(all: &mut BTreeMap<(String, String), api::MeasureFigures>, row: Counted) {
    let of = all.entry((row.k2.clone(), row.k3.clone())).or_insert_with(|| api::MeasureFigures {
        measure: row.k2,
        department: row.k3,
        ..Default::default()
    });
    let place = match row.k4.as_str() {
        APPLIED => &mut of.applied,
        NOT_APPLIED => &mut of.not_applied,
        LIFTED => &mut of.lifted,
        TO_LIFT => &mut of.to_lift,
        _ => return,
    };
    *place += count(row.counted);
}

// What is to be lifted of listings whose term has ended today and that do not say so yet: few, and none a moment later.
async fn unmarked(
    db: &impl ConnectionTrait,
    context: &Context,
    from: Date,
    to: Date,
) -> Answer<Vec<Counted>> {
    let text = format!(
        "SELECT '' AS span, a.list_id AS k1, a.measure AS k2, a.department AS k3, '{TO_LIFT}' AS k4, COUNT(*) AS counted \
         FROM listings l JOIN applications a ON a.listing = l.case_id WHERE l.state IN (1, 2) AND {} \
         AND a.applied_on BETWEEN $2 AND $3 GROUP BY a.list_id, a.measure, a.department",
        applications::TO_LIFT
    );
    let values = [context.today().to_string().into(), from.to_string().into(), to.to_string().into()];
    Ok(Counted::find_by_statement(sql(db, &text, values)).all(db).await?)
}

/// Gives what became of listings, objections and repairs, span by span.
pub async fn listings(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::GetListingFiguresRequest,
) -> Answer<api::GetListingFiguresResponse> {
    let department = visible(context, request.department.trim())?;
    let asked = Asked::of(&request.from, &request.to, context.today(), Asked::beginning, request.step())?;
    let db = app.store.view().await?;
    let mut listings: BTreeMap<_, api::ListingFigures> = BTreeMap::new();
    for row in asked.read(&db, LISTINGS, "").await? {
        if department.is_empty() || row.k2 == department {
            add_listing(&mut listings, row);
        }
    }
    Ok(api::GetListingFiguresResponse {
        listings: listings.into_values().collect(),
        filings: filings::read(&db, &asked, department).await?,
        from: asked.first_day(),
        to: asked.to.to_string(),
    })
}

// Whose figures the caller may see: all where it is empty.
fn visible<'a>(context: &'a Context, asked: &'a str) -> Answer<&'a str> {
    let caller = &context.caller;
    if caller.is_office() || caller.is_service() {
        return Ok(asked);
    }
    let own = caller.department();
    if caller.enterprise().is_empty() && !own.is_empty() && (asked.is_empty() || asked == own) {
        return Ok(own);
    }
    Err(Fault::denied(
        Common::ScopeMissing.as_str_name(),
        "a department sees its own figures; ask the credit office for another's",
        "部门只能查看本单位的统计；其他单位的请向信用联办查询",
    )
    .at("department"))
}

fn add_listing(all: &mut BTreeMap<(String, String, String), api::ListingFigures>, row: Counted) {
    let of = all.entry((row.span.clone(), row.k1.clone(), row.k2.clone())).or_insert_with(|| {
        api::ListingFigures { span: row.span, list_id: row.k1, department: row.k2, ..Default::default() }
    });
    let place = match State::from_str_name(&row.k3) {
        Some(State::Repaired) => &mut of.repaired,
        Some(State::Revoked) => &mut of.revoked,
        Some(State::Expired) => &mut of.expired,
        _ => &mut of.listed,
    };
    *place += count(row.counted);
}
