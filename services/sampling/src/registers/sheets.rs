//! Which column of a file is which field, and how a row becomes what a PUT would send. Pure.
use contract::sampling::v1::{InspectionItem, Inspector, Leave, inspection_item::Category};

/// A column: its heading on the way out, and what else it may be called on the way in.
pub struct Column {
    pub heading: &'static str,
    pub others: &'static [&'static str],
}

const fn column(heading: &'static str, others: &'static [&'static str]) -> Column {
    Column { heading, others }
}

/// The columns of inspection items 抽查事项清单.
pub const ITEMS: [Column; 13] = [
    column("事项编号", &["inspectionItemId", "编号", "事项编码"]),
    column("抽查事项名称", &["name", "抽查事项", "事项名称", "抽查项目"]),
    column("事项类别", &["category", "类别", "检查类别"]),
    column("检查部门", &["department", "检查主体", "责任部门", "所属部门"]),
    column("所属领域", &["domain", "领域"]),
    column("检查对象", &["objects", "抽查对象"]),
    column("检查方式", &["method", "抽查方式"]),
    column("抽查比例和频次", &["frequency", "抽查频次", "频次"]),
    column("检查依据", &["legalBasis", "抽查依据", "法律依据"]),
    column("专业要求", &["skills", "专业资质"]),
    column("检查内容", &["text", "抽查内容"]),
    column("施行日期", &["effectiveFrom", "生效日期"]),
    column("失效日期", &["effectiveUntil", "废止日期"]),
];

/// The columns of inspectors 执法检查人员名录库. There is none for a name.
pub const INSPECTORS: [Column; 11] = [
    column("执法证号", &["inspectorId", "执法证件号", "编号"]),
    column("所属部门", &["department", "部门"]),
    column("所在单位", &["unit", "单位", "所属机构"]),
    column("工作区域", &["region", "行政区划", "区域"]),
    column("专业资质", &["skills", "业务专长", "检查资质"]),
    column("回避主体", &["conflicts", "回避"]),
    column("在岗起始日", &["availableFrom"]),
    column("在岗截止日", &["availableUntil"]),
    column("执法证件有效期至", &["certificateUntil", "证件有效期", "有效期至"]),
    column("休假离岗", &["leaves", "休假"]),
    column("停用", &["inactive"]),
];

/// The columns of a special library's members 检查对象名录库.
pub const OBJECTS: [Column; 2] =
    [column("统一社会信用代码", &["uscc", "代码", "社会信用代码"]), column("备注", &["note", "说明"])];

// Headings under which files carry natural persons' data; such a column is dropped before a row is looked at.
const PERSONS: [&str; 16] = [
    "姓名",
    "身份证",
    "证件号码",
    "手机",
    "电话",
    "联系方式",
    "住址",
    "性别",
    "出生",
    "民族",
    "年龄",
    "法定代表人",
    "负责人",
    "联系人",
    "邮箱",
    "微信",
];

/// How a file's columns are read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// For each known column, where it stands in the file.
    pub places: Vec<Option<usize>>,
    /// Headings that are not known.
    pub ignored: Vec<String>,
    /// Columns of natural persons' data.
    pub dropped: usize,
}

fn squashed(heading: &str) -> String {
    let plain = heading.split(['(', '（']).next().unwrap_or_default();
    plain
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '*' | '＊'))
        .collect::<String>()
        .to_lowercase()
}

/// Tells the columns of a file by its headings; the first of two of the same name counts.
pub fn layout(headings: &[String], columns: &[Column]) -> Layout {
    let mut layout = Layout { places: vec![None; columns.len()], ..Default::default() };
    for (place, heading) in headings.iter().enumerate() {
        let given = squashed(heading);
        if given.is_empty() {
            continue;
        }
        let is = |column: &Column| {
            squashed(column.heading) == given || column.others.iter().any(|other| squashed(other) == given)
        };
        match columns.iter().position(is) {
            Some(known) if layout.places[known].is_none() => layout.places[known] = Some(place),
            _ if PERSONS.iter().any(|word| given.contains(word)) => layout.dropped += 1,
            _ => layout.ignored.push(heading.clone()),
        }
    }
    layout
}

/// A row's known cells, in the order of the columns.
pub fn cells(layout: &Layout, row: &[String]) -> Vec<String> {
    let cell = |place: &Option<usize>| place.and_then(|place| row.get(place)).cloned().unwrap_or_default();
    layout.places.iter().map(cell).collect()
}

// Several in a cell, with any of the marks that people put between them.
fn several(cell: &str) -> Vec<String> {
    let parts = cell.split(['、', ',', '，', ';', '；', '\n', '|']).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

// A day in the forms of spreadsheets, as YYYY-MM-DD; another text as it is, for the rules to refuse.
fn day(cell: &str) -> String {
    let plain = cell.trim();
    let parts: Vec<&str> = plain
        .split(['-', '/', '.', '年', '月', '日'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    match parts.as_slice() {
        [year, month, day] if year.len() == 4 => format!("{year}-{month:0>2}-{day:0>2}"),
        [all] if all.len() == 8 && all.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{}-{}-{}", &all[..4], &all[4..6], &all[6..])
        }
        _ => plain.to_owned(),
    }
}

/// An inspection item of a row; nothing where the category is none.
pub fn item(cells: &[String]) -> Option<InspectionItem> {
    let cell = |index: usize| cells.get(index).cloned().unwrap_or_default();
    let category = match cell(2).trim() {
        "" => Category::Unspecified,
        name if name.contains("一般") || name.eq_ignore_ascii_case("general") => Category::General,
        name if name.contains("重点") || name.eq_ignore_ascii_case("key") => Category::Key,
        _ => return None,
    };
    Some(InspectionItem {
        inspection_item_id: cell(0),
        name: cell(1),
        category: category as i32,
        department: cell(3),
        domain: cell(4),
        objects: cell(5),
        method: cell(6),
        frequency: cell(7),
        legal_basis: cell(8),
        skills: several(&cell(9)),
        text: cell(10),
        effective_from: day(&cell(11)),
        effective_until: day(&cell(12)),
    })
}

/// The row of an inspection item.
pub fn item_row(item: &InspectionItem) -> Vec<String> {
    let category = if item.category() == Category::Key { "重点检查事项" } else { "一般检查事项" };
    vec![
        item.inspection_item_id.clone(),
        item.name.clone(),
        category.to_owned(),
        item.department.clone(),
        item.domain.clone(),
        item.objects.clone(),
        item.method.clone(),
        item.frequency.clone(),
        item.legal_basis.clone(),
        item.skills.join("、"),
        item.text.clone(),
        item.effective_from.clone(),
        item.effective_until.clone(),
    ]
}

/// An inspector of a row; nothing where leave or the end can't be read.
pub fn inspector(cells: &[String]) -> Option<Inspector> {
    let cell = |index: usize| cells.get(index).cloned().unwrap_or_default();
    let leaves = several(&cell(9)).iter().map(|span| leave(span)).collect::<Option<Vec<Leave>>>()?;
    let inactive = match cell(10).trim() {
        "" | "否" | "在岗" | "正常" => false,
        "是" | "停用" | "无效" => true,
        name if name.eq_ignore_ascii_case("false") => false,
        name if name.eq_ignore_ascii_case("true") => true,
        _ => return None,
    };
    Some(Inspector {
        inspector_id: cell(0),
        department: cell(1),
        unit: cell(2),
        region: cell(3),
        skills: several(&cell(4)),
        conflicts: several(&cell(5)),
        available_from: day(&cell(6)),
        available_until: day(&cell(7)),
        certificate_until: day(&cell(8)),
        leaves,
        inactive,
        accept_nonconforming: false,
    })
}

// 2026-05-01至2026-05-07, or a single day.
fn leave(span: &str) -> Option<Leave> {
    let (from, to) = span.split_once(['至', '~', '～', '—']).unwrap_or((span, span));
    let (from, to) = (day(from), day(to));
    (from.len() == 10 && to.len() == 10).then_some(Leave { from, to })
}

/// The row of an inspector.
pub fn inspector_row(inspector: &Inspector) -> Vec<String> {
    let leave = |leave: &Leave| format!("{}至{}", leave.from, leave.to);
    vec![
        inspector.inspector_id.clone(),
        inspector.department.clone(),
        inspector.unit.clone(),
        inspector.region.clone(),
        inspector.skills.join("、"),
        inspector.conflicts.join("、"),
        inspector.available_from.clone(),
        inspector.available_until.clone(),
        inspector.certificate_until.clone(),
        inspector.leaves.iter().map(leave).collect::<Vec<_>>().join("；"),
        if inspector.inactive { "是" } else { "否" }.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(row: &[&str]) -> Vec<String> {
        row.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn columns_are_told_by_any_of_their_names() {
        let headings =
            texts(&["姓名", "执法证号（必填）", "手机号码", " 所属 部门 ", "SKILLS", "星座", "执法证号"]);
        let layout = layout(&headings, &INSPECTORS);
        assert_eq!(&layout.places[..5], [Some(1), Some(3), None, None, Some(4)]);
        assert_eq!((layout.ignored, layout.dropped), (texts(&["星座", "执法证号"]), 2));
    }

    #[test]
    fn days_are_read_as_spreadsheets_write_them() {
        for (given, read) in [
            ("2026-03-01", "2026-03-01"),
            ("2026/3/1", "2026-03-01"),
            ("2026年3月1日", "2026-03-01"),
            ("20260301", "2026-03-01"),
            ("", ""),
            ("明年", "明年"),
        ] {
            assert_eq!(day(given), read);
        }
    }

    #[test]
    fn a_row_on_its_way_out_is_the_same_on_its_way_in() {
        let one = Inspector {
            inspector_id: "6403-01".to_owned(),
            department: "transport".to_owned(),
            unit: "执法支队".to_owned(),
            region: "640300".to_owned(),
            skills: texts(&["road", "vehicle"]),
            conflicts: texts(&["91640399M000010X5N"]),
            leaves: vec![Leave { from: "2026-05-01".to_owned(), to: "2026-05-07".to_owned() }],
            inactive: true,
            ..Default::default()
        };
        assert_eq!(inspector(&inspector_row(&one)), Some(one));
        let key = InspectionItem {
            inspection_item_id: "vehicle".to_owned(),
            name: "车辆技术状况检查".to_owned(),
            category: Category::Key as i32,
            skills: texts(&["vehicle"]),
            effective_from: "2026-01-01".to_owned(),
            ..Default::default()
        };
        assert_eq!(item(&item_row(&key)), Some(key));
    }

    #[test]
    fn what_can_not_be_read_is_refused() {
        let mut cells = vec![String::new(); 13];
        cells[2] = "特殊".to_owned();
        assert_eq!(item(&cells), None);
        let mut cells = vec![String::new(); 11];
        cells[9] = "五一".to_owned();
        assert_eq!(inspector(&cells), None);
        cells[9] = String::new();
        cells[10] = "也许".to_owned();
        assert_eq!(inspector(&cells), None);
    }
}
