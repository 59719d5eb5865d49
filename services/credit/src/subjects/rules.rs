//! When a row is a subject, and what a new row changes of a known one.
use chassis::{Answer, fault::Violation, language::Text};
use contract::credit::v1::{self as api, subject::CodeStatus};
use identifiers::{Domain, Industry, Region, personal, uscc};
use jiff::civil::Date;

use crate::outcomes::{self, fault, free_text};

/// Judges one row; what it leaves empty stays empty here.
pub fn judge(row: &api::SubjectInput, today: Date) -> Result<api::Subject, Violation> {
    let code = outcomes::code(&row.uscc, row.accept_nonconforming)?;
    let code_status = match code.status() {
        identifiers::CodeStatus::Conforming => CodeStatus::Conforming,
        identifiers::CodeStatus::Nonconforming => CodeStatus::Nonconforming,
    };
    let mut domains = Vec::new();
    for (index, given) in row.domains.iter().enumerate() {
        let domain =
            Domain::parse(given).map_err(|fault| identifier(&format!("domains[{index}]"), &fault))?;
        domains.push(domain.code().to_owned());
    }
    domains.sort_unstable();
    domains.dedup();
    let industry = unless_empty(&row.industry, |given| {
        Industry::parse(given)
            .map(|industry| industry.canonical())
            .map_err(|fault| identifier("industry", &fault))
    })?;
    let region = unless_empty(&row.region, |given| {
        Region::parse(given)
            .map(|region| region.code().to_owned())
            .map_err(|fault| identifier("region", &fault))
    })?;
    Ok(api::Subject {
        uscc: code.as_str().to_owned(),
        name: free_text("name", &row.name, 200)?,
        kind: free_text("kind", &row.kind, 32)?,
        industry,
        region,
        domains,
        registered_on: unless_empty(&row.registered_on, |given| past_day("registeredOn", given, today))?,
        status: free_text("status", &row.status, 32)?,
        code_status: code_status.into(),
        former_names: names("formerNames", &row.former_names)?,
        second_names: names("secondNames", &row.second_names)?,
        ..Default::default()
    })
}

// Names beside the registered one.
fn names(field: &str, given: &[String]) -> Result<Vec<String>, Violation> {
    let one = |(index, name): (usize, &String)| free_text(&format!("{field}[{index}]"), name, 200);
    let mut names = given.iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()?;
    names.retain(|name| !name.is_empty());
    Ok(names)
}

/// What a row makes of the subject known before: a new state, or none where it says nothing new. A field that the row
/// leaves empty stays as it was, so that a file with fewer columns takes nothing away.
pub fn merge(known: Option<&api::Subject>, row: api::Subject) -> Result<Option<api::Subject>, Violation> {
    let Some(known) = known else {
        if row.name.is_empty() {
            let (en, zh) =
                ("is required for a subject that is not registered yet", "首次登记的主体须填写名称");
            return Err(Violation::new("name", en, zh));
        }
        let former_names = joined(&[], row.former_names, &row.name);
        let second_names = joined(&[], row.second_names, &row.name);
        return Ok(Some(api::Subject { former_names, second_names, ..row }));
    };
    let or = |new: String, old: &String| if new.is_empty() { old.clone() } else { new };
    let name = or(row.name, &known.name);
    let mut former = row.former_names;
    // A name in other brackets is the same; another one replaces it, and it was borne until now.
    if name != known.name && names::Name::of(&name).folded != names::Name::of(&known.name).folded {
        former.push(known.name.clone());
    }
    let merged = api::Subject {
        uscc: row.uscc,
        former_names: joined(&known.former_names, former, &name),
        second_names: joined(&known.second_names, row.second_names, &name),
        name,
        kind: or(row.kind, &known.kind),
        industry: or(row.industry, &known.industry),
        region: or(row.region, &known.region),
        domains: if row.domains.is_empty() { known.domains.clone() } else { row.domains },
        registered_on: or(row.registered_on, &known.registered_on),
        status: or(row.status, &known.status),
        code_status: row.code_status,
        recorded_at: known.recorded_at,
        position: known.position.clone(),
    };
    Ok((merged != *known).then_some(merged))
}

// Further names behind those known, each once, and never the registered one of now.
fn joined(known: &[String], more: Vec<String>, registered: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in known.iter().cloned().chain(more) {
        if name != registered && !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// A day that has come already, in the contract's form.
pub fn past_day(field: &str, given: &str, today: Date) -> Result<String, Violation> {
    let day = day(field, given)?;
    if day > today {
        return Err(Violation::new(
            field,
            format!("\"{day}\" is in the future; today is {today}"),
            format!("“{day}”晚于今天（{today}）"),
        ));
    }
    // A day has one form only.
    Ok(given.trim().to_owned())
}

/// A day in the contract's form.
pub fn day(field: &str, given: &str) -> Result<Date, Violation> {
    let text = given.trim();
    let parsed = text.parse::<Date>().ok().filter(|day| text.len() == 10 && day.to_string() == text);
    parsed.ok_or_else(|| {
        let shown = outcomes::shown(text);
        Violation::new(
            field,
            format!("\"{shown}\" is not a date; write it as 2026-02-13"),
            format!("“{shown}”不是日期；请写作 2026-02-13"),
        )
    })
}

fn unless_empty(
    given: &str,
    judge: impl FnOnce(&str) -> Result<String, Violation>,
) -> Result<String, Violation> {
    let given = given.trim();
    if given.is_empty() { Ok(String::new()) } else { judge(given) }
}

fn identifier(field: &str, fault: &identifiers::Fault) -> Violation {
    let mut violation = Violation::new(field, "", "");
    violation.text = Text::new(fault.message_en(), fault.message_zh());
    violation
}

/// Which subjects are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// A part of the name, lower case; empty: any.
    pub name: String,
    /// What the code begins with, where the question may be one; empty: no code.
    pub code: String,
    /// What the region begins with.
    pub region: String,
    /// What the industry begins with, any of them.
    pub industries: Vec<String>,
    /// The domain's code.
    pub domain: String,
}

/// Reads the filters of a request.
pub fn filter(request: &api::ListSubjectsRequest) -> Answer<Filter> {
    let name = request.q.trim().to_ascii_lowercase().replace('（', "(").replace('）', ")");
    let mut filter = Filter { name, ..Filter::default() };
    let code = uscc::normalise(&request.q);
    if personal::is_identity_number(code.as_bytes()) {
        return Err(fault(outcomes::personal_refusal("q")));
    }
    if (1..=18).contains(&code.len()) && code.bytes().all(|c| c.is_ascii_alphanumeric()) {
        filter.code = code;
    }
    if !request.region.is_empty() {
        filter.region = region_prefix(&request.region)?;
    }
    if !request.industry.is_empty() {
        let industry =
            Industry::parse(&request.industry).map_err(|bad| fault(identifier("industry", &bad)))?;
        filter.industries = industry.prefixes();
    }
    if !request.domain.is_empty() {
        let domain = Domain::parse(&request.domain).map_err(|bad| fault(identifier("domain", &bad)))?;
        filter.domain = domain.code().to_owned();
    }
    Ok(filter)
}

/// What the codes of a region and of all below it begin with.
pub fn region_prefix(region: &str) -> Answer<String> {
    let region = Region::parse(region).map_err(|bad| fault(identifier("region", &bad)))?;
    Ok(region.prefix().to_owned())
}

#[cfg(test)]
mod tests {
    use identifiers::Uscc;
    use jiff::civil::date;

    use super::*;

    const TODAY: Date = date(2026, 2, 13);

    fn row() -> api::SubjectInput {
        api::SubjectInput {
            uscc: Uscc::fictional(1).to_string(),
            name: String::from("红寺堡示例商贸有限公司"),
            industry: String::from("F5211"),
            region: String::from("640303"),
            domains: vec![String::from("transport"), String::from("D01"), String::from("D09")],
            registered_on: String::from("2020-02-29"),
            ..Default::default()
        }
    }

    #[test]
    fn a_good_row_is_put_into_its_canonical_form() {
        let subject = judge(&row(), TODAY).unwrap();
        assert_eq!(subject.industry, "5211");
        assert_eq!(subject.domains, ["D01", "D09"]);
        assert_eq!(subject.code_status(), CodeStatus::Conforming);
    }

    #[test]
    fn each_wrong_field_is_named() {
        type Spoil = fn(&mut api::SubjectInput);
        let table: [(&str, Spoil); 8] = [
            ("uscc", |row| row.uscc = String::from("91640399")),
            ("name", |row| row.name = "长".repeat(201)),
            ("industry", |row| row.industry = String::from("F99")),
            ("region", |row| row.region = String::from("六四")),
            ("domains[1]", |row| row.domains[1] = String::from("D23")),
            ("registeredOn", |row| row.registered_on = String::from("2020/02/29")),
            ("registeredOn", |row| row.registered_on = String::from("2026-02-14")),
            ("status", |row| row.status = String::from("\u{0}")),
        ];
        for (field, spoil) in table {
            let mut row = row();
            spoil(&mut row);
            assert_eq!(judge(&row, TODAY).unwrap_err().field, field);
        }
    }

    #[test]
    fn an_empty_field_takes_nothing_away() {
        let known = judge(&row(), TODAY).unwrap();
        let fewer = judge(&api::SubjectInput { uscc: row().uscc, ..Default::default() }, TODAY).unwrap();
        assert_eq!(merge(Some(&known), fewer.clone()).unwrap(), None);
        assert_eq!(merge(None, fewer).unwrap_err().field, "name");
        let mut renamed = row();
        renamed.name = String::from("红寺堡示例物流有限公司");
        let merged = merge(Some(&known), judge(&renamed, TODAY).unwrap()).unwrap().unwrap();
        assert_eq!((merged.name.as_str(), merged.region.as_str()), ("红寺堡示例物流有限公司", "640303"));
        assert_eq!(merged.former_names, ["红寺堡示例商贸有限公司"]);
    }

    #[test]
    fn names_are_added_and_none_is_lost() {
        let known = judge(&row(), TODAY).unwrap();
        let given = |name: &str, former: &[&str], second: &[&str]| api::SubjectInput {
            uscc: row().uscc,
            name: name.to_owned(),
            former_names: former.iter().map(|&name| name.to_owned()).collect(),
            second_names: second.iter().map(|&name| name.to_owned()).collect(),
            ..Default::default()
        };
        let after = |known: &api::Subject, row: api::SubjectInput| {
            merge(Some(known), judge(&row, TODAY).unwrap()).unwrap()
        };
        let renamed = after(&known, given("红寺堡示例（集团）有限公司", &["示例厂"], &["示例二厂"])).unwrap();
        assert_eq!(renamed.former_names, ["示例厂", "红寺堡示例商贸有限公司"]);
        assert_eq!(renamed.second_names, ["示例二厂"]);
        assert_eq!(after(&renamed, given("", &["示例厂", " "], &[])), None);
        // Other brackets are no other name.
        let respelt = after(&renamed, given("红寺堡示例(集团)有限公司", &[], &[])).unwrap();
        assert_eq!(respelt.former_names, renamed.former_names);
        // Named as before: no name is former and registered at once.
        let back = after(&respelt, given("红寺堡示例商贸有限公司", &[], &[])).unwrap();
        assert_eq!(back.former_names, ["示例厂", "红寺堡示例(集团)有限公司"]);
        let wrong = given("", &["11010519491231002X"], &[]);
        assert_eq!(judge(&wrong, TODAY).unwrap_err().reason, "PERSONAL_IDENTITY_NUMBER");
    }

    #[test]
    fn a_question_may_be_a_name_or_a_code() {
        let ask = |q: &str| filter(&api::ListSubjectsRequest { q: q.to_owned(), ..Default::default() });
        assert_eq!(ask("9164-0399").unwrap().code, "91640399");
        assert_eq!(ask("示例").unwrap(), Filter { name: String::from("示例"), ..Filter::default() });
        assert_eq!(ask("11010519491231002X").unwrap_err().reason(), "PERSONAL_IDENTITY_NUMBER");
    }
}
