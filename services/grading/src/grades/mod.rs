//! Grades 信用等级: which a subject has, why, since when, and what would change it; told to whom the scheme discloses them.
pub mod export;
mod rows;

use std::{collections::HashMap, sync::Arc};

use chassis::{
    Answer, Context, Fault,
    clock::{from_micros, start_of, wire},
    page::Page,
    storage::corrupt,
};
use contract::grading::v1::{self as api, ErrorReason, Scheme};
use identifiers::Uscc;
use jiff::civil::Date;
use scoring::{Compiled, Decimal, UNGRADED};

use crate::{
    Grading, accesses,
    evaluation::{self, evaluate, rows::Row},
    schemes::{self, Version, audience, rules},
    sheets::{self, Sheet},
    subject,
};

/// Waits until the reader's own write has arrived and everybody's grade is today's.
async fn current(app: &Grading, context: &Context, min_position: &str) -> Answer<()> {
    app.progress.reach(min_position).await?;
    app.due.reach(context.today()).await
}

fn score(stored: Option<&str>) -> Answer<Option<f64>> {
    let number = |text| Decimal::parse(text).map_err(|fault| corrupt("score", fault.message().en));
    Ok(stored.map(number).transpose()?.map(Decimal::to_f64))
}

/// Gives a subject's grades.
pub async fn of_subject(
    app: &Arc<Grading>,
    context: &Context,
    request: api::GetSubjectGradesRequest,
) -> Answer<api::SubjectGrades> {
    let purpose = context.purpose(&request.purpose)?;
    let code = subject::code(&request.uscc, "uscc")?;
    app.progress.reach(&request.min_position).await?;
    let reading = Reading::of(app, context, &[code], "").await?;
    let grades = reading.grades(code.as_str())?.ok_or_else(|| subject::unknown(&code))?;
    accesses::note(app, context, purpose, &[code.as_str()], "grades").await?;
    Ok(grades)
}

/// Gives the grades of many subjects.
pub async fn of_subjects(
    app: &Arc<Grading>,
    context: &Context,
    request: api::BatchGetGradesRequest,
) -> Answer<api::BatchGetGradesResponse> {
    let purpose = context.purpose(&request.purpose)?;
    let codes =
        request.uscc.iter().enumerate().map(|(index, given)| subject::code(given, &format!("uscc[{index}]")));
    let codes = codes.collect::<Answer<Vec<_>>>()?;
    if !request.scheme.is_empty() {
        schemes::published(app, context, &request.scheme).await?;
    }
    app.progress.reach(&request.min_position).await?;
    let reading = Reading::of(app, context, &codes, &request.scheme).await?;
    let unknown = |code: &Uscc| api::SubjectGrades { uscc: code.to_string(), ..Default::default() };
    let result = |code: &Uscc| Ok(reading.grades(code.as_str())?.unwrap_or_else(|| unknown(code)));
    let results = codes.iter().map(result).collect::<Answer<_>>()?;
    let looked_at: Vec<&str> = codes.iter().map(Uscc::as_str).collect();
    accesses::note(app, context, purpose, &looked_at, "grades").await?;
    Ok(api::BatchGetGradesResponse { results })
}

/// What one read of grades found.
struct Reading<'a> {
    context: &'a Context,
    position: String,
    versions: Vec<Arc<Version>>,
    sheets: HashMap<String, Sheet>,
    grades: HashMap<(String, String), Row>,
    national: Compiled,
}

impl<'a> Reading<'a> {
    // Under one scheme, or under all where its id is empty.
    async fn of(app: &Grading, context: &'a Context, codes: &[Uscc], scheme: &str) -> Answer<Self> {
        let db = app.store.read();
        // The position is read first: what follows rests on at least this much.
        let position = app.progress.now().to_string();
        let codes: Vec<&str> = codes.iter().map(Uscc::as_str).collect();
        let mut versions = app.versions.in_force(db).await?;
        versions.retain(|version| scheme.is_empty() || version.scheme == scheme);
        let found = sheets::rows::find(db, &codes).await?;
        let sheets = found.into_iter().map(|row| Ok((row.uscc.clone(), Sheet::read(row)?)));
        let sheets = sheets.collect::<Answer<_>>()?;
        let grades = evaluation::rows::standing(db, &codes).await?;
        Ok(Self { context, position, versions, sheets, grades, national: Compiled::direct() })
    }

    fn grades(&self, uscc: &str) -> Answer<Option<api::SubjectGrades>> {
        let Some(sheet) = self.sheets.get(uscc) else { return Ok(None) };
        let (audience, today) = (audience(self.context), self.context.today());
        let told =
            self.versions.iter().filter(|version| rules::discloses(version.disclosure, audience, uscc));
        let rows = told.filter_map(|version| {
            let row = self.grades.get(&(uscc.to_owned(), version.scheme.clone()))?;
            // What fell due today may still wait for its turn; who asks does not.
            if is_due(row, today) { evaluate(sheet, version, today) } else { Some(row.clone()) }
        });
        let grades = rows.map(|row| grade(row, today)).collect::<Answer<_>>()?;
        // The state's results are shared among departments 政务共享; nobody else is told.
        let national = match audience {
            rules::Audience::Department => self.national.grade(&sheet.facts, today).grade,
            rules::Audience::Enterprise(_) | rules::Audience::Public => UNGRADED,
        };
        let national_grade = if national == UNGRADED { String::new() } else { national.to_owned() };
        let position = self.position.clone();
        Ok(Some(api::SubjectGrades { uscc: uscc.to_owned(), grades, national_grade, position }))
    }
}

fn is_due(row: &Row, today: Date) -> bool {
    row.next_change_on.as_ref().is_some_and(|day| *day <= today.to_string())
}

// What was evaluated on an earlier day and is not due holds today.
fn grade(row: Row, today: Date) -> Answer<api::SubjectGrade> {
    Ok(api::SubjectGrade {
        score: score(row.score.as_deref())?,
        scheme: row.scheme,
        version: row.version,
        grade: row.grade,
        as_of: today.to_string(),
        next_change_on: row.next_change_on.unwrap_or_default(),
    })
}

fn ungraded(uscc: &Uscc, scheme: &str, day: Date) -> Fault {
    Fault::missing(
        ErrorReason::GradeUnknown.as_str_name(),
        format!("{uscc} has no grade under scheme \"{scheme}\" on {day}; the scheme does not grade it, or not on that day"),
        format!("{uscc}在{day}没有“{scheme}”下的等级；该制度不评价此主体，或当日未施行"),
    )
    .with("scheme", scheme)
}

/// Explains a grade, today's or that of another day, under the version then in force.
pub async fn explain(
    app: &Arc<Grading>,
    context: &Context,
    request: api::ExplainGradeRequest,
) -> Answer<api::Explanation> {
    let purpose = context.purpose(&request.purpose)?;
    let code = subject::code(&request.uscc, "uscc")?;
    let as_of = day(&request.as_of, "asOf", context)?;
    let db = app.store.read();
    let versions = schemes::shown(app, context, &request.scheme).await?;
    let version = version_on(&versions, as_of)?.ok_or_else(|| ungraded(&code, &request.scheme, as_of))?;
    disclosed(context, version, &code, as_of)?;
    app.progress.reach(&request.min_position).await?;
    let row = sheets::rows::find(db, &[code.as_str()]).await?.pop().ok_or_else(|| subject::unknown(&code))?;
    if !sheets::rules::in_population(&row.domains, &version.domain) {
        return Err(ungraded(&code, &request.scheme, as_of));
    }
    let compiled = app.versions.compiled(db, &request.scheme, version.version).await?;
    let explained = compiled.compiled.explain(&Sheet::read(row)?.facts, as_of);
    accesses::note(app, context, purpose, &[code.as_str()], &format!("explain {} {as_of}", request.scheme))
        .await?;
    Ok(api::Explanation {
        uscc: code.to_string(),
        scheme: request.scheme,
        version: version.version,
        ..explained
    })
}

/// A day of a request; today where none is given.
pub fn day(given: &str, field: &str, context: &Context) -> Answer<Date> {
    match given {
        "" => Ok(context.today()),
        text => text.parse().map_err(|_| {
            Fault::field(
                field,
                format!("\"{text}\" is no date; give YYYY-MM-DD"),
                format!("“{text}”不是日期；请按 YYYY-MM-DD 填写"),
            )
        }),
    }
}

/// The version of a scheme that was in force on a day; a scheme that was never published is told.
pub fn version_on(versions: &[Scheme], day: Date) -> Answer<Option<&Scheme>> {
    if versions.iter().all(|version| version.publish_time.is_none()) {
        return Err(schemes::unpublished(versions.first().map_or("", |version| &version.scheme_id)));
    }
    let end = start_of(day.tomorrow().unwrap_or(Date::MAX));
    Ok(rules::in_force_at(versions, end.as_second()))
}

// Whom the scheme does not tell learns no more than that there is no grade for him.
fn disclosed(context: &Context, scheme: &Scheme, code: &Uscc, day: Date) -> Answer<()> {
    if rules::discloses(scheme.disclosure(), audience(context), code.as_str()) {
        return Ok(());
    }
    Err(ungraded(code, &scheme.scheme_id, day))
}

/// Lists the grades that a subject had under a scheme.
pub async fn history(
    app: &Arc<Grading>,
    context: &Context,
    request: api::ListGradeHistoryRequest,
) -> Answer<api::ListGradeHistoryResponse> {
    let purpose = context.purpose(&request.purpose)?;
    let code = subject::code(&request.uscc, "uscc")?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let below = if page.after.is_empty() { Ok(i64::MAX) } else { page.after.parse() };
    let below = below.map_err(|_| {
        Fault::field("pageToken", "is not one that this list gave", "不是本列表给出的分页标记")
    })?;
    let versions = schemes::shown(app, context, &request.scheme).await?;
    let scheme = rules::presented(&versions).ok_or_else(|| schemes::unknown(&request.scheme))?;
    disclosed(context, scheme, &code, context.today())?;
    let db = app.store.read();
    if sheets::rows::find(db, &[code.as_str()]).await?.is_empty() {
        return Err(subject::unknown(&code));
    }
    let mut past = rows::history(db, code.as_str(), &request.scheme, below, &page).await?;
    // The row after a change is the one before it; the first of the next page is fetched anyway.
    let before: Vec<String> =
        past.iter().skip(1).map(|row| row.grade.clone()).chain([String::new()]).collect();
    let next_page_token = page.cut(&mut past, |row| row.seq.to_string());
    let changes = past.into_iter().zip(before).map(change).collect::<Answer<_>>()?;
    accesses::note(app, context, purpose, &[code.as_str()], &format!("history {}", request.scheme)).await?;
    Ok(api::ListGradeHistoryResponse { changes, next_page_token })
}

fn change((row, previous_grade): (rows::Past, String)) -> Answer<api::GradeChange> {
    Ok(api::GradeChange {
        version: row.version,
        grade: row.grade,
        previous_grade,
        score: score(row.score.as_deref())?,
        as_of: row.as_of,
        recorded_at: Some(wire(from_micros(row.recorded_at))),
    })
}

/// Counts the subjects of each grade under a scheme.
pub async fn distribution(
    app: &Arc<Grading>,
    context: &Context,
    request: api::GetDistributionRequest,
) -> Answer<api::Distribution> {
    let version = schemes::disclosed_whole(app, context, &request.scheme).await?;
    current(app, context, &request.min_position).await?;
    let shares = rows::shares(app.store.read(), &request.scheme).await?;
    let count = |share: &rows::Share| i32::try_from(share.count).unwrap_or(i32::MAX);
    let graded = shares.iter().filter(|share| share.grade != UNGRADED).map(count).sum();
    let distribution = shares.iter().map(|share| (share.grade.clone(), count(share))).collect();
    Ok(api::Distribution { scheme: request.scheme, version: version.version, graded, distribution })
}
