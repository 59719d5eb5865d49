//! Where a subject counts, and how many stand where after all that moved. Pure.
use std::collections::BTreeMap;

use chassis::figures::Counted;

/// The county of a region 县区: the first six digits of its code; a shorter code stays as it is.
pub fn county(region: &str) -> &str {
    region.get(..6).unwrap_or(region)
}

/// The domains of a sheet; one that is empty where there are none yet.
pub fn domains(joined: &str) -> impl Iterator<Item = &str> {
    joined.split(',')
}

/// How many have each grade, by scheme and county, after moves from one grade to another: who came, less who went.
pub fn standing(moves: Vec<Counted>) -> BTreeMap<(String, String, String), i64> {
    let mut standing: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    for Counted { k1: scheme, k2: county, k3: from, k4: to, counted, .. } in moves {
        for (grade, counted) in [(from, -counted), (to, counted)] {
            if !grade.is_empty() {
                *standing.entry((scheme.clone(), county.clone(), grade)).or_default() += counted;
            }
        }
    }
    standing.retain(|_, subjects| *subjects != 0);
    standing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_county_has_six_digits() {
        for (region, expected) in [
            ("640302", "640302"),
            ("640302001", "640302"),
            ("640302001000", "640302"),
            ("6403", "6403"),
            ("", ""),
        ] {
            assert_eq!(county(region), expected);
        }
        assert_eq!(domains("").collect::<Vec<_>>(), [""]);
        assert_eq!(domains("D01,D09").collect::<Vec<_>>(), ["D01", "D09"]);
    }

    #[test]
    fn who_stands_where_is_who_came_less_who_went() {
        let row = |k3: &str, k4: &str, counted| Counted {
            span: String::new(),
            k1: "s".into(),
            k2: "640302".into(),
            k3: k3.into(),
            k4: k4.into(),
            counted,
        };
        let standing = standing(vec![row("", "A", 9), row("A", "B", 4), row("B", "A", 1), row("A", "", 6)]);
        let key = |grade: &str| ("s".to_owned(), "640302".to_owned(), grade.to_owned());
        assert_eq!(standing, BTreeMap::from([(key("B"), 3)]));
    }
}
