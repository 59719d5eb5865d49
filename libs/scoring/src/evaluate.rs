//! Evaluates a sheet at a date: CONTRACT §4.1 step by step. Bulk grading and explanation judge records and sum
//! points by the same code, so that the two cannot differ, if in another order: what is told goes to a [`Sink`]
//! indicator by indicator, what is not told is summed item by item.
use std::{cell::Cell, cmp::Ordering};

use contract::grading::v1::{Explanation, IndicatorExplanation, VetoExplanation};
use jiff::civil::Date;
use prost_types::value::Kind;

use crate::{
    day::Day,
    decimal::{Decimal, Exact},
    facts::{Cover, FactSheet, Group, Row},
    measure::{Counted, Measure, Measured, Tally, latest_grade::LatestGrade},
    model::{
        Compiled, Indicator, MAX_ITEMS, Model, NATIONAL_EVALUATION, Rule, Selector, Step, UNGRADED, Veto,
    },
};

/// Beyond every place that a group of a sheet can have.
const ABSENT: u32 = u32::MAX;

/// What an evaluation comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// The grade, or [`UNGRADED`].
    pub grade: &'a str,
    /// The score, of two places; none where the national result is applied directly.
    pub score: Option<Decimal>,
    /// The first day after the date on which time alone makes other records count, or count otherwise.
    pub next_change_on: Option<Date>,
}

impl Compiled {
    /// Grades a sheet at a date; allocates nothing.
    pub fn grade<'a>(&'a self, sheet: &'a FactSheet, as_of: Date) -> Outcome<'a> {
        self.evaluate(sheet, as_of, &[], &mut ())
    }

    /// Grades many sheets at a date, faster than one by one: while one is graded, the memory of the next comes.
    pub fn grade_each<'a>(
        &'a self,
        sheets: impl IntoIterator<Item = &'a FactSheet>,
        as_of: Date,
        mut take: impl FnMut(Outcome<'a>),
    ) {
        let mut sheets = sheets.into_iter().peekable();
        while let Some(sheet) = sheets.next() {
            if let Some(next) = sheets.peek() {
                next.fetch();
            }
            take(self.grade(sheet, as_of));
        }
    }

    /// Grades a sheet at a date as if these records were repaired, withdrawn or expired by then.
    pub fn what_if<'a>(&'a self, sheet: &'a FactSheet, without: &[&str], as_of: Date) -> Outcome<'a> {
        self.evaluate(sheet, as_of, without, &mut ())
    }

    /// Grades a sheet at a date and says why. Whose grade it is, and which scheme's, is for the caller to
    /// fill in.
    pub fn explain(&self, sheet: &FactSheet, as_of: Date) -> Explanation {
        let mut explaining = Explaining::default();
        let outcome = self.evaluate(sheet, as_of, &[], &mut explaining);
        Explanation {
            as_of: as_of.to_string(),
            grade: outcome.grade.to_owned(),
            score: outcome.score.map(Decimal::to_f64),
            next_change_on: outcome.next_change_on.map(|date| date.to_string()).unwrap_or_default(),
            ..explaining.explanation
        }
    }

    pub(crate) fn evaluate<'a>(
        &'a self,
        sheet: &'a FactSheet,
        as_of: Date,
        without: &[&str],
        sink: &mut impl Sink,
    ) -> Outcome<'a> {
        let next = Cell::new(Day::NEVER);
        let places = self.places(sheet);
        let records = Records { scheme: self, sheet, places, without, as_of: Day::of(as_of), next };
        let (grade, score) = match &self.rule {
            Rule::Direct(selector) => (direct(selector, &records, sink), None),
            Rule::Model(model) => {
                let score = model.score(&records, sink);
                (model.grade(score, &records, sink), Some(score))
            }
        };
        Outcome { grade, score, next_change_on: records.next.get().settled().date() }
    }

    /// Where the sheet's groups are, by the place of their item; both are ascending, so that one pass finds
    /// them all.
    fn places(&self, sheet: &FactSheet) -> [u32; MAX_ITEMS] {
        let mut places = [ABSENT; MAX_ITEMS];
        let mut groups = (0..ABSENT).zip(sheet.items());
        let mut next = groups.next();
        for (place, item) in places.iter_mut().zip(self.items.iter().map(String::as_bytes)) {
            while let Some((index, own)) = next {
                // The first bytes nearly always tell, and sooner than a call does.
                match own.first().cmp(&item.first()).then_with(|| own.cmp(item)) {
                    Ordering::Less => next = groups.next(),
                    Ordering::Equal => {
                        *place = index;
                        next = groups.next();
                        break;
                    }
                    Ordering::Greater => break,
                }
            }
        }
        places
    }
}

/// §4.1.6: the latest national evaluation's grade.
fn direct<'a>(selector: &Selector, records: &Records<'a, '_>, sink: &mut impl Sink) -> &'a str {
    let value = records.measure(selector, &LatestGrade, sink).unwrap_or(Measured::Grade(None));
    sink.national(value);
    match value {
        Measured::Grade(Some(grade)) => grade,
        _ => UNGRADED,
    }
}

impl Model {
    /// §4.1.4: what everybody starts from and all points, clamped, rounded to two places.
    fn score<S: Sink>(&self, records: &Records<'_, '_>, sink: &mut S) -> Decimal {
        let score = if S::TELLS { self.told(records, sink) } else { self.summed(records) };
        let score = score.max(self.min.into());
        self.max.map_or(score, |max| score.min(max.into())).round_half_away()
    }

    /// The sum, indicator by indicator.
    fn told(&self, records: &Records<'_, '_>, sink: &mut impl Sink) -> Exact {
        sink.base(self.base);
        let mut sum = Exact::from(self.base);
        for indicator in &self.indicators {
            let value = records.measure(&indicator.selector, indicator.measure, sink);
            let of_value = value.map(|value| (value, indicator.points(value)));
            let (value, (uncapped, points)) = of_value.unwrap_or(indicator.idle);
            sink.indicator(indicator, value, uncapped, points);
            sum = sum.plus(points);
        }
        sum
    }

    /// The same sum, item by item, and only of the items of which there are records: most subjects have records
    /// of few.
    fn summed(&self, records: &Records<'_, '_>) -> Exact {
        let mut sum = self.idle;
        for (item, indicators) in self.alone.iter().enumerate() {
            if let Some(group) = records.group(item) {
                for at in indicators {
                    sum = sum.plus(self.indicators[*at].exceeds(records, &group));
                }
            }
        }
        for indicator in self.together.iter().map(|at| &self.indicators[*at]) {
            sum = sum.plus(indicator.above_idle(&records.tally(&indicator.selector, None, &mut ())));
        }
        sum
    }

    /// §4.1.5: the grade of the score, lowered by each veto that holds.
    fn grade(&self, score: Decimal, records: &Records<'_, '_>, sink: &mut impl Sink) -> &str {
        // Compiling made sure that the last grade's threshold is reached by every score.
        let last = self.grades.len() - 1;
        let mut grade = self.grades.iter().position(|grade| grade.min <= score).unwrap_or(last);
        sink.score_grade(&self.grades[grade].name);
        for veto in &self.vetoes {
            if records.exist(&veto.selector, sink) {
                grade = grade.max(veto.grade);
                sink.veto(veto, &self.grades[veto.grade].name);
            }
        }
        &self.grades[grade].name
    }
}

impl Indicator {
    /// By how much the points of the records of a group exceed those of none. A function by itself, so that the
    /// loop over the rows has the processor's registers.
    #[inline(never)]
    fn exceeds<'a>(&self, records: &Records<'a, '_>, group: &Covered<'a>) -> Exact {
        let mut tally = Tally::default();
        records.take(&self.selector, group, &mut tally, |_| ());
        self.above_idle(&tally)
    }
}

/// The records of an item, and on which days they count.
struct Covered<'a> {
    group: Group<'a>,
    cover: Cover<'a>,
}

/// A sheet seen from a date.
struct Records<'a, 'w> {
    scheme: &'a Compiled,
    sheet: &'a FactSheet,
    /// The place of the group of each of the scheme's items, or [`ABSENT`].
    places: [u32; MAX_ITEMS],
    /// The records that are taken for gone.
    without: &'w [&'w str],
    as_of: Day,
    /// The soonest day on which any record that was looked at counts otherwise than at `as_of`.
    next: Cell<Day>,
}

impl<'a> Records<'a, '_> {
    /// The value of the records that count; none if none does.
    #[inline]
    fn measure(
        &self,
        selector: &Selector,
        measure: &dyn Measure,
        sink: &mut impl Sink,
    ) -> Option<Measured<'a>> {
        let tally = self.tally(selector, Some(measure), sink);
        tally.any().then(|| measure.value(&tally))
    }

    fn exist(&self, selector: &Selector, sink: &mut impl Sink) -> bool {
        self.tally(selector, None, sink).any()
    }

    fn tally(&self, selector: &Selector, measure: Option<&dyn Measure>, sink: &mut impl Sink) -> Tally<'a> {
        let mut tally = Tally::default();
        for item in &selector.items {
            if let Some(group) = self.group(*item) {
                self.take(selector, &group, &mut tally, |counted| sink.counted(selector, measure, counted));
            }
        }
        tally
    }

    /// The records of an item, and on which days they count.
    #[inline]
    fn group(&self, item: usize) -> Option<Covered<'a>> {
        let place = self.places[item];
        if place == ABSENT {
            return None;
        }
        Some(Covered { group: self.sheet.group(place as usize)?, cover: self.cover(item) })
    }

    /// Takes the records that count (§4.1.1). All are looked at: those that do not count yet decide what changes
    /// next.
    #[inline]
    fn take(
        &self,
        selector: &Selector,
        Covered { group, cover }: &Covered<'a>,
        tally: &mut Tally<'a>,
        mut tell: impl FnMut(&Counted<'a>),
    ) {
        let mut latest = None;
        for row in group.rows() {
            if self.is_gone(&row) {
                continue;
            }
            if let Some(percent) = self.percent(selector, *cover, &row) {
                let counted = Counted { row, percent, cover: *cover };
                tell(&counted);
                tally.take(&counted);
                latest = Some(row);
            }
        }
        if let Some(row) = latest {
            tally.take_latest(row);
        }
    }

    #[inline]
    fn is_gone(&self, row: &Row<'_>) -> bool {
        !self.without.is_empty() && self.without.contains(&row.record())
    }

    fn cover(&self, item: usize) -> Cover<'a> {
        match (self.scheme.authorized[item], self.scheme.department.as_str()) {
            (false, _) => Cover::Always,
            (true, "") => Cover::Granted(&[]),
            (true, department) => self.sheet.cover(&self.scheme.items[item], department),
        }
    }

    /// By how much a record counts, if it does; notes the day on which that ends, or begins.
    #[inline]
    fn percent(&self, selector: &Selector, cover: Cover<'_>, row: &Row<'_>) -> Option<Decimal> {
        let begins = cover.first_from(row.occurred().max(row.from()).max(self.as_of));
        if begins >= row.until() {
            return None;
        }
        // Counted rather than searched for: which step it is, no processor foresees.
        let left = |step: &Step| usize::from(step.edge(row.occurred()) <= begins);
        let step = selector.steps.get(selector.steps.iter().map(left).sum::<usize>())?;
        if !selector.condition.holds(row) {
            return None;
        }
        if begins > self.as_of {
            self.changes_on(begins);
            return None;
        }
        self.changes_on(step.edge(row.occurred()).min(row.until()).min(cover.ends_after(begins)));
        Some(step.percent)
    }

    fn changes_on(&self, day: Day) {
        self.next.set(self.next.get().min(day));
    }
}

/// What is told on the way of an evaluation; by default nothing is kept.
pub(crate) trait Sink {
    /// Whether anything is kept: if so, indicators come one by one, those without records among them.
    const TELLS: bool = true;

    fn base(&mut self, _base: Decimal) {}
    /// A record counts, for a measure's value or, with none, for a veto.
    fn counted(&mut self, _selector: &Selector, _measure: Option<&dyn Measure>, _counted: &Counted<'_>) {}
    fn indicator(&mut self, _indicator: &Indicator, _value: Measured<'_>, _uncapped: Exact, _points: Exact) {}
    fn national(&mut self, _value: Measured<'_>) {}
    fn score_grade(&mut self, _grade: &str) {}
    fn veto(&mut self, _veto: &Veto, _grade: &str) {}
}

impl Sink for () {
    const TELLS: bool = false;
}

/// An explanation in the making, with the records that counted since its last entry.
#[derive(Default)]
struct Explaining {
    explanation: Explanation,
    records: Vec<String>,
}

impl Sink for Explaining {
    fn base(&mut self, base: Decimal) {
        self.explanation.base_score = Some(base.to_f64());
    }

    fn counted(&mut self, _: &Selector, _: Option<&dyn Measure>, counted: &Counted<'_>) {
        self.records.push(counted.row.record().to_owned());
    }

    fn indicator(&mut self, indicator: &Indicator, value: Measured<'_>, uncapped: Exact, points: Exact) {
        self.explanation.indicators.push(IndicatorExplanation {
            id: indicator.id.clone(),
            name: indicator.name.clone(),
            dimension: indicator.dimension.clone(),
            value: Some(value_of(value)),
            points: points.to_f64(),
            uncapped_points: uncapped.to_f64(),
            records: std::mem::take(&mut self.records),
        });
    }

    /// The national result applied directly is explained as one indicator without points.
    fn national(&mut self, value: Measured<'_>) {
        self.explanation.indicators.push(IndicatorExplanation {
            id: NATIONAL_EVALUATION.to_owned(),
            name: "国家公共信用综合评价".to_owned(),
            value: Some(value_of(value)),
            records: std::mem::take(&mut self.records),
            ..IndicatorExplanation::default()
        });
    }

    fn score_grade(&mut self, grade: &str) {
        self.explanation.score_grade = grade.to_owned();
    }

    fn veto(&mut self, veto: &Veto, grade: &str) {
        self.explanation.vetoes.push(VetoExplanation {
            id: veto.id.clone(),
            grade: grade.to_owned(),
            reason: veto.reason.clone(),
            records: std::mem::take(&mut self.records),
        });
    }
}

fn value_of(value: Measured<'_>) -> prost_types::Value {
    let kind = match value {
        Measured::Number(number) => Kind::NumberValue(number.exact().to_f64()),
        Measured::Grade(Some(grade)) => Kind::StringValue(grade.to_owned()),
        Measured::Grade(None) => Kind::NullValue(0),
    };
    prost_types::Value { kind: Some(kind) }
}
