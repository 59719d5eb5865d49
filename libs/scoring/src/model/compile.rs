//! Judges a model from the wire and compiles it. All that is wrong is told at once; what the contract's
//! arithmetic leaves open is refused, what it defines passes, needless settings included (it gives bands the
//! precedence over `pointsPerUnit`, and lets `gradePoints` speak for LATEST_GRADE alone).
use std::collections::{BTreeSet, HashSet};

use contract::grading::v1 as wire;

use super::{
    Compiled, Grade, Indicator, MAX_INDICATORS, MAX_ITEMS, Model, Points, Problem, Rule, Selector, Step,
};
use super::{UNGRADED, Veto};
use crate::{
    condition::Condition,
    decimal::{Decimal, Exact},
    measure::{self, Tally, Yields, latest_grade},
    schema::{FieldType, Schema, Schemas},
    text::Bilingual,
};

/// Points, scores and thresholds are at most this in size.
const POINTS_LIMIT: Decimal = Decimal::whole(1_000_000_000);
const MONTHS_LIMIT: i32 = 1_200;

pub(super) fn compile(model: &wire::Model, schemas: &Schemas) -> Result<Compiled, Vec<Problem>> {
    let mut compiler = Compiler { schemas, items: items_of(model), problems: Vec::new() };
    let items_at = "model.indicators";
    if compiler.items.len() > MAX_ITEMS {
        compiler.refuse(
            items_at,
            format!("the model names more than {MAX_ITEMS} items: leave some out"),
            format!("模型涉及的事项超过 {MAX_ITEMS} 个：请精简"),
        );
    }
    if model.indicators.len() > MAX_INDICATORS {
        compiler.refuse(
            items_at,
            format!("the model has more than {MAX_INDICATORS} indicators: leave some out"),
            format!("指标超过 {MAX_INDICATORS} 个：请精简"),
        );
    }
    compiler.unique("model.indicators", "id", model.indicators.iter().map(|indicator| indicator.id.as_str()));
    compiler.unique("model.vetoes", "id", model.vetoes.iter().map(|veto| veto.id.as_str()));
    compiler.unique("model.grades", "grade", model.grades.iter().map(|grade| grade.grade.as_str()));
    let base = compiler.points("model.baseScore", model.base_score.unwrap_or_default());
    let (min, max) = compiler.bounds("model", ("minScore", model.min_score), ("maxScore", model.max_score));
    let grades = compiler.grades(&model.grades, min);
    let indicators = compiler.each("model.indicators", &model.indicators, Compiler::indicator);
    let vetoes = compiler
        .each("model.vetoes", &model.vetoes, |compiler, path, veto| compiler.veto(path, veto, &grades));
    match (min, compiler.problems) {
        (Some(min), problems) if problems.is_empty() => Ok(Compiled::of(
            compiler.items.into_iter().map(str::to_owned).collect(),
            schemas,
            Rule::Model(Model::new(base, (min, max), indicators, vetoes, grades)),
        )),
        (_, problems) => Err(problems),
    }
}

fn items_of(model: &wire::Model) -> BTreeSet<&str> {
    let indicators = model.indicators.iter().flat_map(|indicator| &indicator.items);
    let vetoes = model.vetoes.iter().flat_map(|veto| &veto.items);
    indicators.chain(vetoes).map(String::as_str).collect()
}

struct Compiler<'a> {
    schemas: &'a Schemas,
    items: BTreeSet<&'a str>,
    problems: Vec<Problem>,
}

impl Compiler<'_> {
    fn indicator(&mut self, path: &str, indicator: &wire::Indicator) -> Option<Indicator> {
        let selector = self.selector(path, &indicator.items, &indicator.filter, |compiler| {
            compiler.decay(&format!("{path}.decay"), &indicator.decay)
        });
        let (min, max) =
            self.bounds(path, ("minPoints", indicator.min_points), ("maxPoints", indicator.max_points));
        let Some(measure) = measure::of(indicator.measure) else {
            let names = measure::names();
            let path = format!("{path}.measure");
            self.refuse(
                path,
                format!("no such measure: give one of {names}"),
                format!("没有该计量方式：可用 {names}"),
            );
            return None;
        };
        let points = match measure.yields() {
            Yields::Number => self.number_points(path, indicator)?,
            Yields::Grade => self.grade_points(path, indicator)?,
        };
        let (id, name, dimension) =
            (indicator.id.clone(), indicator.name.clone(), indicator.dimension.clone());
        let idle = (measure.value(&Tally::default()), (Exact::ZERO, Exact::ZERO));
        let bounds = Indicator::bounds(min, max);
        let mut indicator =
            Indicator { id, name, dimension, selector: selector?, measure, points, min, max, bounds, idle };
        indicator.idle.1 = indicator.points(indicator.idle.0);
        Some(indicator)
    }

    fn veto(&mut self, path: &str, veto: &wire::Veto, grades: &[Grade]) -> Option<Veto> {
        let selector = self.selector(path, &veto.items, &veto.filter, |compiler| {
            // Absent on the wire, and so 0, is a window without end, as an absent decay list is.
            let within = (veto.within_months != 0)
                .then(|| compiler.months(&format!("{path}.withinMonths"), veto.within_months));
            vec![Step { within, percent: Decimal::HUNDRED }]
        });
        let Some(grade) = grades.iter().position(|grade| grade.name == veto.grade) else {
            let path = format!("{path}.grade");
            self.refuse(
                path,
                "is not one of the model's grades: name one of them",
                "不在模型的等级之中：请写其中之一",
            );
            return None;
        };
        Some(Veto { id: veto.id.clone(), reason: veto.reason.clone(), selector: selector?, grade })
    }

    fn selector(
        &mut self,
        path: &str,
        items: &[String],
        filter: &str,
        steps: impl FnOnce(&mut Self) -> Vec<Step>,
    ) -> Option<Selector> {
        let steps = steps(self);
        if items.is_empty() {
            self.refuse(
                format!("{path}.items"),
                "names no item: name at least one",
                "没有事项：请至少写一个",
            );
            return None;
        }
        let mut known = true;
        for (index, item) in items.iter().enumerate() {
            if self.schemas.item(item).is_none() {
                known = false;
                self.refuse(
                    format!("{path}.items[{index}]"),
                    format!("{item:?} is not in the catalogue: put it there first, or correct the name"),
                    format!("{item:?} 不在目录中：请先列入目录，或更正名称"),
                );
            }
        }
        if !known {
            return None;
        }
        let items: BTreeSet<&str> = items.iter().map(String::as_str).collect();
        match Condition::compile(filter, &Schema::of(self.schemas, items.iter().copied())) {
            Ok(condition) => {
                let places = self.items.iter().enumerate().filter(|(_, item)| items.contains(*item));
                Some(Selector { items: places.map(|(place, _)| place).collect(), condition, steps })
            }
            Err(fault) => {
                self.problems.push(Problem::of_condition(format!("{path}.filter"), fault));
                None
            }
        }
    }

    fn decay(&mut self, path: &str, decay: &[wire::DecayStep]) -> Vec<Step> {
        let mut before = 0;
        let mut steps: Vec<_> = Vec::new();
        for (index, step) in decay.iter().enumerate() {
            let within = self.months(&format!("{path}[{index}].withinMonths"), step.within_months);
            if within <= before && within > 0 {
                self.refuse(
                    format!("{path}[{index}].withinMonths"),
                    "is not above that of the step before, so that no record reaches the step: order the steps",
                    "不大于上一档的月数，任何记录都不会落入本档：请按月数递增排列",
                );
            }
            before = before.max(within);
            let at = format!("{path}[{index}].percent");
            let percent = self.number(&at, step.percent);
            if percent < Decimal::ZERO || percent > Decimal::HUNDRED {
                self.refuse(at, "is not from 0 to 100: give a percentage", "不在 0 至 100 之间：请写百分数");
            }
            steps.push(Step { within: Some(within), percent });
        }
        if steps.is_empty() { vec![Step::ALL] } else { steps }
    }

    fn months(&mut self, path: &str, months: i32) -> i32 {
        if !(1..=MONTHS_LIMIT).contains(&months) {
            self.refuse(
                path,
                format!("is not from 1 to {MONTHS_LIMIT}: give a number of months"),
                format!("不在 1 至 {MONTHS_LIMIT} 之间：请写月数"),
            );
            return 0;
        }
        months
    }

    fn number_points(&mut self, path: &str, indicator: &wire::Indicator) -> Option<Points> {
        if indicator.bands.is_empty() {
            let Some(points) = indicator.points_per_unit else {
                let path = format!("{path}.pointsPerUnit");
                self.refuse(
                    path,
                    "is missing: give it, or bands",
                    "缺少每单位分值：请填写，或填写 bands 分段",
                );
                return None;
            };
            return Some(Points::PerUnit(self.points(&format!("{path}.pointsPerUnit"), points)));
        }
        let mut bands = Vec::new();
        for (index, band) in indicator.bands.iter().enumerate() {
            let at = format!("{path}.bands[{index}]");
            let at_least = self.number(&format!("{at}.atLeast"), band.at_least);
            if bands.iter().any(|(other, _)| *other == at_least) {
                self.refuse(
                    format!("{at}.atLeast"),
                    "stands twice: keep one of the bands",
                    "重复：请保留其中一段",
                );
            }
            bands.push((at_least, self.points(&format!("{at}.points"), band.points)));
        }
        bands.sort();
        Some(Points::Bands(bands))
    }

    fn grade_points(&mut self, path: &str, indicator: &wire::Indicator) -> Option<Points> {
        for (index, item) in indicator.items.iter().enumerate() {
            let grade = self.schemas.item(item).map(|fields| fields.get(latest_grade::FIELD));
            // An unknown item is told elsewhere.
            if grade.is_some_and(|kind| kind != Some(&FieldType::Text)) {
                self.refuse(
                    format!("{path}.items[{index}]"),
                    format!(
                        "{item:?} has no text field `grade`, which the measure reads: choose another item"
                    ),
                    format!("{item:?} 没有文本字段 grade，无法按该方式计量：请换用其他事项"),
                );
            }
        }
        let at = format!("{path}.gradePoints");
        if indicator.grade_points.is_empty() {
            self.refuse(at, "is empty: give the points of each grade", "为空：请填写各等级的分值");
            return None;
        }
        let points = indicator.grade_points.iter();
        Some(Points::Grades(
            points
                .map(|(grade, points)| (grade.clone(), self.points(&format!("{at}[{grade:?}]"), *points)))
                .collect(),
        ))
    }

    fn grades(&mut self, grades: &[wire::Grade], min_score: Option<Decimal>) -> Vec<Grade> {
        let mut compiled: Vec<Grade> = Vec::new();
        for (index, grade) in grades.iter().enumerate() {
            let path = format!("model.grades[{index}]");
            self.grade_name(&path, &grade.grade);
            let min = self.points(&format!("{path}.minScore"), grade.min_score);
            if compiled.last().is_some_and(|better| better.min <= min) {
                self.refuse(
                    format!("{path}.minScore"),
                    "is not below that of the better grade before it: order the grades from best to worst",
                    "不低于前一较优等级的最低分：请由优到劣排列等级",
                );
            }
            compiled.push(Grade { name: grade.grade.clone(), min });
        }
        self.covers_every_score(&compiled, min_score);
        compiled
    }

    /// A score below every threshold would have no grade. Scores are rounded to two places before they are
    /// graded.
    fn covers_every_score(&mut self, grades: &[Grade], min_score: Option<Decimal>) {
        let Some(worst) = grades.last() else {
            return self.refuse(
                "model.grades",
                "is empty: give at least one grade",
                "为空：请至少设一个等级",
            );
        };
        let Some(min_score) = min_score else {
            return self.refuse(
                "model.minScore",
                "is missing: without it a score could fall below every grade",
                "缺少最低分：否则得分可能低于所有等级",
            );
        };
        let least = Exact::from(min_score).round_half_away();
        if worst.min > least {
            self.refuse(
                format!("model.grades[{}].minScore", grades.len() - 1),
                format!("is above the least score, {least}: lower it, so that every score has a grade"),
                format!("高于模型最低分 {least}：请调低，使每个得分都有等级"),
            );
        }
    }

    /// A grade is a stratum of draws too, where a comma and a line's end delimit (CONTRACT §5.1).
    fn grade_name(&mut self, path: &str, name: &str) {
        let path = format!("{path}.grade");
        if name == UNGRADED {
            let en = format!("{UNGRADED} means that there is no grade: choose another name");
            self.refuse(path, en, format!("{UNGRADED} 表示没有等级：请换用其他名称"));
        } else if name.trim() != name
            || name.contains(|character: char| character == ',' || character.is_control())
        {
            let en = "holds a comma, a control character or a space at its edge: remove it";
            self.refuse(path, en, "含有逗号、控制字符或首尾空格：请删除");
        }
    }

    /// A floor and a cap, each where it is given.
    fn bounds(
        &mut self,
        path: &str,
        (floor, min): (&str, Option<f64>),
        (cap, max): (&str, Option<f64>),
    ) -> (Option<Decimal>, Option<Decimal>) {
        let min = min.map(|min| self.points(&format!("{path}.{floor}"), min));
        let max = max.map(|max| self.points(&format!("{path}.{cap}"), max));
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            let en = format!("is above {cap}: exchange them");
            self.refuse(format!("{path}.{floor}"), en, format!("高于 {cap}：请对调"));
        }
        (min, max)
    }

    fn points(&mut self, path: &str, points: f64) -> Decimal {
        let number = self.number(path, points);
        if number > POINTS_LIMIT || number < POINTS_LIMIT.negated() {
            let en = "is above 1,000,000,000 in size: give a smaller number";
            self.refuse(path, en, "绝对值超过十亿：请写较小的数");
        }
        number
    }

    fn number(&mut self, path: &str, number: f64) -> Decimal {
        Decimal::from_f64(number).unwrap_or_else(|fault| {
            self.problems.push(Problem::new(path, fault.message()));
            Decimal::ZERO
        })
    }

    fn unique<'n>(&mut self, path: &str, key: &str, names: impl Iterator<Item = &'n str>) {
        let mut seen = HashSet::new();
        for (index, name) in names.enumerate() {
            let path = format!("{path}[{index}].{key}");
            if name.is_empty() {
                self.refuse(path, "is missing: give it", "缺失：请填写");
            } else if !seen.insert(name) {
                let en = format!("{name:?} stands twice: choose another");
                self.refuse(path, en, format!("{name:?} 重复：请换用其他名称"));
            }
        }
    }

    fn each<W, C>(
        &mut self,
        path: &str,
        elements: &[W],
        compile: impl Fn(&mut Self, &str, &W) -> Option<C>,
    ) -> Vec<C> {
        let elements = elements.iter().enumerate();
        elements.filter_map(|(index, element)| compile(self, &format!("{path}[{index}]"), element)).collect()
    }

    fn refuse(&mut self, path: impl Into<String>, en: impl Into<String>, zh: impl Into<String>) {
        self.problems.push(Problem::new(path, Bilingual::new(en, zh)));
    }
}
