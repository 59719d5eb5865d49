//! Why a subject has a grade 评价解释: on any day, under the version then in force, with what is known now or was known then; and what
//! it would be if records were repaired or expired.
use std::sync::Arc;

use chassis::{
    Answer, Context,
    clock::{business_day, micros, start_of},
};
use contract::grading::v1::{self as api, Scheme, scheme::Scale};
use identifiers::Uscc;
use jiff::{Timestamp, civil::Date};
use scoring::FactSheet;

use super::{day, disclosed, notes, replay, ungraded, version_on, words};
use crate::{
    Grading, accesses, objections,
    overrides::{self, rules::in_force_at},
    schemes::{self, Version, rules},
    sheets::{self, Sheet},
    subject,
};

/// Explains a grade, today's or that of another day, under the version then in force.
pub async fn explain(
    app: &Arc<Grading>,
    context: &Context,
    request: api::ExplainGradeRequest,
) -> Answer<api::Explanation> {
    let purpose = context.purpose(&request.purpose)?;
    let code = subject::code(&request.uscc, "uscc")?;
    let known_at = replay::known_at(&request.known_at, context.now)?;
    let as_of = match (request.as_of.as_str(), known_at) {
        ("", Some(at)) => business_day(at),
        (given, _) => day(given, "asOf", context)?,
    };
    let mut versions = schemes::shown(app, context, &request.scheme).await?;
    if let Some(at) = known_at {
        versions = rules::known_at(&versions, at);
    }
    let asked = Asked { app, context, code, scheme: &request.scheme, versions: &versions, as_of, known_at };
    let (version, sheet) = asked.open(&request.min_position).await?;
    let facts = match known_at {
        Some(at) => replay::sheet(app, &asked.code, &sheet.facts, at).await?,
        None => sheet.facts,
    };
    let what = format!("explain {} {as_of}{}", request.scheme, replay::told(known_at));
    accesses::note(app, context, purpose, &[asked.code.as_str()], &what).await?;
    asked.explained(&version, &facts).await
}

/// Gives the grade as it is and as it would be without some records.
pub async fn what_if(
    app: &Arc<Grading>,
    context: &Context,
    request: api::WhatIfGradeRequest,
) -> Answer<api::WhatIf> {
    let purpose = context.purpose(&request.purpose)?;
    let code = subject::code(&request.uscc, "uscc")?;
    let as_of = day(&request.as_of, "asOf", context)?;
    if as_of < context.today() {
        return Err(chassis::Fault::field(
            "asOf",
            "is past, and what is past can't be repaired any more; give today or a later day",
            "已过，过去的评价不因修复而改变；请填写今天或之后的日期",
        ));
    }
    let versions = schemes::shown(app, context, &request.scheme).await?;
    let asked =
        Asked { app, context, code, scheme: &request.scheme, versions: &versions, as_of, known_at: None };
    let (version, sheet) = asked.open(&request.min_position).await?;
    let without = replay::without(&sheet.facts, &request.records, as_of)?;
    let what = format!("whatIf {} {as_of}", request.scheme);
    accesses::note(app, context, purpose, &[asked.code.as_str()], &what).await?;
    let present = asked.explained(&version, &sheet.facts).await?;
    let supposed = asked.explained(&version, &without).await?;
    let changed = present.grade != supposed.grade;
    Ok(api::WhatIf { present: Some(present), supposed: Some(supposed), changed })
}

// What is asked about one grade.
struct Asked<'a> {
    app: &'a Grading,
    context: &'a Context,
    code: Uscc,
    scheme: &'a str,
    /// Those that are shown to the caller, as known at the instant.
    versions: &'a [Scheme],
    as_of: Date,
    known_at: Option<Timestamp>,
}

impl Asked<'_> {
    fn ungraded(&self) -> chassis::Fault {
        ungraded(&self.code, self.scheme, self.as_of)
    }

    // The version in force on the day, if the caller may see the grade, and the subject's sheet as it is now.
    async fn open(&self, min_position: &str) -> Answer<(Arc<Version>, Sheet)> {
        let version = match self.known_at {
            Some(_) if self.versions.is_empty() => return Err(self.ungraded()),
            _ => version_on(self.versions, self.as_of)?.ok_or_else(|| self.ungraded())?,
        };
        disclosed(self.context, version, &self.code, self.as_of)?;
        self.app.progress.reach(min_position).await?;
        let db = self.app.store.read();
        let row = sheets::rows::find(db, &[self.code.as_str()]).await?.pop();
        let row = row.ok_or_else(|| subject::unknown(&self.code))?;
        if !sheets::rules::in_population(&row.domains, &version.domain) {
            return Err(self.ungraded());
        }
        let compiled = self.app.versions.compiled(db, self.scheme, version.version).await?;
        Ok((compiled, Sheet::read(row)?))
    }

    async fn explained(&self, version: &Version, facts: &FactSheet) -> Answer<api::Explanation> {
        let mut told = version.compiled.explain(facts, self.as_of);
        told.uscc = self.code.to_string();
        self.scheme.clone_into(&mut told.scheme);
        told.version = version.number;
        told.scale = version.scale as i32;
        told.evaluated_grade.clone_from(&told.grade);
        told.known_at = self.known_at.map(|at| at.to_string()).unwrap_or_default();
        let content = self.versions.iter().find(|content| content.version == version.number);
        told.before_publication = content.is_some_and(|content| self.as_of < rules::first_day(content));
        let greatest = content.and_then(|content| content.model.as_ref()?.max_score);
        if version.scale == Scale::RiskClass {
            told.risk_score = replay::below(greatest, told.score);
        }
        self.stand_over(version, &mut told).await?;
        version.label(&told.grade).clone_into(&mut told.label);
        let model = version.compiled.account(facts, self.as_of).told;
        told.sentences = words::sentences(&told, model, self.context.language);
        Ok(told)
    }

    // The override in force at the end of the day and the objections open then, as far as they were known.
    async fn stand_over(&self, version: &Version, told: &mut api::Explanation) -> Answer<()> {
        let db = self.app.store.read();
        let next = self.as_of.tomorrow().unwrap_or(Date::MAX);
        let end = micros(start_of(next));
        // What is asked about today is asked about now.
        let by = micros(self.known_at.unwrap_or(self.context.now));
        let known = |at: Option<i64>| at.filter(|at| *at <= by);
        let adjusted = overrides::rows::of_subject(db, self.code.as_str(), self.scheme).await?;
        let held = adjusted.into_iter().find(|row| {
            let (from, ended) = (known(row.confirmed_at), known(row.ended_at));
            in_force_at(from, ended, &row.until, self.as_of, end) && version.knows(&row.grade)
        });
        let filed = objections::rows::of_subject(db, self.code.as_str(), self.scheme).await?;
        let objected = filed.iter().any(|row| {
            row.filed_at <= by && row.filed_at < end && known(row.decided_at).is_none_or(|at| at >= end)
        });
        told.marks = notes::marks(objected, held.is_some());
        if let Some(held) = held {
            told.grade.clone_from(&held.grade);
            told.r#override = Some(held.told(self.context.today()));
        }
        Ok(())
    }
}
