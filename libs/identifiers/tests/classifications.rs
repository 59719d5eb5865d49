//! Regions, industries, domains and departments: what a filter means, and what is refused.

use identifiers::{Department, Domain, Industry, Region, region};

#[test]
fn a_region_means_itself_and_all_below_it() {
    for (filter, prefix) in [
        ("640000", "64"),
        ("64", "64"),
        ("6403", "6403"),
        ("640300", "6403"),
        ("640302", "640302"),
        ("640302000000", "640302"),
        ("640302100", "640302100"),
        ("640302100000", "640302100"),
        ("640302100001", "640302100001"),
        ("110100", "1101"),
    ] {
        assert_eq!(Region::parse(filter).unwrap().prefix(), prefix, "{filter}");
    }
    let wuzhong = Region::parse("640300").unwrap();
    assert!(["640300", "640302", "640399", "640381102"].iter().all(|code| wuzhong.contains(code)));
    assert!(!["640000", "640400", "64", ""].iter().any(|code| wuzhong.contains(code)));
}

#[test]
fn regions_have_names_and_wrong_ones_are_refused() {
    assert_eq!(region::name("640302"), Some("利通区"));
    assert_eq!(Region::parse("640302100").unwrap().name(), Some("金积镇"));
    assert_eq!(region::name("640399"), None, "the fictional region has no name");
    assert!(region::all().all(|(code, name)| Region::parse(code).is_ok() && !name.is_empty()));
    for wrong in ["", "6", "64030", "6403A2", "吴忠", "000000", "6403%2"] {
        let fault = Region::parse(wrong).unwrap_err();
        assert_eq!(fault.reason(), "REGION_INVALID");
        assert!(fault.message_zh().contains("行政区划"));
    }
}

#[test]
fn an_industry_means_itself_and_all_below_it() {
    let trade = Industry::parse("F").unwrap();
    assert_eq!(trade.prefixes(), ["F", "51", "52"]);
    assert!(["F", "51", "5211", "F5299"].iter().all(|code| trade.contains(code)));
    assert!(!["53", "G", "F5311", "x", ""].iter().any(|code| trade.contains(code)));
    let retail = Industry::parse("f52").unwrap();
    assert_eq!(
        (retail.canonical().as_str(), retail.section(), retail.section_name()),
        ("52", 'F', "批发和零售业")
    );
    assert!(retail.contains("5211") && !retail.contains("F") && !retail.contains("51"));
    assert_eq!(Industry::parse("A").unwrap().prefixes(), ["A", "01", "02", "03", "04", "05"]);
}

#[test]
fn every_division_belongs_to_one_section() {
    let sections: Vec<char> =
        (1..=97).map(|division| Industry::parse(&format!("{division:02}")).unwrap().section()).collect();
    assert!(sections.is_sorted() && sections[0] == 'A' && sections[96] == 'T');
    for wrong in ["", "U", "98", "00", "5", "52111", "G5211", "FF52", "五", "5 2", "F-52"] {
        assert_eq!(Industry::parse(wrong).unwrap_err().reason(), "INDUSTRY_INVALID", "{wrong}");
    }
}

#[test]
fn the_plan_has_22_domains_in_its_order() {
    let domains: Vec<Domain> = Domain::all().collect();
    assert_eq!(domains.len(), 22);
    for (index, domain) in domains.iter().enumerate() {
        assert_eq!(domain.code(), format!("D{:02}", index + 1));
        assert_eq!(Domain::parse(domain.slug()), Ok(*domain));
        assert_eq!(Domain::parse(&domain.code().to_lowercase()), Ok(*domain));
        // 社会组织 alone is at home in none of the plan's departments.
        assert_eq!(domain.lead_departments().count() == 0, domain.code() == "D21");
    }
    assert_eq!(Domain::parse("D09").unwrap().name(), "交通运输领域");
    assert_eq!(
        Domain::parse("D06").unwrap().lead_departments().map(Department::slug).collect::<Vec<_>>(),
        ["housing", "transport", "water"]
    );
    for wrong in ["D00", "D23", "", "traffic"] {
        assert_eq!(Domain::parse(wrong).unwrap_err().reason(), "DOMAIN_UNKNOWN");
    }
}

#[test]
fn the_plan_has_22_departments_and_the_office() {
    assert_eq!(Department::all().len(), 23);
    assert!(Department::all().all(|department| Department::parse(department.slug()) == Ok(department)));
    assert_eq!(Department::CREDIT_OFFICE.name(), "市信用联办");
    assert_eq!(Department::parse("market-regulation").unwrap().name(), "市场监管局");
    assert_eq!(Department::parse("education").unwrap_err().reason(), "DEPARTMENT_UNKNOWN");
}

#[test]
fn refusals_never_repeat_a_personal_number_nor_a_whole_file() {
    let fault = Domain::parse("11010519491231002X").unwrap_err();
    assert!(!fault.message_en().contains("1101") && !fault.message_zh().contains("1101"));
    assert!(Region::parse(&"9".repeat(10_000)).unwrap_err().message_en().len() < 300);
}
