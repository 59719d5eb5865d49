//! Rows without a code, linked to a subject by the name 名称匹配.
use std::collections::{BTreeSet, HashMap};

use chassis::{Answer, Tx, fault::Violation, language::Text};

use super::{
    cells::{RecordRow, person_not_taken},
    rows,
};
use crate::outcomes::shown;

/// Gives each row that has a name and no code the code of the one subject of that name, or refuses it.
pub async fn link(tx: &Tx, found: &mut [Result<RecordRow, Violation>]) -> Answer<()> {
    let open = |row: &RecordRow| row.input.uscc.trim().is_empty() && !row.name.is_empty();
    let names: BTreeSet<String> =
        found.iter().flatten().filter(|row| open(row)).map(|row| row.name.clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let codes = rows::codes_by_name(tx, &names).await?;
    for slot in found.iter_mut() {
        if let Ok(row) = slot
            && open(row)
        {
            match code_of(&row.name, &codes) {
                Ok(code) => row.input.uscc = code,
                Err(violation) => *slot = Err(violation),
            }
        }
    }
    Ok(())
}

fn code_of(name: &str, codes: &HashMap<String, Vec<String>>) -> Result<String, Violation> {
    match codes.get(name).map_or(&[][..], Vec::as_slice) {
        [code] => Ok(code.clone()),
        [] if is_like_a_person(name) => Err(person_not_taken("name")),
        [] => Err(unlinked(
            "NAME_UNKNOWN",
            format!("no subject is named \"{}\" here; register it, or give its code", shown(name)),
            format!("未找到名称为“{}”的主体；请先登记该主体或填写统一社会信用代码", shown(name)),
        )),
        several => Err(unlinked(
            "NAME_AMBIGUOUS",
            format!("{} subjects are named \"{}\"; give the code", several.len(), shown(name)),
            format!("有{}个主体的名称为“{}”；请填写统一社会信用代码", several.len(), shown(name)),
        )),
    }
}

fn unlinked(reason: &'static str, en: String, zh: String) -> Violation {
    Violation { field: String::from("name"), reason, text: Text::new(en, zh) }
}

// A person's name in the column of the parties: two to four Chinese characters that end like no organisation does.
fn is_like_a_person(name: &str) -> bool {
    const ENDS: &str = "司厂店部社行院校所场站会局馆团业园队室铺坊庄堂库处吧城楼心家户";
    let count = name.chars().count();
    let chinese = name.chars().all(|c| matches!(c, '\u{4E00}'..='\u{9FFF}' | '·'));
    (2..=4).contains(&count) && chinese && !name.ends_with(|last| ENDS.contains(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_subject_of_a_name_is_linked() {
        let codes = HashMap::from([
            (String::from("虚构甲公司"), vec![String::from("1")]),
            (String::from("虚构乙公司"), vec![String::from("2"), String::from("3")]),
        ]);
        assert_eq!(code_of("虚构甲公司", &codes), Ok(String::from("1")));
        for (name, reason) in [
            ("虚构乙公司", "NAME_AMBIGUOUS"),
            ("虚构丙公司", "NAME_UNKNOWN"),
            ("张某某", "PERSON_NOT_TAKEN"),
            ("某某店", "NAME_UNKNOWN"),
        ] {
            assert_eq!(code_of(name, &codes).unwrap_err().reason, reason, "{name}");
        }
    }
}
