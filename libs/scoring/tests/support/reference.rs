//! A second reading of CONTRACT §4.1, written from its text alone: plain integers for decimals, the calendar
//! library's own subtraction of months, a look at every day's grants. It shares nothing with the crate but
//! the wire's messages.
use contract::grading::v1::{DecayStep, Indicator, Model, indicator::Measure};
use jiff::{ToSpan, civil::Date, civil::date};
use scoring::{Change, Decimal, Fact, FactSheet, Grant, Value};

pub const ITEMS: [&str; 3] = ["alpha", "beta", "gamma"];
/// The item whose records need a grant.
pub const AUTHORIZED: &str = "gamma";
pub const DEPARTMENT: &str = "虚构市水务局";

/// A record, as plain as can be.
#[derive(Clone, Debug)]
pub struct Record {
    pub name: String,
    pub item: &'static str,
    pub on: Date,
    pub severity: i32,
    /// In ten-thousandths.
    pub amount: Option<i64>,
    pub grade: Option<String>,
    pub order: u64,
    pub from: Option<Date>,
    pub until: Option<Date>,
}

/// A subject.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    pub records: Vec<Record>,
    /// Item, department, first and last day.
    pub grants: Vec<(&'static str, &'static str, Date, Option<Date>)>,
}

impl Record {
    pub fn fact(&self) -> Fact {
        let decimal = |scaled: i64| {
            let sign = if scaled < 0 { "-" } else { "" };
            let size = scaled.unsigned_abs();
            Decimal::parse(&format!("{sign}{}.{:04}", size / 10_000, size % 10_000)).unwrap()
        };
        Fact {
            record: self.name.clone(),
            version: 1,
            item: self.item.to_owned(),
            occurred_on: self.on,
            severity: self.severity,
            amount: self.amount.map(decimal),
            fields: self.grade.iter().map(|grade| ("grade".to_owned(), Value::Text(grade.clone()))).collect(),
            order: self.order,
            effective_from: self.from,
            effective_until: self.until,
        }
    }
}

impl Subject {
    pub fn sheet(&self) -> FactSheet {
        let mut sheet = FactSheet::new();
        for record in &self.records {
            sheet.apply(Change::Put(record.fact())).unwrap();
        }
        for (number, (item, department, from, until)) in self.grants.iter().enumerate() {
            sheet
                .apply(Change::Grant(Grant {
                    grant: format!("g{number}"),
                    item: (*item).to_owned(),
                    department: (*department).to_owned(),
                    from: *from,
                    until: *until,
                }))
                .unwrap();
        }
        sheet
    }

    fn is_granted(&self, item: &str, day: Date) -> bool {
        item != AUTHORIZED
            || self.grants.iter().any(|(covered, department, from, until)| {
                *covered == item
                    && *department == DEPARTMENT
                    && *from <= day
                    && until.is_none_or(|until| day <= until)
            })
    }
}

/// The filters in use, each with what it means.
type Filter = (&'static str, fn(&Record) -> bool);
pub const FILTERS: &[Filter] = &[
    ("", |_| true),
    ("severity >= 2", |record| record.severity >= 2),
    ("amount > 10.5 || has(grade)", |record| {
        record.amount.is_some_and(|amount| amount > 105_000) || record.grade.is_some()
    }),
    ("!(grade in ['A', 'B']) && occurredOn < '2025-01-01'", |record| {
        !matches!(record.grade.as_deref(), Some("A" | "B")) && record.on < date(2025, 1, 1)
    }),
    ("amount <= 20 && !(severity == 0)", |record| {
        record.amount.is_some_and(|amount| amount <= 200_000) && record.severity != 0
    }),
    ("grade != 'C' || occurredOn >= '2024-02-29'", |record| {
        record.grade.as_deref().is_some_and(|grade| grade != "C") || record.on >= date(2024, 2, 29)
    }),
];

pub const GRADES: [(&str, f64); 4] = [("A", 90.0), ("B", 75.5), ("C", 60.0), ("D", 0.0)];

/// The places of a product: amount 4, percent 4 and 2, points 4.
const ONE: i128 = 10_i128.pow(14);

/// A number of the wire in 10^-14, read off the digits that it is printed with.
pub fn exact(number: f64) -> i128 {
    let text = format!("{number}");
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |digits| (-1, digits));
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let places = format!("{places:0<14}");
    sign * (whole.parse::<i128>().unwrap() * ONE + places.parse::<i128>().unwrap())
}

/// The records that count, each with its percent in ten-thousandths.
fn counted<'s>(
    subject: &'s Subject,
    items: &[String],
    filter: &str,
    decay: &[DecayStep],
    as_of: Date,
) -> Vec<(&'s Record, i128)> {
    let meaning = FILTERS.iter().find(|(source, _)| *source == filter).unwrap().1;
    let percent = |record: &Record| match decay {
        [] => Some(1_000_000),
        _ => decay
            .iter()
            .find(|step| as_of.checked_sub(step.within_months.months()).unwrap() < record.on)
            .map(|step| exact(step.percent) / 10_i128.pow(10)),
    };
    let counts = |record: &&Record| {
        record.from.is_none_or(|from| from <= as_of)
            && record.until.is_none_or(|until| as_of < until)
            && record.on <= as_of
            && items.iter().any(|item| item == record.item)
            && subject.is_granted(record.item, as_of)
            && meaning(record)
    };
    subject.records.iter().filter(counts).filter_map(|record| Some((record, percent(record)?))).collect()
}

/// The points of an indicator, by §4.1.2 and 3.
fn points(indicator: &Indicator, counted: &[(&Record, i128)]) -> i128 {
    // In 10^-10.
    let value: i128 = match indicator.measure() {
        Measure::Count => counted.iter().map(|(_, percent)| percent * 10_i128.pow(4)).sum(),
        Measure::SumAmount => {
            counted.iter().map(|(record, percent)| i128::from(record.amount.unwrap_or(0)) * percent).sum()
        }
        Measure::Exists => i128::from(!counted.is_empty()) * 10_i128.pow(10),
        Measure::LatestGrade => {
            let latest =
                counted.iter().map(|(record, _)| record).max_by_key(|record| (record.on, record.order));
            let given = latest.and_then(|record| indicator.grade_points.get(record.grade.as_ref()?));
            return clamped(given.map_or(0, |points| exact(*points)), indicator);
        }
        Measure::Unspecified => panic!("no measure"),
    };
    let points = if indicator.bands.is_empty() {
        value * (exact(indicator.points_per_unit.unwrap()) / 10_i128.pow(10))
    } else {
        let reached = indicator.bands.iter().filter(|band| exact(band.at_least) <= value * 10_i128.pow(4));
        reached.max_by_key(|band| exact(band.at_least)).map_or(0, |band| exact(band.points))
    };
    clamped(points, indicator)
}

fn clamped(points: i128, indicator: &Indicator) -> i128 {
    let points = indicator.min_points.map_or(points, |min| points.max(exact(min)));
    indicator.max_points.map_or(points, |max| points.min(exact(max)))
}

/// What an evaluation comes to, and its inputs: what time alone may change.
#[derive(Debug, PartialEq)]
pub struct Reference<'s> {
    /// Of each indicator and veto the records that count, with their percents in ten-thousandths.
    pub inputs: Vec<Vec<(&'s str, i128)>>,
    pub cents: i128,
    pub score_grade: &'static str,
    pub grade: &'static str,
    /// Whether the floor or cap of the score held.
    pub clamped: bool,
}

pub fn reference<'s>(model: &Model, subject: &'s Subject, as_of: Date) -> Reference<'s> {
    let mut inputs = Vec::new();
    let mut take = |counted: &[(&'s Record, i128)]| {
        inputs.push(counted.iter().map(|(record, percent)| (record.name.as_str(), *percent)).collect());
    };
    let mut sum = exact(model.base_score.unwrap());
    for indicator in &model.indicators {
        let counted = counted(subject, &indicator.items, &indicator.filter, &indicator.decay, as_of);
        sum += points(indicator, &counted);
        take(&counted);
    }
    let score = sum.max(exact(model.min_score.unwrap())).min(exact(model.max_score.unwrap()));
    let cent = ONE / 100;
    let cents = (score.abs() + cent / 2) / cent * score.signum();
    let by_score = GRADES.iter().position(|(_, min)| exact(*min) <= cents * cent).unwrap();
    let mut grade = by_score;
    for veto in &model.vetoes {
        let window = [DecayStep { within_months: veto.within_months, percent: 100.0 }];
        let decay = if veto.within_months == 0 { &[][..] } else { &window[..] };
        let counted = counted(subject, &veto.items, &veto.filter, decay, as_of);
        if !counted.is_empty() {
            grade = grade.max(GRADES.iter().position(|(name, _)| *name == veto.grade).unwrap());
        }
        take(&counted);
    }
    let (score_grade, grade) = (GRADES[by_score].0, GRADES[grade].0);
    Reference { inputs, cents, score_grade, grade, clamped: score != sum }
}
