//! The scheme of the scoring bench, in the contract's terms and in SQL: each indicator's condition stands here in both languages.
use std::{collections::BTreeMap, fmt::Write as _};

use contract::grading::v1::{Band, DecayStep, Grade, Indicator, Model, Veto, indicator::Measure};
use jiff::civil::Date;
use scoring::{Compiled, FieldType, Schemas};

pub const ITEMS: [&str; 10] = [
    "administrative-penalty",
    "arrears",
    "award",
    "complaint",
    "contract-performance",
    "inspection-result",
    "judgment",
    "licence",
    "national-evaluation",
    "operating-anomaly",
];
pub const KINDS: [&str; 4] = ["A", "B", "C", "D"];

/// One indicator.
pub struct Line {
    item: &'static str,
    measure: Measure,
    condition: &'static str,
    sql: &'static str,
    /// Months and percent.
    decay: &'static [(i32, i32)],
    points: Points,
}

enum Points {
    /// Points per unit, floor and cap.
    PerUnit(&'static str, Option<&'static str>, Option<&'static str>),
    /// Least value and points, ascending.
    Bands(&'static [(&'static str, &'static str)]),
    Grades(&'static [(&'static str, &'static str)]),
}
use Measure::{Count, Exists, LatestGrade, SumAmount};
use Points::{Bands, Grades, PerUnit};

const fn line(
    item: usize,
    measure: Measure,
    (condition, sql): (&'static str, &'static str),
    decay: &'static [(i32, i32)],
    points: Points,
) -> Line {
    Line { item: ITEMS[item], measure, condition, sql, decay, points }
}

const ALL: (&str, &str) = ("", "true");
const GRAVE: (&str, &str) = ("severity >= 2", "severity >= 2");
const LARGE: (&str, &str) = (
    "severity >= 1 && (grade == 'D' || amount > 5000.0)",
    "severity >= 1 AND (grade = 'D' OR amount > 5000)",
);
const GOOD: (&str, &str) = ("grade in ['A', 'B']", "grade IN ('A', 'B')");
const RECENT: (&str, &str) = ("occurredOn >= '2023-07-01'", "occurred_on >= DATE '2023-07-01'");
const THREE_YEARS: &[(i32, i32)] = &[(12, 100), (36, 50)];
const STEPS: &[(i32, i32)] = &[(6, 100), (12, 75), (24, 50), (60, 25)];
const YEAR: &[(i32, i32)] = &[(12, 100)];

pub const LINES: [Line; 20] = [
    line(0, Count, GRAVE, THREE_YEARS, PerUnit("-5", Some("-20"), Some("0"))),
    line(0, SumAmount, LARGE, STEPS, PerUnit("-0.0005", Some("-15"), None)),
    line(1, Exists, ALL, YEAR, PerUnit("-8.5", None, None)),
    line(1, SumAmount, RECENT, THREE_YEARS, Bands(&[("1000", "-1"), ("10000", "-4.25"), ("20000", "-9")])),
    line(2, Count, GOOD, STEPS, PerUnit("2.125", None, Some("6"))),
    line(2, Exists, GRAVE, &[], PerUnit("1.5", None, None)),
    line(3, Count, ALL, THREE_YEARS, Bands(&[("0.5", "-1.05"), ("2", "-3.3333"), ("4", "-7")])),
    line(3, Exists, LARGE, YEAR, PerUnit("-2", None, None)),
    line(4, LatestGrade, ALL, STEPS, Grades(&[("A", "6"), ("B", "2.5"), ("D", "-10")])),
    line(4, Count, GOOD, YEAR, PerUnit("0.75", None, Some("3"))),
    line(5, Count, LARGE, STEPS, PerUnit("-3.005", Some("-12"), None)),
    line(5, LatestGrade, GRAVE, THREE_YEARS, Grades(&[("A", "4"), ("C", "-2.25"), ("D", "-6")])),
    line(6, SumAmount, ALL, STEPS, PerUnit("-0.0003", Some("-10"), None)),
    line(6, Exists, RECENT, THREE_YEARS, PerUnit("-1.25", None, None)),
    line(7, Count, ALL, &[], PerUnit("0.5", None, Some("1.5"))),
    line(7, Exists, GOOD, THREE_YEARS, PerUnit("2", None, None)),
    line(8, LatestGrade, ALL, &[], Grades(&[("A", "10"), ("B", "5"), ("C", "-5"), ("D", "-15")])),
    line(8, Count, RECENT, YEAR, PerUnit("0.005", None, None)),
    line(9, Count, GRAVE, STEPS, Bands(&[("0.25", "-4"), ("1", "-6.5"), ("2", "-11")])),
    line(9, Exists, ALL, YEAR, PerUnit("-3", None, None)),
];
const VETO: (&str, (&str, &str), i32, &str) =
    ("judgment", ("severity >= 3 && amount >= 15000", "severity >= 3 AND amount >= 15000"), 24, "D");
const BASE: i32 = 80;
const MAX: i32 = 100;
const LEVELS: [(&str, i32); 4] = [("A", 85), ("B", 70), ("C", 55), ("D", 0)];

fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

fn indicator((index, line): (usize, &Line)) -> Indicator {
    let mut indicator = Indicator {
        id: format!("i{index}"),
        name: format!("指标{index}"),
        items: vec![line.item.to_owned()],
        filter: line.condition.to_owned(),
        measure: line.measure as i32,
        ..Indicator::default()
    };
    let step =
        |(months, percent): &(i32, i32)| DecayStep { within_months: *months, percent: f64::from(*percent) };
    indicator.decay = line.decay.iter().map(step).collect();
    match &line.points {
        PerUnit(points, min, max) => {
            indicator.points_per_unit = Some(number(points));
            (indicator.min_points, indicator.max_points) = (min.map(number), max.map(number));
        }
        Bands(bands) => {
            let band = |(at, points): &(&str, &str)| Band { at_least: number(at), points: number(points) };
            indicator.bands = bands.iter().map(band).collect();
        }
        Grades(grades) => {
            let given = grades.iter().map(|(grade, points)| ((*grade).to_owned(), number(points)));
            indicator.grade_points = given.collect::<BTreeMap<_, _>>().into_iter().collect();
        }
    }
    indicator
}

/// The scheme, compiled.
pub fn compiled() -> anyhow::Result<Compiled> {
    let mut schemas = Schemas::new();
    for item in ITEMS {
        schemas.insert(item, [("grade", FieldType::Text)]);
    }
    let (item, (filter, _), within_months, grade) = VETO;
    let model = Model {
        base_score: Some(f64::from(BASE)),
        min_score: Some(0.0),
        max_score: Some(f64::from(MAX)),
        indicators: LINES.iter().enumerate().map(indicator).collect(),
        vetoes: vec![Veto {
            id: String::from("veto"),
            items: vec![item.to_owned()],
            filter: filter.to_owned(),
            within_months,
            grade: grade.to_owned(),
            reason: String::new(),
        }],
        grades: LEVELS
            .map(|(grade, min)| Grade {
                grade: grade.to_owned(),
                min_score: min.into(),
                label: String::new(),
            })
            .into(),
    };
    Compiled::model(&model, &schemas).map_err(|problems| anyhow::anyhow!("{problems:#?}"))
}

/// How DuckDB takes the records in: in the types that it is fastest with.
pub fn load(subjects: u32) -> String {
    let words = |words: &[&str]| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
    format!(
        "CREATE TYPE item AS ENUM ({}); CREATE TYPE grade AS ENUM ({});
         CREATE TABLE subjects AS SELECT range::INTEGER AS subject FROM range({subjects});
         CREATE TABLE records (subject INTEGER, item item, occurred_on DATE, severity INTEGER, amount DECIMAL(18, 2),
                               grade grade, until_on DATE, ord INTEGER);
         COPY records FROM '{{records}}' (HEADER false);",
        words(&ITEMS),
        words(&KINDS)
    )
}

fn window(as_of: Date, months: i32) -> String {
    format!("occurred_on > CAST(DATE '{as_of}' - INTERVAL {months} MONTH AS DATE)")
}

/// CONTRACT §4.1 as one query: `subject`, `score`, `grade`.
pub fn query(as_of: Date) -> String {
    let (mut measured, mut pointed, mut sum) = (String::new(), String::new(), format!("{BASE}"));
    for (index, line) in LINES.iter().enumerate() {
        let counts = format!("item = '{}' AND {}", line.item, line.sql);
        let percent = line.decay.iter().fold(String::new(), |mut cases, (months, percent)| {
            let _ = write!(cases, " WHEN {} THEN {percent}", window(as_of, *months));
            cases
        });
        let percent = if percent.is_empty() { String::from("100") } else { format!("CASE{percent} END") };
        let last = line.decay.last().map_or(String::from("true"), |(months, _)| window(as_of, *months));
        let value = match line.measure {
            Count => format!("coalesce(sum(CASE WHEN {counts} THEN {percent} END), 0)"),
            SumAmount => format!("coalesce(sum(CASE WHEN {counts} THEN amount * {percent} END), 0)"),
            Exists => format!("bool_or({counts} AND {last})"),
            _ => format!(
                "arg_max(grade, (occurred_on - DATE '2000-01-01') * 100 + ord) FILTER ({counts} AND {last})"
            ),
        };
        // Sums of percents, and of amounts times percents, stay whole: points are per hundredth of them.
        let _ = writeln!(measured, ",\n {value} AS v{index}");
        let points = points(line, index);
        let _ = writeln!(pointed, ",\n {points} AS p{index}");
        let _ = write!(sum, " + p{index}");
    }
    let (item, (_, veto), months, veto_grade) = VETO;
    let levels = LEVELS.iter().fold(String::new(), |mut cases, (grade, min)| {
        let _ = write!(cases, " WHEN score >= {min} THEN '{grade}'");
        cases
    });
    format!(
        "WITH measured AS (SELECT subject{measured},
           bool_or(item = '{item}' AND {veto} AND {}) AS vetoed
           FROM records WHERE occurred_on <= DATE '{as_of}' AND (until_on IS NULL OR until_on > DATE '{as_of}') GROUP BY subject),
         pointed AS (SELECT s.subject, coalesce(vetoed, false) AS vetoed{pointed} FROM subjects s LEFT JOIN measured m ON m.subject = s.subject),
         summed AS (SELECT subject, vetoed, round(least({MAX}, greatest(0, {sum})), 2)::DECIMAL(9, 2) AS score FROM pointed)
         SELECT subject, score, CASE WHEN vetoed THEN '{veto_grade}'{levels} END AS grade FROM summed",
        window(as_of, months)
    )
}

// In DECIMAL(38, 8): what a sum of amounts times percents has, times points, at most.
fn points(line: &Line, index: usize) -> String {
    match &line.points {
        PerUnit(points, ..) if line.measure == Exists => {
            format!("CASE WHEN v{index} THEN {points} ELSE 0 END::DECIMAL(38, 8)")
        }
        PerUnit(points, min, max) => {
            let mut sql =
                format!("(coalesce(v{index}, 0)::DECIMAL(22, 2) * ({points} * 0.01)::DECIMAL(12, 6))");
            if let Some(min) = min {
                sql = format!("greatest({min}, {sql})");
            }
            if let Some(max) = max {
                sql = format!("least({max}, {sql})");
            }
            format!("{sql}::DECIMAL(38, 8)")
        }
        Bands(bands) => {
            let cases = bands.iter().rev().fold(String::new(), |mut cases, (at, points)| {
                let _ = write!(cases, " WHEN v{index} >= {at} * 100 THEN {points}");
                cases
            });
            format!("CASE{cases} ELSE 0 END::DECIMAL(38, 8)")
        }
        Grades(grades) => {
            let cases = grades.iter().fold(String::new(), |mut cases, (grade, points)| {
                let _ = write!(cases, " WHEN '{grade}' THEN {points}");
                cases
            });
            format!("CASE v{index}{cases} ELSE 0 END::DECIMAL(38, 8)")
        }
    }
}
