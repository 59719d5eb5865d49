//! A fictional city on Wuzhong's map: the same every time. Its enterprises carry codes of region 640399, which does not
//! exist, and names that say that they are invented; no fact here is about anybody.
use identifiers::{Domain, Uscc};
use jiff::{ToSpan, civil::Date};
use serde_json::{Value, json};

/// How many enterprises the city has.
pub const ENTERPRISES: u32 = 5_000;

/// Wuzhong's counties 县区 with their share of the enterprises, in percent.
pub const COUNTIES: [(&str, &str, u64); 5] = [
    ("640302", "利通区", 40),
    ("640303", "红寺堡区", 12),
    ("640323", "盐池县", 14),
    ("640324", "同心县", 14),
    ("640381", "青铜峡市", 20),
];

// Industry code (GB/T 4754), what the firms of it are called, the domains that supervise it, the share in percent.
const TRADES: [(&str, &str, &[&str], u64); 14] = [
    ("C1311", "面粉加工", &["D01", "D20"], 10),
    ("C1440", "乳制品", &["D01", "D14"], 6),
    ("C3011", "水泥制品", &["D01", "D20"], 5),
    ("E4710", "建筑工程", &["D06", "D08", "D16"], 12),
    ("F5211", "百货零售", &["D02", "D05"], 14),
    ("F5292", "电子商务", &["D02", "D10", "D22"], 6),
    ("G5437", "货物运输", &["D09"], 12),
    ("G5412", "城市客运", &["D09"], 4),
    ("I6510", "软件信息", &["D22", "D19"], 6),
    ("J6790", "资本服务", &["D03"], 3),
    ("L7251", "会展广告", &["D13", "D12"], 6),
    ("P8391", "职业培训", &["D17"], 5),
    ("Q8425", "门诊医疗", &["D14", "D15"], 5),
    ("R9019", "文体旅游", &["D18"], 6),
];

// Every enterprise also stands in one of these.
const COMMON: [&str; 4] = ["D04", "D07", "D11", "D21"];

const FIRST: [&str; 20] = [
    "云岭", "青禾", "瑞麦", "长渠", "金穗", "沙枣", "滩羊", "河套", "星野", "明川", "柳湾", "石峡", "枸园",
    "牧歌", "朔风", "泉坪", "麦垛", "驼铃", "芦花", "晨岭",
];
const SECOND: [&str; 15] =
    ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "甲", "乙", "丙", "丁", "戊"];

/// One enterprise.
pub struct Enterprise {
    /// Its code.
    pub uscc: String,
    /// Its name, which says that it is invented.
    pub name: String,
    /// Its county's code.
    pub region: &'static str,
    /// Its industry.
    pub industry: &'static str,
    /// Its domains.
    pub domains: Vec<&'static str>,
    /// When it was registered.
    pub registered_on: Date,
    // How it behaves, 0 (badly) to 99: decides what records it has.
    conduct: u64,
    serial: u32,
}

/// Records of one department, ready to submit.
pub struct Batch {
    /// The department's slug.
    pub department: &'static str,
    /// The rows.
    pub records: Vec<Value>,
}

// A fixed sequence of numbers, so that the city is the same every time; nothing here needs to be unpredictable.
fn mixed(serial: u32, lane: u64) -> u64 {
    let mut state = (u64::from(serial) << 8 | lane).wrapping_add(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

fn pick<T>(items: &[T], number: u64) -> Option<&T> {
    items.get(usize::try_from(number % items.len().max(1) as u64).unwrap_or(0))
}

fn shared<T>(items: &[T], share: impl Fn(&T) -> u64, number: u64) -> Option<&T> {
    let mut left = number % 100;
    for item in items {
        if left < share(item) {
            return Some(item);
        }
        left -= share(item);
    }
    items.last()
}

/// The whole city.
pub fn enterprises() -> Vec<Enterprise> {
    (1..=ENTERPRISES).filter_map(enterprise).collect()
}

fn enterprise(serial: u32) -> Option<Enterprise> {
    let (region, county, _) = *shared(&COUNTIES, |county| county.2, mixed(serial, 1))?;
    let (industry, trade, special, _) = *shared(&TRADES, |trade| trade.3, mixed(serial, 2))?;
    let first = pick(&FIRST, mixed(serial, 3))?;
    let second = pick(&SECOND, mixed(serial, 4))?;
    let mut domains = special.to_vec();
    domains.push(pick(&COMMON, mixed(serial, 5))?);
    let days = i32::try_from(mixed(serial, 6) % 7_000).ok()?;
    Some(Enterprise {
        uscc: Uscc::fictional(serial).to_string(),
        name: format!("虚构{first}{second}{trade}（{county}）第{serial}有限公司"),
        region,
        industry,
        domains,
        registered_on: Date::constant(2006, 1, 1).saturating_add(days.days()),
        conduct: mixed(serial, 7) % 100,
        serial,
    })
}

/// The register as the market regulator's file: CSV with Chinese headings.
pub fn register(enterprises: &[Enterprise]) -> String {
    let mut csv =
        String::from("统一社会信用代码,企业名称,主体类型,行业代码,行政区划,监管领域,成立日期,登记状态\n");
    for enterprise in enterprises {
        csv.push_str(&format!(
            "{},{},企业,{},{},{},{},存续\n",
            enterprise.uscc,
            enterprise.name,
            enterprise.industry,
            enterprise.region,
            enterprise.domains.join(";"),
            enterprise.registered_on
        ));
    }
    csv
}

/// What the departments know of the enterprises by a day.
pub fn records(enterprises: &[Enterprise], today: Date) -> Vec<Batch> {
    let mut regulator = Vec::new();
    let mut transport = Vec::new();
    let mut office = Vec::new();
    let mut labour = Vec::new();
    for enterprise in enterprises {
        let ago = |lane: u64, span: u64| {
            let days = i32::try_from(mixed(enterprise.serial, lane) % span).unwrap_or(0) + 1;
            today.saturating_sub(days.days()).to_string()
        };
        let source = |kind: &str, number: u64| format!("{kind}-{}-{number}", enterprise.serial);
        let uscc = &enterprise.uscc;
        office.push(json!({
            "uscc": uscc, "item": "national-evaluation", "sourceId": source("gj", 1), "occurredOn": ago(10, 300),
            "fields": { "grade": national_grade(enterprise.conduct) },
        }));
        if enterprise.conduct >= 70 {
            regulator.push(json!({
                "uscc": uscc, "item": "honour", "sourceId": source("ry", 1), "occurredOn": ago(11, 900),
                "fields": { "title": "演示荣誉" },
            }));
        }
        if enterprise.conduct % 3 == 0 {
            labour.push(json!({
                "uscc": uscc, "item": "credit-commitment", "sourceId": source("cn", 1), "occurredOn": ago(12, 700),
                "fields": { "commitmentType": "证明事项", "fulfilled": enterprise.conduct >= 15 },
            }));
        }
        for number in 0..penalties(enterprise.conduct) {
            let transported = enterprise.domains.contains(&"D09");
            let amount = 1_000 + mixed(enterprise.serial, 30 + number) % 60 * 1_000;
            let record = json!({
                "uscc": uscc, "item": "administrative-penalty", "sourceId": source("cf", number),
                "occurredOn": ago(20 + number, 1_300), "severity": 1 + mixed(enterprise.serial, 40 + number) % 3,
                "amount": format!("{amount}.00"),
                "fields": { "documentNumber": format!("演示罚字〔{}〕{number}号", enterprise.serial) },
            });
            if transported { transport.push(record) } else { regulator.push(record) }
        }
    }
    vec![
        Batch { department: "market-regulation", records: regulator },
        Batch { department: "transport", records: transport },
        Batch { department: "credit-office", records: office },
        Batch { department: "hrss", records: labour },
    ]
}

fn national_grade(conduct: u64) -> &'static str {
    match conduct {
        0..=4 => "差",
        5..=19 => "中",
        20..=59 => "良",
        _ => "优",
    }
}

fn penalties(conduct: u64) -> u64 {
    match conduct {
        0..=2 => 6,
        3..=7 => 4,
        8..=15 => 2,
        16..=30 => 1,
        _ => 0,
    }
}

/// The domains that stand in the city, all 22 of the plan where the trades reach them.
pub fn domains() -> impl Iterator<Item = Domain> {
    Domain::all()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_city_is_the_same_every_time_and_reaches_every_domain() {
        let city = enterprises();
        assert_eq!(city.len(), ENTERPRISES as usize);
        let codes: HashSet<_> = city.iter().map(|enterprise| enterprise.uscc.as_str()).collect();
        assert_eq!(codes.len(), city.len());
        assert!(codes.iter().all(|code| code.get(2..8) == Some("640399")));
        let reached: HashSet<_> =
            city.iter().flat_map(|enterprise| enterprise.domains.iter().copied()).collect();
        assert_eq!(reached.len(), domains().count());
        assert_eq!(register(&city), register(&enterprises()));
    }
}
