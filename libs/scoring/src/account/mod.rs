//! A grade accounted for in an enterprise's words: what counts, since when and until when, what would raise the
//! grade. Records are judged as for the grade itself.
mod outlook;
mod words;

use jiff::civil::Date;
pub use outlook::{Ahead, Better, Outlook, Repair};

use crate::{
    day::Day,
    decimal::{Decimal, Exact, Sum},
    evaluate::Sink,
    facts::FactSheet,
    measure::{Counted, Measure, Measured},
    model::{Compiled, Indicator, NATIONAL_EVALUATION, Points, Rule, Selector, Veto},
    text::Bilingual,
};

/// A grade with its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The day that it is of.
    pub as_of: Date,
    /// The grade, or [`crate::UNGRADED`].
    pub grade: String,
    /// The score; none where the national result is applied directly.
    pub score: Option<Decimal>,
    /// What everybody starts from; none as above.
    pub base: Option<Decimal>,
    /// The grade of the score, before vetoes; empty as above.
    pub score_grade: String,
    /// The first day on which time alone makes records count otherwise.
    pub next_change_on: Option<Date>,
    /// One an indicator, in the scheme's order.
    pub indicators: Vec<IndicatorAccount>,
    /// The vetoes that hold.
    pub vetoes: Vec<VetoAccount>,
    /// Items of which the subject has records that do not count, since nothing is granted to the department.
    pub ungranted: Vec<String>,
    /// What would change the grade.
    pub outlook: Outlook,
    /// The whole in words, one sentence after another.
    pub told: Vec<Bilingual>,
}

/// What an indicator comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct IndicatorAccount {
    /// The indicator's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its dimension.
    pub dimension: String,
    /// Its value in words of its measure: a number, a grade, or nothing.
    pub value: String,
    /// The points that the score gets.
    pub points: Exact,
    /// The points before floor and cap.
    pub uncapped: Exact,
    /// The records that count.
    pub records: Vec<RecordAccount>,
    /// In words.
    pub told: Bilingual,
}

/// A record that counts.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordAccount {
    /// The record's name.
    pub record: String,
    /// Its version.
    pub version: u32,
    /// Its item.
    pub item: String,
    /// The day of what it tells.
    pub occurred_on: Date,
    /// By how much it counts.
    pub percent: Decimal,
    /// The first day on which it counted so.
    pub since: Date,
    /// The first day on which it counts otherwise; none if it goes on.
    pub until: Option<Date>,
    /// By how much it counts from then on; none if no more.
    pub then: Option<Decimal>,
    /// Its share of the points, before floor and cap, where points are per unit of a sum.
    pub share: Option<Exact>,
    /// In words.
    pub told: Bilingual,
}

/// A veto that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct VetoAccount {
    /// The veto's id.
    pub id: String,
    /// The grade that it lowers to.
    pub grade: String,
    /// Why.
    pub reason: String,
    /// The records for which it holds.
    pub records: Vec<RecordAccount>,
    /// The first day on which none of these count any more, if time alone ends them all.
    pub until: Option<Date>,
    /// In words.
    pub told: Bilingual,
}

impl Compiled {
    /// Accounts for a sheet's grade at a date.
    pub fn account(&self, sheet: &FactSheet, as_of: Date) -> Account {
        let mut telling = Telling { as_of: Some(as_of), ..Telling::default() };
        let outcome = self.evaluate(sheet, as_of, &[], &mut telling);
        let Telling { base, score_grade, indicators, vetoes, .. } = telling;
        let mut account = Account {
            as_of,
            grade: outcome.grade.to_owned(),
            score: outcome.score,
            base,
            score_grade,
            next_change_on: outcome.next_change_on,
            indicators,
            vetoes,
            ungranted: self.ungranted(sheet, as_of),
            outlook: Outlook::default(),
            told: Vec::new(),
        };
        if let Rule::Model(model) = &self.rule {
            account.outlook = self.outlook(model, sheet, &account);
        }
        account.told = words::whole(&account);
        account
    }

    fn ungranted(&self, sheet: &FactSheet, as_of: Date) -> Vec<String> {
        let has = |item: &str| sheet.groups().any(|group| group.item() == item);
        let open = |item: &str| {
            !self.department.is_empty()
                && sheet.cover(item, &self.department).first_from(Day::of(as_of)) == Day::of(as_of)
        };
        self.authorized_items().filter(|item| has(item) && !open(item)).map(str::to_owned).collect()
    }
}

/// An account in the making, with the records that counted since its last entry, each with what it adds to a sum.
#[derive(Default)]
struct Telling {
    as_of: Option<Date>,
    base: Option<Decimal>,
    score_grade: String,
    indicators: Vec<IndicatorAccount>,
    vetoes: Vec<VetoAccount>,
    records: Vec<(RecordAccount, Option<Sum>)>,
}

impl Sink for Telling {
    fn base(&mut self, base: Decimal) {
        self.base = Some(base);
    }

    fn counted(&mut self, selector: &Selector, measure: Option<&dyn Measure>, counted: &Counted<'_>) {
        if let Some(record) = self.as_of.and_then(|as_of| record(selector, counted, as_of)) {
            self.records.push((record, measure.and_then(|measure| measure.share(counted))));
        }
    }

    fn indicator(&mut self, indicator: &Indicator, value: Measured<'_>, uncapped: Exact, points: Exact) {
        let per_unit = if let Points::PerUnit(per_unit) = indicator.points { Some(per_unit) } else { None };
        let records = self.records.drain(..).map(|(mut record, share)| {
            record.share = share.zip(per_unit).map(|(share, per_unit)| share.times(per_unit));
            record.told = words::record(&record);
            record
        });
        let mut account = IndicatorAccount {
            id: indicator.id.clone(),
            name: indicator.name.clone(),
            dimension: indicator.dimension.clone(),
            value: value_of(value),
            points,
            uncapped,
            records: records.collect(),
            told: Bilingual::new("", ""),
        };
        account.told = words::indicator(&account);
        self.indicators.push(account);
    }

    /// The national result applied directly is told as one indicator without points.
    fn national(&mut self, value: Measured<'_>) {
        let records: Vec<_> = self.plain_records();
        let told = words::national(&records, &value_of(value));
        self.indicators.push(IndicatorAccount {
            id: NATIONAL_EVALUATION.to_owned(),
            name: "国家公共信用综合评价".to_owned(),
            dimension: String::new(),
            value: value_of(value),
            points: Exact::ZERO,
            uncapped: Exact::ZERO,
            records,
            told,
        });
    }

    fn score_grade(&mut self, grade: &str) {
        grade.clone_into(&mut self.score_grade);
    }

    fn veto(&mut self, veto: &Veto, grade: &str) {
        let records = self.plain_records();
        // One that goes on holds for ever; else the last to end ends the veto.
        let until = records.iter().map(|record| record.until).collect::<Option<Vec<_>>>();
        let until = until.and_then(|ends| ends.into_iter().max());
        let (id, grade, reason) = (veto.id.clone(), grade.to_owned(), veto.reason.clone());
        let told = words::veto(&records, &grade, &reason, until);
        self.vetoes.push(VetoAccount { id, grade, reason, records, until, told });
    }
}

impl Telling {
    fn plain_records(&mut self) -> Vec<RecordAccount> {
        let told = |(mut record, _): (RecordAccount, _)| {
            record.told = words::record(&record);
            record
        };
        self.records.drain(..).map(told).collect()
    }
}

/// A record that counts at a date, and from when until when it counts so.
fn record(selector: &Selector, counted: &Counted<'_>, as_of: Date) -> Option<RecordAccount> {
    let (row, today) = (counted.row, Day::of(as_of));
    let steps = &selector.steps;
    let own = steps.iter().position(|step| step.left_on(row.occurred()) > today)?;
    let entered = own.checked_sub(1).map_or(Day::ALWAYS, |before| steps[before].left_on(row.occurred()));
    let since = row.occurred().max(row.from()).max(entered).max(counted.cover.covered_since(today));
    let left = steps[own].left_on(row.occurred());
    let until = left.min(row.until()).min(counted.cover.ends_after(today));
    // What leaves its step for the next goes on there, if nothing else ends it on that day.
    let goes_on = left == until && left < row.until() && left < counted.cover.ends_after(today);
    let then = if goes_on { steps.get(own + 1).map(|step| step.percent) } else { None };
    Some(RecordAccount {
        record: row.record().to_owned(),
        version: row.version(),
        item: row.item().to_owned(),
        occurred_on: row.occurred().date()?,
        percent: counted.percent,
        since: since.date()?,
        until: until.date(),
        then,
        share: None,
        told: Bilingual::new("", ""),
    })
}

fn value_of(value: Measured<'_>) -> String {
    match value {
        Measured::Number(number) => number.exact().to_string(),
        Measured::Grade(grade) => grade.unwrap_or_default().to_owned(),
    }
}
