//! What a list is narrowed by.
use sea_orm::{ConnectionTrait, Statement, Value};

use super::sql;

/// The conditions of a statement, all of which hold, with their values. A filter that nobody asked for is left out: of
/// `($1 = '' OR uscc = $1)` a database that plans once for all values knows nothing, and reads the whole table for one subject.
#[derive(Default)]
pub struct Filters {
    text: String,
    values: Vec<Value>,
}

impl Filters {
    /// No condition yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition, whose parameters `$1`, `$2`, … are its own values.
    #[must_use]
    pub fn and(mut self, condition: &str, values: impl IntoIterator<Item = Value>) -> Self {
        self.text.push_str(if self.text.is_empty() { " WHERE (" } else { " AND (" });
        let mut rest = condition;
        while let Some((before, after)) = rest.split_once('$') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (number, behind) = after.split_at(digits);
            let number = self.values.len() + number.parse::<usize>().unwrap_or_default();
            self.text.push_str(&format!("{before}${number}"));
            rest = behind;
        }
        self.text.push_str(rest);
        self.text.push(')');
        self.values.extend(values);
        self
    }

    /// Adds a condition on one text, unless it is empty: not asked for.
    #[must_use]
    pub fn given(self, condition: &str, text: &str) -> Self {
        if text.is_empty() { self } else { self.and(condition, [text.into()]) }
    }

    /// Adds a condition on one number, unless it is 0: not asked for.
    #[must_use]
    pub fn nonzero(self, condition: &str, number: i32) -> Self {
        if number == 0 { self } else { self.and(condition, [number.into()]) }
    }

    /// The statement: what is read, the conditions, then order and limit.
    pub fn sql(self, db: &impl ConnectionTrait, select: &str, order: &str) -> Statement {
        sql(db, &format!("{select}{} {order}", self.text), self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_has_its_own_values() {
        let filters = Filters::new()
            .and("day <= $1 AND (until = '' OR until >= $1)", ["2026".into()])
            .given("list = $1", "")
            .given("name LIKE '%' || $1", "云")
            .and("state IN (1, 2)", [])
            .and("(on_day, id) < ($1, $2)", ["2026".into(), 7.into()]);
        let text = " WHERE (day <= $1 AND (until = '' OR until >= $1)) AND (name LIKE '%' || $2) AND (state IN (1, 2)) \
                    AND ((on_day, id) < ($3, $4))";
        assert_eq!(filters.text, text);
        assert_eq!(filters.values, ["2026".into(), "云".into(), "2026".into(), Value::from(7)]);
        assert_eq!(Filters::new().given("id = $1", "").text, "");
    }

    #[test]
    fn no_number_is_not_asked_for() {
        let filters = Filters::new().nonzero("year = $1", 0).nonzero("state = $1", 2);
        assert_eq!((filters.text.as_str(), filters.values), (" WHERE (state = $1)", vec![2.into()]));
    }
}
