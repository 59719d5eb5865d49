//! Grades 信用等级: which a subject has, why, since when, and what would change it; told to whom the scheme discloses them.
pub mod explain;
pub mod export;
pub mod history;
pub mod notes;
mod replay;
mod rows;
mod words;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chassis::{Answer, Context, Fault, storage::corrupt};
use contract::grading::v1::{self as api, ErrorReason, Scheme};
use identifiers::Uscc;
use jiff::civil::Date;
use notes::Notes;
use scoring::{Compiled, Decimal, UNGRADED};
use sea_orm::ConnectionTrait;

use crate::{
    Grading, accesses,
    evaluation::{self, evaluate, rows::Row},
    figures, overrides,
    schemes::{self, Version, audience, rules},
    sheets::{self, Sheet},
    simulations::shadows::is_shadow,
    subject,
};

/// Waits until the reader's own write has arrived and everybody's grade is today's.
async fn current(app: &Grading, context: &Context, min_position: &str) -> Answer<()> {
    app.progress.reach(min_position).await?;
    app.days.reach(context.today()).await?;
    app.due.reach(context.today()).await
}

/// A stored score as the wire shows it.
pub fn score(stored: Option<&str>) -> Answer<Option<f64>> {
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
    notes: Notes,
    national: Compiled,
}

impl<'a> Reading<'a> {
    // Under one scheme, or under all where its id is empty.
    async fn of(app: &Grading, context: &'a Context, codes: &[Uscc], scheme: &str) -> Answer<Self> {
        let db = app.store.read();
        app.days.reach(context.today()).await?;
        // The position is read first: what follows rests on at least this much.
        let position = app.progress.now().to_string();
        let codes: Vec<&str> = codes.iter().map(Uscc::as_str).collect();
        let mut versions = app.versions.in_force(db).await?;
        let asked =
            |id: &str| if scheme.is_empty() { !is_shadow(id) } else { id == scheme && !is_shadow(id) };
        versions.retain(|version| asked(&version.scheme));
        let found = sheets::rows::find(db, &codes).await?;
        let sheets = found.into_iter().map(|row| Ok((row.uscc.clone(), Sheet::read(row)?)));
        let sheets = sheets.collect::<Answer<_>>()?;
        let grades = evaluation::rows::standing(db, &codes).await?;
        let notes = Notes::of(db, &codes, context.today()).await?;
        Ok(Self { context, position, versions, sheets, grades, notes, national: Compiled::direct() })
    }

    fn grades(&self, uscc: &str) -> Answer<Option<api::SubjectGrades>> {
        let Some(sheet) = self.sheets.get(uscc) else { return Ok(None) };
        let (audience, today) = (audience(self.context), self.context.today());
        let told =
            self.versions.iter().filter(|version| rules::discloses(version.disclosure, audience, uscc));
        let rows = told.filter_map(|version| {
            let row = self.grades.get(&(uscc.to_owned(), version.scheme.clone()))?;
            // What fell due today, or under a version of today, may still wait for its turn; who asks does not.
            let holds = row.version == version.number && !is_due(row, today);
            let row = if holds { row.clone() } else { evaluate(sheet, version, today)? };
            Some((version, row))
        });
        let grades = rows.map(|(version, row)| self.grade(version, row, today)).collect::<Answer<_>>()?;
        // The state's results are shared among departments 政务共享; nobody else is told.
        let national = match audience {
            rules::Audience::Department => self.national.grade(&sheet.facts, today).grade,
            rules::Audience::Enterprise(_) | rules::Audience::Public => UNGRADED,
        };
        let national_grade = if national == UNGRADED { String::new() } else { national.to_owned() };
        let position = self.position.clone();
        Ok(Some(api::SubjectGrades { uscc: uscc.to_owned(), grades, national_grade, position }))
    }

    // What was evaluated on an earlier day and is not due holds today; an override in force stands over it.
    fn grade(&self, version: &Version, row: Row, today: Date) -> Answer<api::SubjectGrade> {
        let held = self.notes.held(version, &row.uscc);
        let mut next_change_on = row.next_change_on.unwrap_or_default();
        let (mut grade, mut evaluated_grade) = (row.grade, String::new());
        if let Some(held) = held {
            evaluated_grade = std::mem::replace(&mut grade, held.grade.clone());
            next_change_on = sooner(next_change_on, &held.until);
        }
        Ok(api::SubjectGrade {
            score: score(row.score.as_deref())?,
            scheme: row.scheme,
            version: row.version,
            label: version.label(&grade).to_owned(),
            grade,
            as_of: today.to_string(),
            next_change_on,
            scale: version.scale as i32,
            marks: self.notes.marks(version, &row.uscc),
            r#override: held.map(|held| held.override_id.clone()).unwrap_or_default(),
            evaluated_grade,
        })
    }
}

// The day after an override's last is one on which time alone changes the grade.
fn sooner(next_change_on: String, until: &str) -> String {
    let after = until.parse::<Date>().ok().and_then(|day| day.tomorrow().ok());
    match after.map(|day| day.to_string()) {
        Some(after) if next_change_on.is_empty() || after < next_change_on => after,
        _ => next_change_on,
    }
}

/// What the model gives a subject today under the version in force, whatever stands in the tables; with that version.
pub async fn evaluated(
    app: &Grading,
    db: &impl ConnectionTrait,
    context: &Context,
    code: &Uscc,
    scheme: &Scheme,
) -> Answer<(Arc<Version>, Row)> {
    let version = app.versions.compiled(db, &scheme.scheme_id, scheme.version).await?;
    let row = sheets::rows::find(db, &[code.as_str()]).await?.pop().ok_or_else(|| subject::unknown(code))?;
    let row = evaluate(&Sheet::read(row)?, &version, context.today());
    let row = row.ok_or_else(|| ungraded(code, &scheme.scheme_id, context.today()))?;
    Ok((version, row))
}

fn is_due(row: &Row, today: Date) -> bool {
    row.next_change_on.as_ref().is_some_and(|day| *day <= today.to_string())
}

fn ungraded(uscc: &Uscc, scheme: &str, day: Date) -> Fault {
    Fault::missing(
        ErrorReason::GradeUnknown.as_str_name(),
        format!("{uscc} has no grade under scheme \"{scheme}\" on {day}; the scheme does not grade it, or not on that day"),
        format!("{uscc}在{day}没有“{scheme}”下的等级；该制度不评价此主体，或当日未施行"),
    )
    .with("scheme", scheme)
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
    Ok(rules::in_force_on(versions, day))
}

/// Whom the scheme does not tell learns no more than that there is no grade for him.
pub fn disclosed(context: &Context, scheme: &Scheme, code: &Uscc, day: Date) -> Answer<()> {
    if rules::discloses(rules::disclosure(scheme), audience(context), code.as_str()) {
        return Ok(());
    }
    Err(ungraded(code, &scheme.scheme_id, day))
}

/// Counts the subjects of each grade under a scheme.
pub async fn distribution(
    app: &Arc<Grading>,
    context: &Context,
    request: api::GetDistributionRequest,
) -> Answer<api::Distribution> {
    let published = schemes::disclosed_whole(app, context, &request.scheme).await?;
    let on = day(&request.as_of, "asOf", context)?.min(context.today());
    current(app, context, &request.min_position).await?;
    let db = app.store.read();
    let versions = schemes::rows::versions(db, &request.scheme).await?;
    let version = schemes::rules::in_force_on(&versions, on).map_or(published.version, |then| then.version);
    let shares = figures::distribution(db, &request.scheme, on).await?;
    let count = |(grade, subjects)| (grade, i32::try_from(subjects).unwrap_or(i32::MAX));
    let mut distribution: BTreeMap<String, i32> = shares.into_iter().map(count).collect();
    let compiled = app.versions.compiled(db, &request.scheme, version).await?;
    for shift in overrides::rows::shifts(db, &request.scheme, on).await? {
        if compiled.knows(&shift.to) {
            *distribution.entry(shift.to).or_default() += 1;
            *distribution.entry(shift.evaluated).or_default() -= 1;
        }
    }
    distribution.retain(|_, count| *count > 0);
    let graded = distribution.iter().filter(|(grade, _)| *grade != UNGRADED).map(|(_, count)| count).sum();
    Ok(api::Distribution { scheme: request.scheme, version, graded, distribution, as_of: on.to_string() })
}
