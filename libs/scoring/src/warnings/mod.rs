//! What is doubtful in a model that compiles: parts that can never do anything, whatever the records. Told before
//! publishing, never a refusal. Sound: what is said to be impossible is, of records as the catalogue has them.
mod messages;
mod range;

use contract::grading::v1::Model as Wire;
use jiff::{ToSpan, civil::Date};
pub use messages::{Warning, WarningCode};
pub(crate) use range::Range;

use crate::{
    condition::{Condition, Question, spells},
    decimal::{Decimal, Exact},
    measure::{Yields, latest_grade},
    model::{Compiled, Indicator, Model, Points, Problem, Rule, Selector, Veto},
    schema::Schemas,
};

/// What is doubtful in a model, in its order; or what is wrong with it. `from` is the first day on which it may
/// grade: a window may have closed by then on all that a filter lets through.
pub fn warnings(model: &Wire, schemas: &Schemas, from: Date) -> Result<Vec<Warning>, Vec<Problem>> {
    let compiled = Compiled::model(model, schemas)?;
    let mut doubts = Doubts { wire: model, items: &compiled.items, schemas, from, found: Vec::new() };
    if let Rule::Model(model) = &compiled.rule {
        doubts.look(model);
    }
    Ok(doubts.found)
}

struct Doubts<'a> {
    wire: &'a Wire,
    items: &'a [String],
    schemas: &'a Schemas,
    from: Date,
    found: Vec<Warning>,
}

/// How a selector can meet records.
struct Reach {
    /// The months of the longest window; none if it has no end.
    within: Option<i32>,
    after: Option<Condition>,
}

impl Doubts<'_> {
    fn look(&mut self, model: &Model) {
        let mut score = Range::one(model.base.into());
        let mut idle = Vec::new();
        for (index, indicator) in model.indicators.iter().enumerate() {
            let points = self.indicator(index, indicator);
            idle.push(points.single().is_some());
            score = score.plus(&points);
        }
        self.dimensions(model, &idle);
        let score = score.clamped(Some(model.min), model.max).rounded();
        let by_score: Vec<bool> = (0..model.grades.len())
            .map(|grade| {
                let below = grade.checked_sub(1).map(|better| model.grades[better].min);
                score.meets(model.grades[grade].min, below)
            })
            .collect();
        let best = by_score.iter().position(|reached| *reached).unwrap_or_default();
        let fires: Vec<bool> = model
            .vetoes
            .iter()
            .enumerate()
            .map(|(index, veto)| self.veto(index, veto, best, model))
            .collect();
        self.vetoes_beside_each_other(model, &fires);
        self.grades(model, &by_score, best, &fires);
    }

    fn reach(&self, selector: &Selector) -> Reach {
        let within = selector.steps.last().and_then(|step| step.within);
        let since = within.and_then(|months| self.from.checked_sub(months.months()).ok());
        Reach { within, after: since.map(Condition::after) }
    }

    /// Whether a record of one of the items can ever count, with what else is asked of it.
    fn can_count(&self, selector: &Selector, item: usize, reach: &Reach, more: &[&Condition]) -> bool {
        let question = Question::of(self.schemas, &self.items[item]).holds(&selector.condition);
        let question = reach.after.iter().fold(question, Question::holds);
        more.iter().fold(question, |question, condition| question.holds(condition)).is_possible()
    }

    fn any_counts(&self, selector: &Selector, reach: &Reach, more: &[&Condition]) -> bool {
        selector.items.iter().any(|item| self.can_count(selector, *item, reach, more))
    }

    /// Tells what of a selector never counts; whether any of it can.
    fn selector(&mut self, path: &str, selector: &Selector, veto: bool) -> bool {
        let reach = self.reach(selector);
        let counting: Vec<bool> =
            selector.items.iter().map(|item| self.can_count(selector, *item, &reach, &[])).collect();
        if !counting.contains(&true) {
            let ageless = Reach { within: None, after: None };
            let warning = match reach.within {
                Some(months) if self.any_counts(selector, &ageless, &[]) => {
                    messages::window_closed(path, veto, months, self.from)
                }
                _ => messages::never_fires(path, veto),
            };
            self.found.push(warning);
            return false;
        }
        for (item, counts) in selector.items.iter().zip(counting) {
            if !counts {
                self.found.push(messages::item_never_counts(path, &self.items[*item]));
            }
        }
        true
    }

    /// Tells what is doubtful in an indicator; the points that it can come to.
    fn indicator(&mut self, index: usize, indicator: &Indicator) -> Range {
        let path = format!("model.indicators[{index}]");
        let fires = self.selector(&path, &indicator.selector, false);
        let values = if fires { self.values(indicator) } else { Range::one(Exact::ZERO) };
        let points = match &indicator.points {
            Points::PerUnit(points) => values.times(*points),
            Points::Bands(bands) => self.bands(&path, index, bands, &values, fires),
            Points::Grades(_) => self.grade_points(&path, indicator, fires),
        };
        let points = points.clamped(indicator.min, indicator.max);
        if fires && let Some(only) = points.single() {
            let idle = indicator.selector.steps.iter().all(|step| step.percent == Decimal::ZERO);
            let counted = values.single().is_some() && indicator.measure.yields() == Yields::Number;
            let warning =
                if idle && counted { messages::decay_empty(&path) } else { messages::constant(&path, only) };
            self.found.push(warning);
        }
        points
    }

    /// The values that the measure can come to.
    fn values(&self, indicator: &Indicator) -> Range {
        let percents = indicator.selector.steps.iter().map(|step| step.percent);
        let amounts = |condition: &Condition| {
            self.any_counts(&indicator.selector, &self.reach(&indicator.selector), &[condition])
        };
        indicator.measure.range(&percents.collect::<Vec<_>>(), &amounts)
    }

    fn bands(
        &mut self,
        path: &str,
        index: usize,
        bands: &[(Decimal, Decimal)],
        values: &Range,
        fires: bool,
    ) -> Range {
        let below = bands.first().is_none_or(|(lowest, _)| values.meets_below(*lowest));
        let mut points = below.then_some(Exact::ZERO).into_iter().collect::<Vec<_>>();
        for (place, (at_least, given)) in bands.iter().enumerate() {
            let above = bands.get(place + 1).map(|(above, _)| *above);
            if values.meets(*at_least, above) {
                points.push((*given).into());
            } else if fires {
                self.found.push(messages::band_unreachable(
                    &self.band(path, index, *at_least),
                    *at_least,
                    above,
                ));
            }
            if place > 0 && bands[place - 1].1 == *given {
                self.found.push(messages::band_repeats(&self.band(path, index, *at_least), *given));
            }
        }
        Range::these(points)
    }

    /// Where a band stands in the model as it was written.
    fn band(&self, path: &str, index: usize, at_least: Decimal) -> String {
        let written = self.wire.indicators.get(index).map_or(&[][..], |indicator| &indicator.bands);
        let place = written.iter().position(|band| Decimal::from_f64(band.at_least) == Ok(at_least));
        format!("{path}.bands[{}].atLeast", place.unwrap_or_default())
    }

    fn grade_points(&mut self, path: &str, indicator: &Indicator, fires: bool) -> Range {
        let Points::Grades(grades) = &indicator.points else { return Range::one(Exact::ZERO) };
        // No record, and a grade that is not among them, give none.
        let mut points = vec![Exact::ZERO];
        let reach = self.reach(&indicator.selector);
        for (grade, given) in grades {
            let is = Condition::text_is(latest_grade::FIELD, grade);
            let written = |item: &usize| {
                let limits = self.schemas.limits(&self.items[*item], latest_grade::FIELD);
                limits.is_none_or(|limits| spells(&limits.vocabulary, grade))
                    && self.can_count(&indicator.selector, *item, &reach, &[&is])
            };
            if fires && indicator.selector.items.iter().any(written) {
                points.push((*given).into());
            } else if fires {
                self.found.push(messages::grade_never_recorded(path, grade));
            }
        }
        Range::these(points)
    }

    fn dimensions(&mut self, model: &Model, idle: &[bool]) {
        let mut seen = Vec::new();
        for (index, indicator) in model.indicators.iter().enumerate() {
            let dimension = indicator.dimension.as_str();
            if dimension.is_empty() || seen.contains(&dimension) {
                continue;
            }
            seen.push(dimension);
            let own = model.indicators.iter().zip(idle).filter(|(other, _)| other.dimension == dimension);
            if own.into_iter().all(|(_, idle)| *idle) {
                self.found.push(messages::dimension_idle(&format!("model.indicators[{index}]"), dimension));
            }
        }
    }

    /// Tells what is doubtful in a veto; whether it can fire.
    fn veto(&mut self, index: usize, veto: &Veto, best: usize, model: &Model) -> bool {
        let path = format!("model.vetoes[{index}]");
        let fires = self.selector(&path, &veto.selector, true);
        if fires && veto.grade <= best {
            let (own, best) = (&model.grades[veto.grade].name, &model.grades[best].name);
            self.found.push(messages::veto_lowers_nothing(&path, own, best));
        }
        fires
    }

    /// A veto beside one that holds whenever it does, of a grade as bad or worse, decides nothing.
    fn vetoes_beside_each_other(&mut self, model: &Model, fires: &[bool]) {
        for (index, veto) in model.vetoes.iter().enumerate().filter(|(index, _)| fires[*index]) {
            let path = format!("model.vetoes[{index}]");
            let stronger = model.vetoes.iter().enumerate().find(|(other, by)| {
                // Of two that say the same, the later is the one too many.
                let first = by.grade > veto.grade || by.grade == veto.grade && *other < index;
                *other != index && first && self.covers(&by.selector, &veto.selector)
            });
            let Some((other, by)) = stronger else { continue };
            let (own, worse) = (&model.grades[veto.grade].name, &model.grades[by.grade].name);
            let same = by.grade != veto.grade && self.covers(&veto.selector, &by.selector);
            self.found.push(if same {
                messages::vetoes_contradict(&path, &by.id, other, own, worse)
            } else {
                messages::veto_shadowed(&path, &by.id, other, worse)
            });
        }
    }

    /// Whether each record that the one selects, the other selects too.
    fn covers(&self, wide: &Selector, narrow: &Selector) -> bool {
        let window = |selector: &Selector| selector.steps.last().and_then(|step| step.within);
        let in_window = match (window(wide), window(narrow)) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wide), Some(narrow)) => narrow <= wide,
        };
        in_window
            && narrow.items.iter().all(|item| {
                let question = || Question::of(self.schemas, &self.items[*item]).holds(&narrow.condition);
                wide.items.contains(item) && !question().fails(&wide.condition).is_possible()
                    || !question().is_possible()
            })
    }

    fn grades(&mut self, model: &Model, by_score: &[bool], best: usize, fires: &[bool]) {
        for (index, grade) in model.grades.iter().enumerate() {
            let lowered = index > best
                && model.vetoes.iter().zip(fires).any(|(veto, fires)| *fires && veto.grade == index);
            if by_score[index] || lowered {
                continue;
            }
            self.found.push(match model.max {
                Some(max) if index == 0 && max < grade.min => {
                    messages::max_below_best(&grade.name, max, grade.min)
                }
                _ => messages::grade_unreachable(index, &grade.name),
            });
        }
    }
}
