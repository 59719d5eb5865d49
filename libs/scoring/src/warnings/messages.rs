//! The warnings in words.
use jiff::civil::Date;

use crate::{
    decimal::{Decimal, Exact},
    text::Bilingual,
};

/// One thing that is doubtful in a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The field, as the contract spells it: `model.indicators[2].bands[0].atLeast`.
    pub path: String,
    /// What kind of doubt it is.
    pub code: WarningCode,
    /// What is doubtful, why, and what to do.
    pub message: Bilingual,
}

/// The kinds of doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WarningCode {
    /// No record can meet an indicator's filter.
    IndicatorNeverFires,
    /// No record of one of several items can meet the filter.
    ItemNeverCounts,
    /// What the filter lets through is older than the window on every day of grading.
    WindowClosed,
    /// Each step of an indicator's decay counts a record by nothing.
    DecayCountsNothing,
    /// An indicator gives everybody the same points.
    PointsConstant,
    /// No value falls into a band.
    BandUnreachable,
    /// A band gives the points of the band below it.
    BandRepeats,
    /// No record can carry a grade that has points.
    GradePointsUnused,
    /// All indicators of a dimension give everybody the same.
    DimensionWithoutEffect,
    /// The score never reaches the best grade.
    MaxScoreBelowBestGrade,
    /// Neither a score nor a veto gives the grade.
    GradeUnreachable,
    /// No record can meet a veto's filter.
    VetoNeverFires,
    /// A veto's grade is not worse than what everybody has.
    VetoLowersNothing,
    /// Two vetoes of the same records give different grades.
    VetoesContradict,
    /// Another veto holds whenever this one does, and lowers as far or further.
    VetoShadowed,
}

impl WarningCode {
    /// The name under which it is told: upper snake case, as reasons are.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IndicatorNeverFires => "INDICATOR_NEVER_FIRES",
            Self::ItemNeverCounts => "ITEM_NEVER_COUNTS",
            Self::WindowClosed => "WINDOW_CLOSED",
            Self::DecayCountsNothing => "DECAY_COUNTS_NOTHING",
            Self::PointsConstant => "POINTS_CONSTANT",
            Self::BandUnreachable => "BAND_UNREACHABLE",
            Self::BandRepeats => "BAND_REPEATS",
            Self::GradePointsUnused => "GRADE_POINTS_UNUSED",
            Self::DimensionWithoutEffect => "DIMENSION_WITHOUT_EFFECT",
            Self::MaxScoreBelowBestGrade => "MAX_SCORE_BELOW_BEST_GRADE",
            Self::GradeUnreachable => "GRADE_UNREACHABLE",
            Self::VetoNeverFires => "VETO_NEVER_FIRES",
            Self::VetoLowersNothing => "VETO_LOWERS_NOTHING",
            Self::VetoesContradict => "VETOES_CONTRADICT",
            Self::VetoShadowed => "VETO_SHADOWED",
        }
    }
}

fn warning(path: String, code: WarningCode, en: impl Into<String>, zh: impl Into<String>) -> Warning {
    Warning { path, code, message: Bilingual::new(en, zh) }
}

pub(super) fn never_fires(path: &str, veto: bool) -> Warning {
    let code = if veto { WarningCode::VetoNeverFires } else { WarningCode::IndicatorNeverFires };
    warning(
        format!("{path}.filter"),
        code,
        "no record can meet this: its parts exclude each other, or the catalogue gives the items no such value; correct it",
        "任何记录都不可能满足：条件自相矛盾，或目录中的事项不会有这样的取值；请更正",
    )
}

pub(super) fn window_closed(path: &str, veto: bool, months: i32, from: Date) -> Warning {
    let window = if veto { "withinMonths" } else { "decay" };
    warning(
        format!("{path}.{window}"),
        WarningCode::WindowClosed,
        format!(
            "counts the last {months} months, and the filter only lets older records through from {from} on: lengthen the window or correct the filter"
        ),
        format!("只计最近 {months} 个月，而自 {from} 起条件只允许更早的记录：请延长期限或更正条件"),
    )
}

pub(super) fn item_never_counts(path: &str, item: &str) -> Warning {
    warning(
        format!("{path}.items"),
        WarningCode::ItemNeverCounts,
        format!(
            "no record of {item:?} can meet the filter, as the catalogue has it: take the item out, or correct the filter"
        ),
        format!("按目录，{item:?} 的记录都不可能满足条件：请去掉该事项，或更正条件"),
    )
}

pub(super) fn decay_empty(path: &str) -> Warning {
    warning(
        format!("{path}.decay"),
        WarningCode::DecayCountsNothing,
        "counts every record by 0 percent, so that the value is always 0: give a step a percentage above 0",
        "所有记录都按 0% 计，数值恒为 0：请至少设一档大于 0 的百分比",
    )
}

pub(super) fn constant(path: &str, points: Exact) -> Warning {
    warning(
        path.to_owned(),
        WarningCode::PointsConstant,
        format!(
            "gives everybody {points} points, whatever the records: look at its points, bands, minPoints and maxPoints"
        ),
        format!("无论有无记录，所有主体都得 {points} 分：请检查分值、分段、minPoints 与 maxPoints"),
    )
}

pub(super) fn band_unreachable(path: &str, at_least: Decimal, above: Option<Decimal>) -> Warning {
    let (until_en, until_zh) = above.map_or((String::new(), String::new()), |above| {
        (format!(" and below {above}"), format!("且小于 {above}"))
    });
    warning(
        path.to_owned(),
        WarningCode::BandUnreachable,
        format!("the value is never at least {at_least}{until_en}: remove the band or correct it"),
        format!("数值不可能不小于 {at_least}{until_zh}：请删除或更正该分段"),
    )
}

pub(super) fn band_repeats(path: &str, points: Decimal) -> Warning {
    warning(
        path.to_owned(),
        WarningCode::BandRepeats,
        format!(
            "gives {points} points as the band below it does: remove one of the two or correct its points"
        ),
        format!("与下一分段同为 {points} 分：请删除其一或更正分值"),
    )
}

pub(super) fn grade_never_recorded(path: &str, grade: &str) -> Warning {
    warning(
        format!("{path}.gradePoints[{grade:?}]"),
        WarningCode::GradePointsUnused,
        "no record that counts can carry this grade: correct its spelling to the catalogue's, or remove it",
        "计入的记录不可能有该等级：请按目录值域更正写法，或删除",
    )
}

pub(super) fn dimension_idle(path: &str, dimension: &str) -> Warning {
    warning(
        format!("{path}.dimension"),
        WarningCode::DimensionWithoutEffect,
        format!("no indicator of the dimension {dimension:?} makes a difference to anybody's score"),
        format!("维度“{dimension}”下没有任何指标会影响得分"),
    )
}

pub(super) fn max_below_best(grade: &str, max: Decimal, threshold: Decimal) -> Warning {
    warning(
        "model.maxScore".to_owned(),
        WarningCode::MaxScoreBelowBestGrade,
        format!(
            "the greatest score, {max}, is below the {threshold} that {grade} needs: raise it, or lower the threshold"
        ),
        format!("最高分 {max} 低于 {grade} 级所需的 {threshold} 分：请调高最高分，或调低该等级的最低分"),
    )
}

pub(super) fn grade_unreachable(index: usize, grade: &str) -> Warning {
    warning(
        format!("model.grades[{index}].minScore"),
        WarningCode::GradeUnreachable,
        format!(
            "nobody can come to {grade}: no score that the indicators allow falls there, and no veto gives it"
        ),
        format!("任何主体都不可能得 {grade} 级：指标可能的得分都不落在该区间，也没有否决项给出该等级"),
    )
}

pub(super) fn veto_lowers_nothing(path: &str, own: &str, best: &str) -> Warning {
    warning(
        format!("{path}.grade"),
        WarningCode::VetoLowersNothing,
        format!("lowers nobody: the best grade that a score can come to is {best}, and {own} is not worse"),
        format!("不会降低任何主体的等级：得分可达到的最好等级为 {best}，而 {own} 并不更差"),
    )
}

pub(super) fn vetoes_contradict(path: &str, by: &str, index: usize, own: &str, worse: &str) -> Warning {
    warning(
        format!("{path}.grade"),
        WarningCode::VetoesContradict,
        format!(
            "says {own} of the very records of which model.vetoes[{index}] ({by}) says {worse}: the worse always holds; keep one"
        ),
        format!(
            "对同样的记录，本项定为 {own}，model.vetoes[{index}]（{by}）定为 {worse}：总以较差者为准；请保留其一"
        ),
    )
}

pub(super) fn veto_shadowed(path: &str, by: &str, index: usize, worse: &str) -> Warning {
    warning(
        path.to_owned(),
        WarningCode::VetoShadowed,
        format!(
            "decides nothing: whenever it holds, model.vetoes[{index}] ({by}) holds too and lowers to {worse}; remove it or correct one of them"
        ),
        format!("不起作用：本项成立时 model.vetoes[{index}]（{by}）也成立并降为 {worse}；请删除或更正其一"),
    )
}
