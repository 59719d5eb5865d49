//! The ten sections of a profile and of a report.
use std::sync::Arc;

use contract::credit::v1 as api;

use crate::items::{Item, by_name};

/// The ten sections 公共信用信息报告标准（2021年版、2022年版）.
pub const TITLES: [&str; 10] = [
    "行政管理",
    "诚实守信",
    "严重失信主体名单",
    "经营异常",
    "信用承诺",
    "信用评价",
    "司法判决",
    "其他信息",
    "信用状况提升建议",
    "公共信用信息地方补充内容",
];
/// Where the lists of the seriously dishonest stand.
pub const LISTED: usize = 3;
/// Where the abnormal stand.
pub const ABNORMAL: usize = 4;
/// Where advice stands.
pub const ADVICE: usize = 9;
const LOCAL: usize = 10;

/// Where the classes of the national catalogue 全国公共信用信息基础目录（2024年版） stand; what is of no class there is local.
const CLASSES: [(&str, usize); 15] = [
    ("登记注册基本信息", 1),
    ("行政管理信息", 1),
    ("遵守法律法规情况信息", 1),
    ("诚信荣誉信息", 2),
    ("严重失信主体名单信息", LISTED),
    ("经营异常", ABNORMAL),
    ("经营（活动）异常", ABNORMAL),
    ("经营(活动)异常", ABNORMAL),
    ("信用承诺", 5),
    ("信用评价结果信息", 6),
    ("司法裁判及执行信息", 7),
    ("职称和职业信息", 8),
    ("合同履行信息", 8),
    ("知识产权信息", 8),
    ("经营主体自愿提供的信用信息", 8),
];

/// The section of a class, from 1.
pub fn place(category: &str) -> usize {
    CLASSES.iter().find(|(class, _)| category.starts_with(class)).map_or(LOCAL, |&(_, section)| section)
}

/// The sections of what is shown: how many records there are in each, and which of them are given.
pub fn of(
    records: &[api::Record],
    counts: &[api::ItemCount],
    items: &[Arc<Item>],
) -> Vec<api::ProfileSection> {
    let titled = TITLES.iter().zip(1_i32..).map(|(title, number)| api::ProfileSection {
        number,
        title: (*title).to_owned(),
        ..Default::default()
    });
    let mut sections: Vec<_> = titled.collect();
    for count in counts {
        sections[place(&count.category) - 1].count += count.count;
    }
    for record in records {
        let category = by_name(items, &record.item).map_or("", |item| &item.body.category);
        sections[place(category) - 1].records.push(record.record.clone());
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_section() {
        let cases = [
            ("行政管理信息", 1),
            ("诚信荣誉信息", 2),
            ("严重失信主体名单信息", 3),
            ("经营（活动）异常名录（状态）信息", 4),
            ("经营异常名录信息", 4),
            ("信用承诺及履行情况信息", 5),
            ("信用评价结果信息", 6),
            ("司法裁判及执行信息", 7),
            ("合同履行信息", 8),
            ("本市特色信息", 10),
            ("", 10),
        ];
        for (category, number) in cases {
            assert_eq!(place(category), number, "{category}");
        }
    }
}
