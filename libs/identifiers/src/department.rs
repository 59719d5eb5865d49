//! The departments 成员单位 that the city's plan gives tasks to (吴信用联办〔2022〕8号), and the office that leads them.

use crate::fault::{Fault, quoted};

/// A department of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Department(usize);

const ROWS: [(&str, &str); 23] = [
    ("cyberspace", "市委网信办"),
    ("science", "科技局"),
    ("industry-it", "工信局"),
    ("public-security", "公安局"),
    ("justice", "司法局"),
    ("finance", "财政局"),
    ("hrss", "人社局"),
    ("ecology", "生态环境局"),
    ("housing", "住建局"),
    ("transport", "交通运输局"),
    ("water", "水务局"),
    ("commerce", "商务局"),
    ("culture-sport-tourism-broadcast", "文旅体广局"),
    ("health", "卫健委"),
    ("emergency", "应急管理局"),
    ("market-regulation", "市场监管局"),
    ("statistics", "统计局"),
    ("financial-work", "金融工作局"),
    ("medical-insurance", "医保局"),
    ("grain", "粮食局"),
    ("taxation", "税务局"),
    ("natural-resources", "自然资源局"),
    ("credit-office", "市信用联办"),
];

impl Department {
    /// The office that coordinates the others 市信用联办; it is not one of the plan's 22 departments.
    pub const CREDIT_OFFICE: Self = Self(ROWS.len() - 1);

    /// The plan's 22 departments, in its order, then the credit office.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..ROWS.len()).map(Self)
    }

    /// Takes a slug, or refuses it with `DEPARTMENT_UNKNOWN`.
    pub fn parse(given: &str) -> Result<Self, Fault> {
        let known = ROWS.iter().position(|(slug, _)| *slug == given.trim());
        known.map(Self).ok_or_else(|| {
            Fault::new(
                "DEPARTMENT_UNKNOWN",
                format!(
                    "'{}' is no department of the plan. Give a slug such as market-regulation.",
                    quoted(given)
                ),
                format!("“{}”不是方案中的部门，请填写部门简称，例如market-regulation。", quoted(given)),
            )
        })
    }

    /// The English short name, as in tokens and URLs.
    pub fn slug(self) -> &'static str {
        ROWS[self.0].0
    }

    /// The name as the plan prints it.
    pub fn name(self) -> &'static str {
        ROWS[self.0].1
    }
}
