//! A report as a document to be handed out: the ten sections of the standard between how to check it and what it is for.
use contract::credit::v1::{self as api, profile::Audience, record::Mark, subject::CodeStatus};
use documents::{Block, Column, Document};
use identifiers::{department::Department, industry::Industry, region};
use jiff::civil::DateTime;

const TITLE: &str = "公共信用信息报告";
const NUMERALS: [&str; 10] = ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十"];

/// The document of a report; `issued` is the local time at which it was.
pub fn document(report: &api::Report, issued: DateTime) -> Document {
    let audience = audience(report.audience());
    let mut blocks = vec![Block::Facts(masthead(report, issued)), Block::Callout(how_to_verify(report))];
    blocks.push(Block::Heading(String::from("基本信息")));
    blocks.extend(report.subject.as_ref().map(|subject| Block::Facts(registration(subject))));
    blocks.push(Block::Heading(String::from("信息概况")));
    blocks.push(overview(report));
    if report.omitted > 0 {
        let text =
            format!("信息较多，本报告按发生日期展示最近的记录，另有{}条较早的记录未列出。", report.omitted);
        blocks.push(Block::Callout(text));
    }
    for (section, numeral) in report.sections.iter().zip(NUMERALS) {
        blocks.push(Block::Heading(format!("{numeral}、{}", section.title)));
        blocks.extend(body(section));
    }
    blocks.push(Block::Heading(String::from("报告说明")));
    blocks.push(Block::Remark(notes(report)));
    Document {
        title: String::from(TITLE),
        subtitle: format!("（法人和非法人组织 · {audience}）"),
        author: String::from("信衡 Xinheng"),
        created: issued,
        header: (String::from(TITLE), report.number.clone()),
        footer: format!("校验码 {}　出具时间 {}", spaced(&report.check_code), at(issued)),
        watermark: format!("{audience}　{}", report.number),
        blocks,
    }
}

fn audience(audience: Audience) -> &'static str {
    match audience {
        Audience::Public | Audience::Unspecified => "社会公众版",
        Audience::Subject => "主体本人版",
        Audience::Department => "政务部门版",
        Audience::Office => "信用主管部门版",
    }
}

fn at(issued: DateTime) -> String {
    issued.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

// Two halves of four letters are read out without a slip.
fn spaced(code: &str) -> String {
    code.split_at_checked(4).map_or_else(|| code.to_owned(), |(head, tail)| format!("{head}-{tail}"))
}

fn fact(name: &str, value: impl Into<String>) -> (String, String) {
    let value = value.into();
    (name.to_owned(), if value.is_empty() { String::from("—") } else { value })
}

fn masthead(report: &api::Report, issued: DateTime) -> Vec<(String, String)> {
    let own = report.audience() == Audience::Subject;
    let asker = if own { String::from("主体本人") } else { department(&report.department) };
    let purpose = if own { "查询本单位信用信息" } else { &report.purpose };
    vec![
        fact("报告编号", &report.number),
        fact("校验码", spaced(&report.check_code)),
        fact("出具时间", at(issued)),
        fact("查询单位", asker),
        fact("查询用途", purpose),
    ]
}

fn how_to_verify(report: &api::Report) -> String {
    format!(
        "核验方法：在出具本报告的信用平台凭报告编号和校验码核验（{}?code={}），可知本报告是否真实、所载信息是否仍为最新。文件的SHA-256摘要与核验结果不一致的，不是所出具的报告。",
        report.verify_path, report.check_code
    )
}

fn registration(subject: &api::Subject) -> Vec<(String, String)> {
    let mut code = subject.uscc.clone();
    if subject.code_status() == CodeStatus::Nonconforming {
        code.push_str("（校验位不符合GB 32100，按登记机关核发的代码记载）");
    }
    let industry = Industry::parse(&subject.industry).ok();
    let industry = industry.map(|industry| format!("{}（{}）", industry.section_name(), subject.industry));
    let region = region::name(&subject.region).map(|name| format!("{name}（{}）", subject.region));
    vec![
        fact("名称", &subject.name),
        fact("统一社会信用代码", code),
        fact("主体类型", kind(&subject.kind)),
        fact("登记状态", status(&subject.status)),
        fact("成立日期", &subject.registered_on),
        fact("所属行业", industry.unwrap_or_else(|| subject.industry.clone())),
        fact("行政区划", region.unwrap_or_else(|| subject.region.clone())),
    ]
}

// The values that the contract names; another register's own words stand as they are.
fn kind(kind: &str) -> &str {
    match kind {
        "COMPANY" => "企业",
        "INDIVIDUAL_BUSINESS" => "个体工商户",
        "COOPERATIVE" => "农民专业合作社",
        "SOCIAL_ORGANIZATION" => "社会组织",
        other => other,
    }
}

fn status(status: &str) -> &str {
    match status {
        "ACTIVE" => "存续",
        "REVOKED" => "吊销",
        "CANCELLED" => "注销",
        other => other,
    }
}

fn department(slug: &str) -> String {
    Department::parse(slug).map_or_else(|_| slug.to_owned(), |known| known.name().to_owned())
}

// Two sections beside each other, so that the whole of it stands on the first page.
fn overview(report: &api::Report) -> Block {
    let three = || [Column::text("序号", 8), Column::text("信息类别", 30), Column::number("条数", 12)];
    // Advice is no class of information and has no number.
    let counted: Vec<_> = report.sections.iter().filter(|section| section.remarks.is_empty()).collect();
    let cells = |section: &&api::ReportSection| {
        let numeral = usize::try_from(section.number - 1).ok().and_then(|at| NUMERALS.get(at));
        let numeral = numeral.copied().unwrap_or_default().to_owned();
        [numeral, section.title.clone(), section.entries.len().to_string()]
    };
    let (left, right) = counted.split_at(counted.len().div_ceil(2));
    let row = |(at, section): (usize, &&api::ReportSection)| {
        let beside = right.get(at).map_or_else(Default::default, cells);
        cells(section).into_iter().chain(beside).collect()
    };
    let rows = left.iter().enumerate().map(row).collect();
    Block::Table { columns: three().into_iter().chain(three()).collect(), rows }
}

fn body(section: &api::ReportSection) -> Vec<Block> {
    let mut blocks: Vec<Block> = section.remarks.iter().cloned().map(Block::Paragraph).collect();
    if !section.entries.is_empty() {
        let columns = vec![
            Column::text("事项", 15),
            Column::text("内容", 43),
            Column::text("发生日期", 13),
            Column::number("金额（元）", 14),
            Column::text("来源单位", 15),
        ];
        blocks.push(Block::Table { columns, rows: section.entries.iter().map(row).collect() });
    } else if section.remarks.is_empty() {
        blocks.push(Block::Remark(String::from("截至出具时间，没有可以向本报告使用者展示的此类信息。")));
    }
    blocks
}

fn row(entry: &api::ReportEntry) -> Vec<String> {
    let Some(record) = &entry.record else { return Vec::new() };
    let mut content = vec![format!("源编号：{}", record.source_id)];
    content.extend(entry.details.iter().map(|detail| format!("{}：{}", detail.name, detail.value)));
    if record.unpublished {
        content.push(String::from("依规定不向社会公示"));
    }
    for (name, day) in [("有效期至", &record.valid_until), ("公示截止", &record.published_until)] {
        if !day.is_empty() {
            content.push(format!("{name}：{day}"));
        }
    }
    // What is going on about a record is told where it stands.
    let mut name = vec![entry.name.clone()];
    name.extend(record.marks().filter_map(|mark| match mark {
        Mark::Unspecified => None,
        Mark::UnderObjection => Some(String::from("【异议中】")),
        Mark::UnderRepair => Some(String::from("【修复中】")),
        Mark::UnderReview => Some(String::from("【复议中】")),
        Mark::InLitigation => Some(String::from("【诉讼中】")),
        Mark::Suspended => Some(String::from("【暂停公示】")),
    }));
    vec![
        name.join("\n"),
        content.join("\n"),
        record.occurred_on.clone(),
        record.amount.clone(),
        department(&record.department),
    ]
}

fn notes(report: &api::Report) -> String {
    let scope = match report.audience() {
        Audience::Public | Audience::Unspecified => "依法向社会公开的信息",
        Audience::Subject => "主体本人依法可以查询的信息",
        Audience::Department => "政务部门之间依法共享的信息",
        Audience::Office => "信用主管部门依法归集的信息",
    };
    format!(
        "1. 本报告按照公共信用信息报告的章节，展示截至出具时间归集的、{scope}。信息由来源单位提供，以来源单位的记载为准。\n\
         2. 本报告仅供上述查询用途使用，不得用于其他用途；查询已记入查询日志，主体本人可以查阅。\n\
         3. 所载信息在出具之后更正、撤销、修复或者到期的，核验结果会提示本报告不再是最新。\n\
         4. 字库中没有的字以〔U+编码〕表示。"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_about_a_record_stands_with_its_name() {
        let record = api::Record {
            source_id: String::from("P-1"),
            marks: vec![Mark::UnderObjection.into(), Mark::UnderRepair.into()],
            unpublished: true,
            department: String::from("transport"),
            ..Default::default()
        };
        let name = String::from("行政处罚");
        let entry = api::ReportEntry { name, record: Some(record), ..Default::default() };
        let cells = row(&entry);
        assert_eq!(cells[0], "行政处罚\n【异议中】\n【修复中】");
        assert_eq!(cells[1], "源编号：P-1\n依规定不向社会公示");
        assert_eq!(cells[4], "交通运输局");
    }

    #[test]
    fn the_overview_counts_each_section_once() {
        let section = |number: i32| api::ReportSection {
            number,
            title: format!("第{number}类"),
            remarks: if number == 9 { vec![String::from("建议")] } else { Vec::new() },
            ..Default::default()
        };
        let report = api::Report { sections: (1..=10).map(section).collect(), ..Default::default() };
        let Block::Table { columns, rows } = overview(&report) else { panic!("no table") };
        assert_eq!((columns.len(), rows.len()), (6, 5));
        assert_eq!(rows[0], ["一", "第1类", "0", "六", "第6类", "0"]);
        assert_eq!(rows[3], ["四", "第4类", "0", "十", "第10类", "0"]);
        assert_eq!(rows[4], ["五", "第5类", "0"].into_iter().chain(["", "", ""]).collect::<Vec<_>>());
    }
}
