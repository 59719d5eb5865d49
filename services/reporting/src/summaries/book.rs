//! The tables of a summary, each once: sheets of its workbook, and tables and charts of its document.
use contract::reporting::v1::{self as api, AttachmentRole, section::Kind};
use documents::{Cell, Column, Page, Plot};

use super::report::{date, within};

/// The tables of a summary.
pub struct Tables {
    /// What the services counted.
    pub figures: Page,
    /// What follows from the grades.
    pub measures: Page,
    /// How many have each grade.
    pub results: Page,
    /// The draws of the period.
    pub draws: Page,
    /// What the visits found, by grade.
    pub effects: Page,
    /// The cases of effect.
    pub cases: Page,
    /// The department's text.
    pub texts: Page,
    /// The files.
    pub files: Page,
}

impl Tables {
    /// Sets a summary whose figures are named in Chinese.
    pub fn of(summary: &api::Summary, files: &[api::Attachment]) -> Self {
        Self {
            figures: figures(summary),
            measures: measures(summary),
            results: results(summary),
            draws: draws(summary),
            effects: effects(summary),
            cases: cases(summary),
            texts: texts(summary),
            files: attached(files),
        }
    }

    /// The sheets of a workbook; a table without a row says so in one.
    pub fn pages(self, remark: &str) -> Vec<Page> {
        let all = [
            self.figures,
            self.results,
            self.measures,
            self.draws,
            self.effects,
            self.cases,
            self.texts,
            self.files,
        ];
        all.into_iter()
            .map(|mut page| {
                if page.rows.is_empty() {
                    page.rows.push(vec![Cell::text("（无）")]);
                }
                page.remark = remark.to_owned();
                page
            })
            .collect()
    }
}

fn page(name: &str, columns: Vec<Column>, rows: Vec<Vec<Cell>>, plots: Vec<Plot>) -> Page {
    // A chart of nothing shows nothing.
    let plots = if rows.is_empty() { Vec::new() } else { plots };
    Page { name: name.to_owned(), title: name.to_owned(), remark: String::new(), columns, rows, plots }
}

/// A part of a whole in hundredths of a percent, rounded half up.
pub fn share(part: i32, whole: i32) -> i64 {
    if whole <= 0 { 0 } else { (i64::from(part) * 20_000 + i64::from(whole)) / (2 * i64::from(whole)) }
}

// A rate from 0 to 1, of four decimal places, in hundredths of a percent.
#[allow(clippy::cast_possible_truncation, reason = "a rate is at most 1")]
fn percent(rate: f64) -> i64 {
    (rate * 10_000.0).round() as i64
}

fn source(name: &str) -> &str {
    match name {
        "credit" => "信用信息归集",
        "grading" => "信用评价",
        "sampling" => "双随机抽查",
        "discipline" => "失信惩戒",
        other => other,
    }
}

fn figures(summary: &api::Summary) -> Page {
    let row = |figure: &api::Figure| {
        let name = match figure.key.split_once('.') {
            Some(_) => format!("其中：{}", figure.name),
            None => figure.name.clone(),
        };
        vec![Cell::text(name), Cell::count(figure.value), Cell::text(source(&figure.source))]
    };
    // Records by item follow the count of all.
    let (items, mut sums): (Vec<_>, Vec<_>) =
        summary.figures.iter().partition(|figure| figure.key.contains('.'));
    let at = sums.iter().position(|figure| figure.key == "records").map_or(sums.len(), |at| at + 1);
    sums.splice(at..at, items);
    let columns = vec![Column::text("指标", 40), Column::number("数值", 16), Column::text("数据来源", 24)];
    page("主要数据", columns, sums.into_iter().map(row).collect(), Vec::new())
}

fn measures(summary: &api::Summary) -> Page {
    let times = |measure: &api::GradeMeasure| match (measure.min_per_year, measure.max_per_year) {
        (Some(min), Some(max)) if min == max => format!("{min}次"),
        (Some(min), Some(max)) => format!("{min}至{max}次"),
        (Some(min), None) => format!("不少于{min}次"),
        (None, Some(max)) => format!("不超过{max}次"),
        (None, None) => String::from("不作要求"),
    };
    let row = |measure: &api::GradeMeasure| {
        vec![
            Cell::text(measure.grade.as_str()),
            Cell::Number(percent(measure.sampling_percent / 100.0), 2),
            Cell::text(times(measure)),
            Cell::text(measure.method.as_str()),
            Cell::text(measure.text.as_str()),
        ]
    };
    let columns = vec![
        Column::text("等级", 10),
        Column::number("抽查比例（%）", 14),
        Column::text("年检查频次", 16),
        Column::text("检查方式", 16),
        Column::text("监管措施", 44),
    ];
    page("差异化监管措施", columns, summary.measures.iter().map(row).collect(), Vec::new())
}

/// The grades from the best to the worst: as the measures and the visits have them, then by name; who has none comes last.
fn grades(summary: &api::Summary) -> Vec<&str> {
    let known = summary.measures.iter().map(|measure| measure.grade.as_str());
    let visited = summary.effects.iter().map(|effect| effect.grade.as_str());
    let mut grades: Vec<&str> = Vec::new();
    let counted = summary.distribution.keys().map(String::as_str).filter(|grade| *grade != UNGRADED);
    for grade in known.chain(visited).chain(counted) {
        if !grades.contains(&grade) && summary.distribution.contains_key(grade) {
            grades.push(grade);
        }
    }
    if summary.distribution.contains_key(UNGRADED) {
        grades.push(UNGRADED);
    }
    grades
}

const UNGRADED: &str = "UNGRADED";

fn results(summary: &api::Summary) -> Page {
    let all: i32 = summary.distribution.values().sum();
    let row = |grade: &str| {
        let count = summary.distribution.get(grade).copied().unwrap_or_default();
        let name = if grade == UNGRADED { "未评级" } else { grade };
        vec![Cell::text(name), Cell::count(count), Cell::Number(share(count, all), 2)]
    };
    let rows: Vec<_> = grades(summary).into_iter().map(row).collect();
    let columns =
        vec![Column::text("等级", 24), Column::number("主体数（户）", 28), Column::number("占比（%）", 28)];
    let plot = Plot {
        title: String::from("信用等级分布"),
        unit: String::from("户"),
        categories: 0,
        series: vec![1],
        rows: rows.len(),
    };
    page("评价结果", columns, rows, vec![plot])
}

// A chart shows a year of months, a table every draw.
const PLOTTED_MOST: usize = 12;

fn draws(summary: &api::Summary) -> Page {
    let row = |draw: &api::DrawFigures| {
        vec![
            Cell::text(within(&summary.from, &summary.to, &draw.committed_on)),
            Cell::count(draw.roster_size),
            Cell::count(draw.drawn),
            Cell::count(draw.visited),
            Cell::count(draw.found),
            Cell::Number(share(draw.found, draw.visited), 2),
        ]
    };
    let columns = vec![
        Column::text("抽查日期", 18),
        Column::number("名单主体数", 16),
        Column::number("抽中", 12),
        Column::number("已检查", 12),
        Column::number("发现问题", 14),
        Column::number("问题发现率（%）", 18),
    ];
    let rows: Vec<_> = summary.draws.iter().map(row).collect();
    let plot = Plot {
        title: String::from("各批次抽查情况"),
        unit: String::from("户次"),
        categories: 0,
        series: vec![2, 3, 4],
        rows: rows.len().min(PLOTTED_MOST),
    };
    page("抽查情况", columns, rows, vec![plot])
}

fn effects(summary: &api::Summary) -> Page {
    let row = |effect: &api::GradeEffect| {
        vec![
            Cell::text(effect.grade.as_str()),
            Cell::count(effect.members),
            Cell::count(effect.visited),
            Cell::count(effect.found),
            Cell::Number(percent(effect.rate), 2),
            Cell::Number(percent(effect.lift) / 100, 2),
        ]
    };
    let mut rows: Vec<_> = summary.effects.iter().map(row).collect();
    let plotted = rows.len();
    if let Some(total) = summary.effect.filter(|total| total.visited > 0) {
        let members = summary.effects.iter().map(|effect| effect.members).sum();
        rows.push(vec![
            Cell::text("合计"),
            Cell::count(members),
            Cell::count(total.visited),
            Cell::count(total.found),
            Cell::Number(percent(total.rate), 2),
            Cell::text("—"),
        ]);
    }
    let columns = vec![
        Column::text("等级", 12),
        Column::number("名单主体数", 16),
        Column::number("已检查", 14),
        Column::number("发现问题", 14),
        Column::number("问题发现率（%）", 20),
        Column::number("提升度（倍）", 16),
    ];
    let plot = Plot {
        title: String::from("各等级问题发现率"),
        unit: String::from("%"),
        categories: 0,
        series: vec![4],
        rows: plotted,
    };
    page("抽查成效", columns, rows, vec![plot])
}

fn cases(summary: &api::Summary) -> Page {
    let row = |case: &api::EffectCase| {
        vec![
            Cell::text(date(&case.happened_on)),
            Cell::text(case.place.as_str()),
            Cell::text(case.subject.as_str()),
            Cell::text(case.practice.as_str()),
            Cell::text(case.effect.as_str()),
            Cell::text(evidence(case)),
        ]
    };
    let columns = vec![
        Column::text("时间", 16),
        Column::text("地点", 16),
        Column::text("主体", 20),
        Column::text("做法", 40),
        Column::text("成效", 40),
        Column::text("佐证材料", 24),
    ];
    page("成效案例", columns, summary.cases.iter().map(row).collect(), Vec::new())
}

/// What shows what a case says, one a line.
pub fn evidence(case: &api::EffectCase) -> String {
    let references = case.references.iter().map(|one| format!("{}（{}）", one.title, one.source));
    case.evidence.iter().cloned().chain(references).collect::<Vec<_>>().join("\n")
}

fn texts(summary: &api::Summary) -> Page {
    let name = |kind| match kind {
        Kind::Overview => "工作开展情况",
        Kind::Measures => "具体举措",
        Kind::Results => "评价结果分析",
        Kind::Supervision => "监管情况分析",
        Kind::Outlook => "存在问题和下一步打算",
        Kind::Explanation => "情况说明",
        Kind::Unspecified => "",
    };
    let row =
        |section: &api::Section| vec![Cell::text(name(section.kind())), Cell::text(section.text.as_str())];
    let columns = vec![Column::text("部分", 20), Column::text("内容", 70)];
    page("文字说明", columns, summary.sections.iter().map(row).collect(), Vec::new())
}

fn attached(files: &[api::Attachment]) -> Page {
    let role = |role| match role {
        AttachmentRole::EvaluationSystem => "信用评价制度",
        AttachmentRole::SupervisionSystem => "分级分类监管制度",
        AttachmentRole::Results => "信用评价结果",
        AttachmentRole::Measures => "监管措施",
        AttachmentRole::Effects => "应用成效",
        AttachmentRole::Evidence => "佐证材料",
        AttachmentRole::Unspecified => "其他",
    };
    let row = |file: &api::Attachment| {
        vec![
            Cell::text(file.name.as_str()),
            Cell::text(role(file.role())),
            Cell::count(file.bytes),
            Cell::text(file.sha256.as_str()),
        ]
    };
    let columns = vec![
        Column::text("附件", 32),
        Column::text("类别", 18),
        Column::number("字节数", 12),
        Column::text("SHA-256", 36),
    ];
    page("附件", columns, files.iter().map(row).collect(), Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_half_up_and_of_nothing_are_nothing() {
        for (part, whole, hundredths) in
            [(1, 3, 3_333), (2, 3, 6_667), (1, 8, 1_250), (1, 1, 10_000), (5, 0, 0)]
        {
            assert_eq!(share(part, whole), hundredths);
        }
        assert_eq!(percent(0.3333), 3_333);
    }

    #[test]
    fn grades_stand_as_the_measures_have_them_and_the_ungraded_last() {
        let measure = |grade: &str| api::GradeMeasure { grade: grade.into(), ..Default::default() };
        let summary = api::Summary {
            distribution: [("A", 3), ("AA", 2), ("UNGRADED", 9), ("Z", 1)]
                .map(|(g, n)| (g.to_owned(), n))
                .into(),
            measures: vec![measure("AA"), measure("A"), measure("B")],
            ..Default::default()
        };
        assert_eq!(grades(&summary), ["AA", "A", "Z", "UNGRADED"]);
        assert_eq!(results(&summary).rows.len(), 4);
    }
}
