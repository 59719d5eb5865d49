//! The standard's result codes 抽查结果代码, as data.
use std::sync::LazyLock;

static DATA: &str = include_str!("../data/inspection_result_codes.csv");

/// What a result code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultCode {
    /// The code.
    pub code: &'static str,
    /// Whether it is a problem of the subject.
    pub found: bool,
    /// The severity class of its record in credit.
    pub severity: i32,
    /// What the standard calls it.
    pub name: &'static str,
}

static CODES: LazyLock<Vec<ResultCode>> =
    LazyLock::new(|| DATA.lines().filter(|line| !line.starts_with('#')).skip(1).filter_map(read).collect());

fn read(line: &'static str) -> Option<ResultCode> {
    let mut cells = line.splitn(4, ',');
    let (code, found, severity, name) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
    Some(ResultCode { code, found: found == "yes", severity: severity.parse().ok()?, name })
}

/// The code's meaning, if it is one of the standard's.
pub fn find(code: &str) -> Option<ResultCode> {
    CODES.iter().copied().find(|known| known.code == code)
}

/// All of them, in the standard's order.
pub fn all() -> &'static [ResultCode] {
    &CODES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read() {
        let rows = DATA.lines().filter(|line| !line.starts_with('#')).count() - 1;
        assert_eq!(all().len(), rows);
        assert_eq!(rows, 15);
        assert!(all().iter().all(|code| code.found == (code.severity > 0) && !code.name.is_empty()));
    }

    #[test]
    fn codes_are_found_as_written() {
        assert_eq!(find("R08").map(|code| (code.found, code.severity)), Some((true, 2)));
        assert_eq!(find("R01").map(|code| code.name), Some("未发现问题"));
        assert_eq!(find("r01"), None);
        assert_eq!(find(""), None);
    }
}
