//! Which column of a file is what: by its heading, in the contract's words or as lists and registers spell it.
/// What a column may be, with its headings in squashed form, the surest first.
pub struct Target {
    /// The contract's name.
    pub name: &'static str,
    aliases: &'static [&'static str],
    required: bool,
}

/// A target that rows can't do without.
pub const fn wanted(name: &'static str, aliases: &'static [&'static str]) -> Target {
    Target { name, aliases, required: true }
}

/// A target that rows may have.
pub const fn optional(name: &'static str, aliases: &'static [&'static str]) -> Target {
    Target { name, aliases, required: false }
}

/// The code of an enterprise.
pub const USCC: Target = wanted(
    "uscc",
    &[
        "uscc",
        "unifiedsocialcreditcode",
        "creditcode",
        "统一社会信用代码",
        "统一社会信用代码/注册号",
        "统一代码/注册号",
        "统一信用代码/注册号",
        "统一社会信用码(纳税人识别号)",
        "社会信用代码(纳税人识别号)",
        "统一社会信用代码.纳税人识别号",
        "社会信用代码",
        "统一信用代码",
        "信用代码或识别号",
        "行政相对人统一社会信用代码",
        "行政相对人代码1(统一社会信用代码)",
        "行政相对人代码3(统一社会信用代码)",
        "行政相对人代码(统一社会信用代码或纳税人识别号)",
        "被处罚企业统一社会信用编码",
        "纳税人识别号",
        "纳税识别号",
    ],
);

const NAMES: &[&str] = &[
    "name",
    "企业名称",
    "主体名称",
    "名称",
    "单位名称",
    "公司名称",
    "企业名称(字号名称)",
    "企业或单位名称",
    "行政相对人名称",
    "纳税人名称",
    "业户名称",
    "当事人名称",
    "纳税人名称(姓名)",
    "企业名称或自然人姓名",
    "失信被执行人姓名/名称",
    "被处罚单位(被处罚人)",
];

/// Of subjects.
pub const SUBJECTS: &[Target] = &[
    USCC,
    wanted("name", NAMES),
    optional("formerNames", &["formernames", "曾用名", "曾用名称", "企业曾用名", "历史名称"]),
    optional("secondNames", &["secondnames", "第二名称", "从属名称", "第二企业名称"]),
    optional("kind", &["kind", "主体类型", "市场主体类型"]),
    optional(
        "region",
        &["region", "regioncode", "行政区划", "行政区划代码", "行政区划编码", "地方编码", "住所所在行政区划"],
    ),
    optional(
        "industry",
        &["industry", "industrycode", "行业代码", "行业", "国民经济行业代码", "所属行业代码"],
    ),
    optional("domains", &["domains", "domain", "监管领域", "领域", "所属领域"]),
    optional(
        "registeredOn",
        &["registeredon", "registereddate", "成立日期", "注册日期", "注册时间", "登记日期", "成立时间"],
    ),
    optional("status", &["status", "登记状态", "经营状态", "企业状态", "登记状态(中文)"]),
];

/// Of records. The number of a decision is the source's own number where no column is named so. What a record can't do without is
/// judged by the layout, since a template may have another way to it.
pub const RECORDS: &[Target] = &[
    Target { required: false, ..USCC },
    optional("name", NAMES),
    optional("item", &["item", "事项", "事项编码", "目录事项"]),
    optional("sourceId", &["sourceid", "源编号", "来源编号", "业务编号", "记录编号"]),
    optional(
        "decisionNumber",
        &[
            "行政处罚决定书文号",
            "行政许可决定书文号",
            "行政许可决定文书号",
            "许可决定书文号",
            "处罚决定文书号",
            "行政处罚文号",
            "处罚文号",
            "决定书文号",
            "文书字轨",
            "文号",
        ],
    ),
    optional(
        "occurredOn",
        &[
            "occurredon",
            "发生日期",
            "处罚决定日期",
            "作出行政处罚决定日期",
            "作出处罚决定的日期",
            "做出处罚的日期",
            "许可决定日期",
            "决定日期",
            "作出决定时间",
            "处罚日期",
            "处罚时间",
            "文书制作日期",
            "列入日期",
        ],
    ),
    optional("severity", &["severity", "严重程度"]),
    optional("amount", &["amount", "金额", "金额(元)", "罚款金额(元)", "罚款金额", "罚款"]),
    // 双公示 states fines in ten thousands of yuan.
    optional("amountWan", &["金额(万元)", "罚款金额(万元)"]),
    optional("personKind", &["行政相对人类别"]),
    optional("validUntil", &["validuntil", "有效期至", "有效期截止"]),
];

impl Target {
    /// The column of the target among squashed headings, the surest heading first.
    pub fn find(&self, squashed: &[String]) -> Option<usize> {
        self.aliases.iter().find_map(|alias| squashed.iter().position(|heading| heading == alias))
    }

    /// Its headings, squashed.
    pub fn headings(&self) -> impl Iterator<Item = String> + use<> {
        self.aliases.iter().map(|alias| (*alias).to_owned())
    }

    /// The name of a target that rows can't do without.
    pub fn missing(&self) -> Option<(&'static str, &'static str)> {
        let chinese = self.aliases.iter().copied().find(|alias| !alias.is_ascii());
        self.required.then(|| (self.name, chinese.unwrap_or(self.name)))
    }
}

/// Every heading that is known, squashed.
pub fn known() -> impl Iterator<Item = String> {
    let targets = SUBJECTS.iter().chain(RECORDS);
    targets.flat_map(Target::headings)
}

/// A field's heading without its unit, and whether the unit is ten thousands of yuan.
pub fn unit(squashed: &str) -> (&str, bool) {
    match squashed.strip_suffix("(万元)") {
        Some(name) => (name, true),
        None => (squashed.strip_suffix("(元)").unwrap_or(squashed), false),
    }
}

/// A heading without what lists spell now so, now so: width, case, kinds of brackets, spaces, underscores, a colon at the end.
pub fn squash(heading: &str) -> String {
    let half = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    let bracket = |c: char| match c {
        '〔' | '【' | '[' | '{' | '〈' => '(',
        '〕' | '】' | ']' | '}' | '〉' => ')',
        _ => c,
    };
    let kept =
        |c: &char| !(c.is_whitespace() || c.is_control() || matches!(c, '_' | '-' | '*' | '\u{FEFF}' | ':'));
    heading.chars().map(half).map(bracket).filter(kept).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_is_squashed_already() {
        for alias in known() {
            assert_eq!(squash(&alias), alias);
        }
    }

    #[test]
    fn headings_are_the_same_in_every_spelling() {
        for given in [
            "行政相对人代码_1(统一社会信用代码)",
            "行政相对人代码_1 （统一社会信用代码）：",
            "行政相对人代码＿1〔统一社会信用代码〕",
            "行政相对人代码-1【统一社会信用代码】",
            "\u{FEFF}行政相对人 代码\t1（统一社会信用代码）*",
        ] {
            assert_eq!(squash(given), "行政相对人代码1(统一社会信用代码)", "{given}");
        }
        assert_eq!(squash("credit_evalua_ nm"), "creditevaluanm");
        assert_eq!(unit("注册资本(万元)"), ("注册资本", true));
        assert_eq!(unit("金额(元)"), ("金额", false));
        assert_eq!(unit("金额"), ("金额", false));
    }
}
