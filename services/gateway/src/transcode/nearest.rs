//! The known name that a mistyped one was probably meant to be.

/// The nearest of the known names, if it is near enough: a third of the letters may differ.
pub fn nearest<'k>(given: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let given: Vec<char> = plain(given).take(64).collect();
    let most = (given.len() / 3).max(1);
    known
        .map(|name| (distance(&given, &plain(name).collect::<Vec<char>>()), name))
        .filter(|(far, _)| *far <= most)
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

// Case and separators are what people mistype most; they shall not count.
fn plain(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|letter| !matches!(letter, '_' | '-' | ' ')).map(|letter| letter.to_ascii_lowercase())
}

// Levenshtein's distance.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["occurredOn", "sourceId", "severity", "uscc"];
        for (given, expected) in [
            ("occuredOn", Some("occurredOn")),
            ("OCCURRED-ON", Some("occurredOn")),
            ("source", Some("sourceId")),
            ("sourceID", Some("sourceId")),
            ("usc", Some("uscc")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known.into_iter()), expected, "{given}");
        }
    }
}
