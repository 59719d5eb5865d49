//! A summary as the document that an office hands in: 公文 form, the plan's parts in its order, tables, charts.
use contract::reporting::v1::{self as api, section::Kind, summary::State};
use documents::{Block, Document, Page};
use identifiers::Department;
use jiff::civil::DateTime;

use super::{
    book::{Tables, evidence, share},
    rules::text,
};

/// A day in words: 2026年3月2日; what is no day stays as it is.
pub fn date(day: &str) -> String {
    match day.parse::<jiff::civil::Date>() {
        Ok(day) => format!("{}年{}月{}日", day.year(), day.month(), day.day()),
        Err(_) => day.to_owned(),
    }
}

/// A day of a draw in a table: without the year where the period has one.
pub fn within(from: &str, to: &str, day: &str) -> String {
    let whole = date(day);
    let short = if from.get(..4) == to.get(..4) {
        whole.split_once('年').map(|(_, rest)| rest.to_owned())
    } else {
        None
    };
    short.unwrap_or(whole)
}

/// A period in words; the year of its end is not said again.
pub fn period(from: &str, to: &str) -> String {
    format!("{}至{}", date(from), within(from, to, to))
}

/// The title.
pub fn title(summary: &api::Summary) -> String {
    format!("{}信用分级分类监管工作总结", summary.name)
}

/// Who hands it in.
pub fn department(summary: &api::Summary) -> &str {
    Department::parse(&summary.department).map_or(summary.department.as_str(), |known| known.name())
}

/// On what the figures rest, in one sentence.
pub fn sources(summary: &api::Summary) -> String {
    let read = summary.figures_time.map(super::figures::day).unwrap_or_default();
    let version = summary.inputs.iter().find(|input| input.source == "grading" && !input.version.is_empty());
    let version = version.map(|input| format!("，评价依据版本{}", input.version)).unwrap_or_default();
    format!(
        "统计期间{}；数据于{}读取自信用信息归集、信用评价、双随机抽查、失信惩戒系统{version}。\n数据摘要（SHA-256）：{}",
        period(&summary.from, &summary.to),
        date(&read),
        summary.figures_digest
    )
}

// The chapters and tables, numbered as they come.
struct Writer {
    blocks: Vec<Block>,
    chapters: usize,
    sections: usize,
    tables: usize,
    charts: usize,
}

const NUMERALS: [&str; 10] = ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十"];

fn numeral(number: usize) -> String {
    match number {
        1..=10 => NUMERALS[number - 1].to_owned(),
        11..=19 => format!("十{}", NUMERALS[number - 11]),
        other => other.to_string(),
    }
}

impl Writer {
    fn chapter(&mut self, name: &str) {
        self.chapters += 1;
        self.sections = 0;
        self.blocks.push(Block::Heading(format!("{}、{name}", numeral(self.chapters))));
    }

    fn section(&mut self, name: &str) {
        self.sections += 1;
        self.blocks.push(Block::Subheading(format!("（{}）{name}", numeral(self.sections))));
    }

    fn say(&mut self, words: impl Into<String>) {
        self.blocks.push(Block::Paragraph(words.into()));
    }

    // The department's own words, without empty lines.
    fn written(&mut self, summary: &api::Summary, kind: Kind) {
        let lines: Vec<&str> =
            text(summary, kind).lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if !lines.is_empty() {
            self.say(lines.join("\n"));
        }
    }

    fn table(&mut self, page: &Page, name: &str) {
        if page.rows.is_empty() {
            return;
        }
        self.tables += 1;
        self.blocks.push(Block::Caption(format!("表{}　{name}", self.tables)));
        self.blocks.push(page.table());
        for chart in page.charts() {
            let Block::Chart(mut chart) = chart else { continue };
            self.charts += 1;
            chart.title = format!("图{}　{}", self.charts, chart.title);
            self.blocks.push(Block::Chart(chart));
        }
    }
}

/// Sets a summary whose figures are named in Chinese; `created` is when the version was made.
pub fn document(summary: &api::Summary, files: &[api::Attachment], created: DateTime) -> Document {
    let tables = Tables::of(summary, files);
    let mut writer = Writer { blocks: Vec::new(), chapters: 0, sections: 0, tables: 0, charts: 0 };
    overview(&mut writer, summary, &tables);
    measures(&mut writer, summary, &tables);
    results(&mut writer, summary, &tables);
    supervision(&mut writer, summary, &tables);
    cases(&mut writer, summary);
    if !text(summary, Kind::Outlook).is_empty() {
        writer.chapter("存在问题和下一步打算");
        writer.written(summary, Kind::Outlook);
    }
    if !text(summary, Kind::Explanation).is_empty() {
        writer.chapter("情况说明");
        writer.written(summary, Kind::Explanation);
    }
    let listed = (1..).zip(files).map(|(number, file)| {
        let before = if number == 1 { "附件：" } else { "\u{3000}\u{3000}\u{3000}" };
        format!("{before}{number}.{}", file.name)
    });
    let listed: Vec<String> = listed.collect();
    if !listed.is_empty() {
        writer.say(listed.join("\n"));
    }
    let day = date(&created.date().to_string());
    writer.blocks.push(Block::Closing(vec![department(summary).to_owned(), day]));
    let draft = if summary.state() == State::Draft { "，草稿" } else { "" };
    Document {
        title: title(summary),
        subtitle: format!("（{}{draft}）", period(&summary.from, &summary.to)),
        author: department(summary).to_owned(),
        created,
        header: (String::new(), String::new()),
        footer: String::new(),
        watermark: String::new(),
        blocks: writer.blocks,
    }
}

fn count(summary: &api::Summary, key: &str) -> i32 {
    summary.figures.iter().find(|figure| figure.key == key).map_or(0, |figure| figure.value)
}

fn percent(part: i32, whole: i32) -> String {
    let hundredths = share(part, whole);
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

fn overview(writer: &mut Writer, summary: &api::Summary, tables: &Tables) {
    writer.chapter("工作开展情况");
    if summary.no_data {
        writer.blocks.push(Block::Callout(String::from(
            "本期为零报告：统计期间内没有信用记录、评价结果、抽查检查、名单认定和成效案例数据。",
        )));
    }
    writer.written(summary, Kind::Overview);
    let (visited, found) = (count(summary, "visited"), count(summary, "found"));
    let mut words = format!(
        "截至数据读取时，本领域共有监管对象{}户；统计期间归集信用记录{}条，已评价{}户，抽中{}户，检查{visited}户次",
        count(summary, "subjects"),
        count(summary, "records"),
        count(summary, "graded"),
        count(summary, "drawn"),
    );
    if visited > 0 {
        words += &format!("，发现问题{found}户次，问题发现率{}", percent(found, visited));
    }
    words += &format!(
        "；列入名单{}户次，实施措施{}次。主要数据见表{}。",
        count(summary, "listed"),
        count(summary, "applied"),
        writer.tables + 1
    );
    writer.say(words);
    writer.table(&tables.figures, "主要数据");
    writer.blocks.push(Block::Remark(format!("注：{}", sources(summary))));
}

fn measures(writer: &mut Writer, summary: &api::Summary, tables: &Tables) {
    writer.chapter("具体举措");
    writer.written(summary, Kind::Measures);
    if summary.measures.is_empty() {
        writer.say("本领域尚未按信用等级配置差异化监管措施。");
        return;
    }
    writer.say(format!("按信用等级实施的差异化监管措施见表{}。", writer.tables + 1));
    writer.table(&tables.measures, "差异化监管措施");
}

fn results(writer: &mut Writer, summary: &api::Summary, tables: &Tables) {
    writer.chapter("实际评价结果");
    let graded = count(summary, "graded");
    if summary.scheme.is_empty() || tables.results.rows.is_empty() {
        writer.say("统计期间本领域没有已发布的评价制度或评价结果。");
    } else {
        let name = match summary.scheme_title.as_str() {
            "" => summary.scheme.clone(),
            title => format!("《{title}》"),
        };
        let number = match summary.scheme_document.as_str() {
            "" => String::new(),
            number => format!("（{number}）"),
        };
        writer.say(format!(
            "依据{name}{number}第{}版，共评价监管对象{graded}户，各等级分布见表{}和图{}。",
            summary.scheme_version,
            writer.tables + 1,
            writer.charts + 1
        ));
        writer.table(&tables.results, "信用评价结果");
    }
    writer.written(summary, Kind::Results);
}

fn supervision(writer: &mut Writer, summary: &api::Summary, tables: &Tables) {
    writer.chapter("监管支撑数据");
    writer.section("抽查情况");
    if summary.draws.is_empty() {
        writer.say("统计期间没有按信用等级开展的抽查。");
    } else {
        let shown = if summary.draws.len() > 12 { "（图中为前12批）" } else { "" };
        writer.say(format!(
            "统计期间按信用等级开展抽查{}批，各批次情况见表{}和图{}{shown}。",
            summary.draws.len(),
            writer.tables + 1,
            writer.charts + 1
        ));
        writer.table(&tables.draws, "抽查情况（户、户次）");
    }
    writer.section("抽查成效");
    match summary.effect.filter(|total| total.visited > 0) {
        None => writer.say("统计期间没有可用于分析的检查结果。"),
        Some(total) => {
            writer.say(effect(&total));
            writer.table(&tables.effects, "各等级抽查成效（户、户次）");
        }
    }
    writer.section("名单管理和失信惩戒");
    writer.say(format!(
        "统计期间提出案件{}件，终止{}件，列入名单{}户次，期末有效名单{}户，实施措施{}次。",
        count(summary, "proposed"),
        count(summary, "dropped"),
        count(summary, "listed"),
        count(summary, "active"),
        count(summary, "applied")
    ));
    writer.written(summary, Kind::Supervision);
}

fn effect(total: &api::EffectFigures) -> String {
    let mut words = format!(
        "检查{}户次，发现问题{}户次，问题发现率{}",
        total.visited,
        total.found,
        percent(total.found, total.visited)
    );
    if let Some(uniform) = total.uniform_rate {
        words += &format!("；同等条件下均匀抽查的问题发现率为{:.2}%", uniform * 100.0);
    }
    match total.visits_saved {
        Some(saved) if saved > 0 => {
            words +=
                &format!("，要发现同样多的问题，均匀抽查需多检查{saved}户次，即分级抽查节省检查{saved}户次");
        }
        Some(saved) if saved < 0 => {
            words += &format!("，均匀抽查可少检查{}户次，分级抽查尚未显现成效", saved.unsigned_abs());
        }
        _ => {}
    }
    words + "。"
}

fn cases(writer: &mut Writer, summary: &api::Summary) {
    writer.chapter("成效案例");
    if summary.cases.is_empty() {
        writer.say("统计期间没有报送成效案例。");
    }
    for (number, case) in (1..).zip(&summary.cases) {
        writer.section(&format!("案例{}", numeral(number)));
        let facts = [
            ("时间", date(&case.happened_on)),
            ("地点", case.place.clone()),
            ("主体", case.subject.clone()),
            ("做法", case.practice.clone()),
            ("成效", case.effect.clone()),
            ("佐证材料", evidence(case)),
        ];
        let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        writer.blocks.push(Block::Facts(facts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_periods_are_said_as_offices_say_them() {
        assert_eq!(date("2026-03-02"), "2026年3月2日");
        assert_eq!(period("2026-01-01", "2026-12-31"), "2026年1月1日至12月31日");
        assert_eq!(period("2025-12-01", "2026-02-28"), "2025年12月1日至2026年2月28日");
        assert_eq!([numeral(1), numeral(10), numeral(11), numeral(20)], ["一", "十", "十一", "20"]);
    }

    #[test]
    fn a_uniform_sample_is_compared_in_words() {
        let total = api::EffectFigures {
            visited: 40,
            found: 10,
            rate: 0.25,
            uniform_rate: Some(0.125),
            visits_saved: Some(40),
            ..Default::default()
        };
        let words = effect(&total);
        assert!(
            words.contains("问题发现率25.00%")
                && words.contains("12.50%")
                && words.contains("节省检查40户次"),
            "{words}"
        );
        let worse = api::EffectFigures { visits_saved: Some(-3), ..total };
        assert!(effect(&worse).contains("尚未显现成效"));
    }
}
