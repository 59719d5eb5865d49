//! Natural persons, who are no subjects: a name like theirs is not looked up (PIPL 6).

/// Whether a text is like a person's name: two to four Chinese characters that end like no organisation does.
pub fn is_like_a_person(name: &str) -> bool {
    const ENDS: &str = "司厂店部社行院校所场站会局馆团业园队室铺坊庄堂库处吧城楼心家户";
    let name = name.trim();
    let count = name.chars().count();
    let chinese = name.chars().all(|c| matches!(c, '\u{4E00}'..='\u{9FFF}' | '·'));
    (2..=4).contains(&count) && chinese && !name.ends_with(|last| ENDS.contains(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_are_told_from_shops() {
        for (name, person) in [
            ("张某某", true),
            ("欧阳某某", true),
            ("某某店", false),
            ("虚构有限公司", false),
            ("某", false),
            ("ABC", false),
        ] {
            assert_eq!(is_like_a_person(name), person, "{name}");
        }
    }
}
