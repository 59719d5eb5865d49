//! The 22 domains 领域 of the city's plan (吴信用联办〔2022〕8号, in the order printed there).

use crate::department::Department;
use crate::fault::{Fault, quoted};

/// A domain of supervision, D01 to D22.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(usize);

struct Row {
    code: &'static str,
    slug: &'static str,
    name: &'static str,
    /// Suggestions: the plan names no lead, and none of its departments is at home in 社会组织.
    leads: &'static [&'static str],
}

const fn row(
    code: &'static str,
    slug: &'static str,
    name: &'static str,
    leads: &'static [&'static str],
) -> Row {
    Row { code, slug, name, leads }
}

const ROWS: [Row; 22] = [
    row("D01", "production", "生产领域", &["market-regulation", "emergency"]),
    row("D02", "circulation", "流通领域", &["market-regulation", "commerce"]),
    row("D03", "finance", "金融领域", &["financial-work"]),
    row("D04", "taxation", "税务领域", &["taxation"]),
    row("D05", "price", "价格领域", &["market-regulation"]),
    row("D06", "construction", "工程建设领域", &["housing", "transport", "water"]),
    row("D07", "government-procurement", "政府采购领域", &["finance"]),
    row("D08", "bidding", "招标投标领域", &["finance", "housing"]),
    row("D09", "transport", "交通运输领域", &["transport"]),
    row("D10", "e-commerce", "电子商务领域", &["commerce", "market-regulation"]),
    row("D11", "statistics", "统计领域", &["statistics"]),
    row("D12", "intermediary", "中介服务业", &["justice", "finance", "housing"]),
    row("D13", "exhibition-advertising", "会展广告领域", &["market-regulation", "commerce"]),
    row("D14", "health", "医药卫生和计划生育领域", &["health", "medical-insurance", "market-regulation"]),
    row("D15", "social-security", "社会保障领域", &["hrss", "medical-insurance"]),
    row("D16", "labour", "劳动用工领域", &["hrss"]),
    row("D17", "education-science", "教育科研领域", &["science"]),
    row("D18", "culture-sport-tourism", "文化体育旅游领域", &["culture-sport-tourism-broadcast"]),
    row("D19", "intellectual-property", "知识产权领域", &["market-regulation"]),
    row("D20", "environment-energy", "环境保护和能源节约领域", &["ecology", "industry-it"]),
    row("D21", "social-organisations", "社会组织", &[]),
    row("D22", "internet", "互联网应用及服务领域", &["cyberspace", "industry-it", "public-security"]),
];

impl Domain {
    /// Every domain, in the plan's order.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..ROWS.len()).map(Self)
    }

    /// Takes a code (`D09`) or a slug (`transport`), or refuses it with `DOMAIN_UNKNOWN`.
    pub fn parse(given: &str) -> Result<Self, Fault> {
        let wanted = given.trim();
        let same = |row: &Row| [row.code, row.slug].iter().any(|name| name.eq_ignore_ascii_case(wanted));
        ROWS.iter().position(same).map(Self).ok_or_else(|| {
            Fault::new(
                "DOMAIN_UNKNOWN",
                format!(
                    "'{}' is none of the 22 domains. Give D01 to D22 or a slug such as transport.",
                    quoted(given)
                ),
                format!("“{}”不是22个领域之一，请填写D01至D22，或英文简称，例如transport。", quoted(given)),
            )
        })
    }

    /// `D01` to `D22`.
    pub fn code(self) -> &'static str {
        ROWS[self.0].code
    }

    /// The English short name, as in URLs.
    pub fn slug(self) -> &'static str {
        ROWS[self.0].slug
    }

    /// The name as the plan prints it.
    pub fn name(self) -> &'static str {
        ROWS[self.0].name
    }

    /// The departments that are at home in the domain: a suggestion, the plan names none.
    pub fn lead_departments(self) -> impl Iterator<Item = Department> {
        ROWS[self.0].leads.iter().filter_map(|slug| Department::parse(slug).ok())
    }
}
