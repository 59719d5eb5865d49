//! A compiled scheme: the model of CONTRACT §4.1 in the form that evaluation runs on.
mod compile;
mod problem;

use contract::grading::v1::Model as Wire;
pub use problem::Problem;

use crate::{
    condition::Condition,
    day::Day,
    decimal::{Decimal, Exact},
    facts::is_same,
    measure::{Measure, Measured, Tally},
    schema::Schemas,
};

/// The item under which the state's public credit comprehensive evaluation 国家公共信用综合评价 is recorded.
pub const NATIONAL_EVALUATION: &str = "national-evaluation";
/// The grade of a subject that has none.
pub const UNGRADED: &str = "UNGRADED";

/// The items that one model names at most, in all its indicators and vetoes.
pub const MAX_ITEMS: usize = 256;
/// The indicators of a model at most.
pub const MAX_INDICATORS: usize = 200;

/// The points that one indicator gives or takes at most, whatever its value: far above what any scheme means,
/// and so small that the sum of all indicators stays exact.
const MOST_POINTS: Exact = Exact::whole(100_000_000_000);
const LEAST_POINTS: Exact = Exact::whole(-100_000_000_000);

/// A scheme that is known to work on every sheet.
pub struct Compiled {
    /// The items that it reads, ascending; selectors count into them.
    pub(crate) items: Vec<String>,
    /// Which of them need the subject's grant; as many as there are items.
    pub(crate) authorized: Vec<bool>,
    /// To whom a grant has to be; empty if to nobody, so that no record under a grant counts.
    pub(crate) department: String,
    pub(crate) rule: Rule,
}

pub(crate) enum Rule {
    /// The state's grade is the grade.
    Direct(Selector),
    Model(Model),
}

pub(crate) struct Model {
    pub(crate) base: Decimal,
    pub(crate) min: Decimal,
    pub(crate) max: Option<Decimal>,
    pub(crate) indicators: Vec<Indicator>,
    /// The places of the indicators that read one item alone, by the item.
    pub(crate) alone: Vec<Vec<usize>>,
    /// The places of those that read several.
    pub(crate) together: Vec<usize>,
    /// The base and all points where no record counts.
    pub(crate) idle: Exact,
    pub(crate) vetoes: Vec<Veto>,
    /// Best first, their thresholds descending; the last is reached by every score.
    pub(crate) grades: Vec<Grade>,
}

pub(crate) struct Indicator {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) dimension: String,
    pub(crate) selector: Selector,
    pub(crate) measure: &'static dyn Measure,
    pub(crate) points: Points,
    pub(crate) min: Option<Decimal>,
    pub(crate) max: Option<Decimal>,
    /// The points that it gives at least and at most.
    pub(crate) bounds: (Exact, Exact),
    /// The value where no record counts, and its points before floor and cap and after: most indicators of most
    /// subjects.
    pub(crate) idle: (Measured<'static>, (Exact, Exact)),
}

/// Which records count, and by how much.
pub(crate) struct Selector {
    pub(crate) items: Vec<usize>,
    pub(crate) condition: Condition,
    /// In order; never empty.
    pub(crate) steps: Vec<Step>,
}

/// One step of decay 衰减.
pub(crate) struct Step {
    /// The months of the window; none if it reaches back without end.
    pub(crate) within: Option<i32>,
    pub(crate) percent: Decimal,
}

/// How points follow from a value.
pub(crate) enum Points {
    PerUnit(Decimal),
    /// The least value of a band and its points, ascending.
    Bands(Vec<(Decimal, Decimal)>),
    Grades(Vec<(String, Decimal)>),
}

pub(crate) struct Veto {
    pub(crate) id: String,
    pub(crate) reason: String,
    pub(crate) selector: Selector,
    /// The place of its grade among the grades.
    pub(crate) grade: usize,
}

pub(crate) struct Grade {
    pub(crate) name: String,
    pub(crate) min: Decimal,
}

impl Compiled {
    /// Compiles a model, or says everything that is wrong with it.
    pub fn model(model: &Wire, schemas: &Schemas) -> Result<Self, Vec<Problem>> {
        compile::compile(model, schemas)
    }

    /// The scheme that applies the national result as it is 直接应用 (CONTRACT §4.1.6).
    pub fn direct() -> Self {
        Self::direct_in(&Schemas::new())
    }

    /// The same by a catalogue, which may put the national result under the subject's grant.
    pub fn direct_in(schemas: &Schemas) -> Self {
        let selector = Selector { items: vec![0], condition: Condition::always(), steps: vec![Step::ALL] };
        Self::of(vec![NATIONAL_EVALUATION.to_owned()], schemas, Rule::Direct(selector))
    }

    fn of(items: Vec<String>, schemas: &Schemas, rule: Rule) -> Self {
        let authorized = items.iter().map(|item| schemas.needs_grant(item)).collect();
        Self { items, authorized, department: String::new(), rule }
    }

    /// The scheme as this department's: records of items that need the subject's grant count where it is to
    /// this department. Without it none of them count.
    #[must_use]
    pub fn of_department(self, department: impl Into<String>) -> Self {
        Self { department: department.into(), ..self }
    }

    /// The items whose records the scheme reads: a change of any other leaves its grades as they are.
    pub fn items(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(String::as_str)
    }

    /// Its grades, best first; none where the national result is applied directly.
    pub fn grades(&self) -> impl Iterator<Item = &str> {
        let grades = match &self.rule {
            Rule::Direct(_) => &[][..],
            Rule::Model(model) => &model.grades,
        };
        grades.iter().map(|grade| grade.name.as_str())
    }

    /// Those of its items that need the subject's grant: a change of another grant leaves its grades as they
    /// are.
    pub fn authorized_items(&self) -> impl Iterator<Item = &str> {
        self.items().zip(&self.authorized).filter_map(|(item, needs)| needs.then_some(item))
    }
}

impl Model {
    pub(crate) fn new(
        base: Decimal,
        (min, max): (Decimal, Option<Decimal>),
        indicators: Vec<Indicator>,
        vetoes: Vec<Veto>,
        grades: Vec<Grade>,
    ) -> Self {
        let (mut alone, mut together) = (Vec::new(), Vec::new());
        for (at, indicator) in indicators.iter().enumerate() {
            let [item] = indicator.selector.items[..] else {
                together.push(at);
                continue;
            };
            alone.resize(alone.len().max(item + 1), Vec::new());
            alone[item].push(at);
        }
        let idle = indicators.iter().map(|indicator| indicator.idle.1.1).fold(base.into(), Exact::plus);
        Self { base, min, max, indicators, alone, together, idle, vetoes, grades }
    }
}

impl Indicator {
    /// What floor and cap, where they are given, leave of the points.
    pub(crate) fn bounds(min: Option<Decimal>, max: Option<Decimal>) -> (Exact, Exact) {
        (min.map_or(LEAST_POINTS, Exact::from), max.map_or(MOST_POINTS, Exact::from))
    }

    /// By how much the points of these records exceed those of none.
    #[inline]
    pub(crate) fn above_idle(&self, tally: &Tally<'_>) -> Exact {
        if !tally.any() {
            return Exact::ZERO;
        }
        let (least, most) = self.bounds;
        self.points.of(self.measure.value(tally)).max(least).min(most).minus(self.idle.1.1)
    }

    /// The points of a value before floor and cap, and after (CONTRACT §4.1.3).
    #[inline]
    pub(crate) fn points(&self, value: Measured<'_>) -> (Exact, Exact) {
        let points = self.points.of(value).clamp(LEAST_POINTS, MOST_POINTS);
        (points, points.max(self.bounds.0).min(self.bounds.1))
    }
}

impl Points {
    #[inline]
    fn of(&self, value: Measured<'_>) -> Exact {
        match (self, value) {
            (Self::PerUnit(points), Measured::Number(value)) => value.times(*points),
            (Self::Bands(bands), Measured::Number(value)) => {
                let band = bands.iter().rev().find(|(at_least, _)| value.reaches(*at_least));
                band.map_or(Exact::ZERO, |(_, points)| (*points).into())
            }
            (Self::Grades(points), Measured::Grade(Some(grade))) => {
                let given = points.iter().find(|(own, _)| is_same(own.as_bytes(), grade.as_bytes()));
                given.map_or(Exact::ZERO, |(_, points)| (*points).into())
            }
            // Compiling pairs each measure with the points of what it yields; what is left is a value that is
            // absent.
            _ => Exact::ZERO,
        }
    }
}

impl Step {
    /// Every record up to the date, whole.
    pub(crate) const ALL: Self = Self { within: None, percent: Decimal::HUNDRED };

    /// The first day on which a record of that day no longer falls in the step.
    pub(crate) fn left_on(&self, occurred: Day) -> Day {
        self.edge(occurred).settled()
    }

    /// What orders among days as [`Self::left_on`] does, at less cost: it need not be a day of the calendar.
    #[inline]
    pub(crate) fn edge(&self, occurred: Day) -> Day {
        self.within.map_or(Day::NEVER, |months| occurred.leaves_window(months))
    }
}
