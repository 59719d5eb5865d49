//! Reading in bulk by PostgreSQL's binary COPY: rows are taken as they are sent, their columns by their places. To prepare rows of a million
//! subjects one by one costs more than to evaluate them.
use std::borrow::Cow;

use bytes::{Buf as _, Bytes};
use futures::TryStreamExt as _;
use sea_orm::{
    ConnectionTrait as _, QueryResult, Value,
    sea_query::ArrayType,
    sqlx::{self, PgConnection, Postgres},
};
use tracing::Instrument as _;

use super::{
    Store, corrupt,
    hand::{span, told},
    sql, undisturbed,
};
use crate::fault::{Answer, Fault};

impl Store {
    /// The rows of a query, of what is committed. It has a connection of its own: what a transaction wrote and has not committed it does not see.
    pub async fn scan(&self, text: &str, values: impl IntoIterator<Item = Value>) -> Answer<Vec<Line>> {
        let Some((hand, _)) = self.postgres() else {
            let rows = self.read().query_all_raw(sql(self.read(), text, values)).await?;
            return Ok(rows.into_iter().map(Line::Queried).collect());
        };
        let (hand, span) = (hand.clone(), span::<Postgres>(text));
        // COPY takes no parameters.
        let text = inlined(text, &values.into_iter().collect::<Vec<_>>())?;
        let copied = undisturbed(async move {
            let mut lent = hand.take().await?;
            let query = format!("COPY ({text}) TO STDOUT (FORMAT binary)");
            let copied = copied(lent.asked()?, &query).await;
            match copied {
                Ok(_) => lent.answered(),
                // Where the COPY did not begin, the driver leaves the end of the answer to the connection's next user.
                Err(_) => lent.close(),
            }
            copied
        });
        let parts = copied.instrument(span).await?.map_err(told)?;
        rows(parts).ok_or_else(|| corrupt("row", "it is not as COPY sends rows"))
    }
}

async fn copied(connection: &mut PgConnection, text: &str) -> Result<Vec<Bytes>, sqlx::Error> {
    connection.copy_out_raw(text).await?.try_collect().await
}

// The statement with its values written into it, in one pass: what a value holds is no place for another.
fn inlined(text: &str, values: &[Value]) -> Answer<String> {
    let mut pieces = text.split('$');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        out.push_str(&literal(place.and_then(|place| values.get(place)).ok_or_else(strange)?)?);
        out.push_str(rest);
    }
    Ok(out)
}

fn literal(value: &Value) -> Answer<String> {
    // As an escape string: what it holds means the same whatever the server's standard_conforming_strings.
    let quoted = |text: &str| format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    let literal = match value {
        Value::String(Some(text)) => quoted(text),
        Value::Int(Some(number)) => number.to_string(),
        Value::BigInt(Some(number)) => number.to_string(),
        Value::Array(ArrayType::String, Some(texts)) => {
            let element = |text: &Value| match text {
                Value::String(Some(text)) => {
                    Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
                }
                _ => None,
            };
            let elements: Option<Vec<String>> = texts.iter().map(element).collect();
            elements.map(|elements| quoted(&format!("{{{}}}", elements.join(",")))).ok_or_else(strange)?
        }
        _ => return Err(strange()),
    };
    if literal.contains('\0') { Err(strange()) } else { Ok(literal) }
}

fn strange() -> Fault {
    Fault::internal(anyhow::anyhow!("a value that no statement of a scan holds"))
}

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

// The rows of what was sent. The server sends each by itself, which the protocol does not promise: some in one piece are taken apart.
fn rows(parts: Vec<Bytes>) -> Option<Vec<Line>> {
    let mut rows = Vec::with_capacity(parts.len());
    let mut parts = parts.into_iter();
    let mut first = parts.next()?;
    if !first.starts_with(SIGNATURE) {
        return None;
    }
    first.advance(SIGNATURE.len());
    let _flags = first.try_get_u32().ok()?;
    let extension = first.try_get_u32().ok()? as usize;
    (first.len() >= extension).then(|| first.advance(extension))?;
    for mut part in std::iter::once(first).chain(parts) {
        while !part.is_empty() {
            let columns = (&part[..]).try_get_i16().ok()?;
            if columns < 0 {
                return Some(rows);
            }
            let mut end = 2;
            for _ in 0..columns {
                end = after(&part, end)?;
            }
            rows.push(Line::Copied(part.split_to(end)));
        }
    }
    // What breaks off is no answer.
    None
}

// The place behind the column that begins at a place.
fn after(row: &[u8], at: usize) -> Option<usize> {
    let length = row.get(at..)?.try_get_i32().ok()?;
    let end = at + 4 + usize::try_from(length.max(0)).ok()?;
    (end <= row.len()).then_some(end)
}

/// A row that was scanned.
pub enum Line {
    /// As COPY sends it.
    Copied(Bytes),
    /// As the other database gives it.
    Queried(QueryResult),
}

impl Line {
    /// A column's bytes.
    pub fn bytes(&self, at: usize) -> Answer<Cow<'_, [u8]>> {
        match self {
            Self::Copied(row) => cell(row, at)?.map(Cow::Borrowed).ok_or_else(null),
            Self::Queried(row) => Ok(Cow::Owned(row.try_get_by_index(at)?)),
        }
    }

    /// A column's text.
    pub fn text(&self, at: usize) -> Answer<Cow<'_, str>> {
        self.text_or_none(at)?.ok_or_else(null)
    }

    /// A column's text, where it has one.
    pub fn text_or_none(&self, at: usize) -> Answer<Option<Cow<'_, str>>> {
        match self {
            Self::Copied(row) => {
                let text = cell(row, at)?.map(std::str::from_utf8).transpose();
                Ok(text.map_err(|error| corrupt("text", error))?.map(Cow::Borrowed))
            }
            Self::Queried(row) => Ok(row.try_get_by_index::<Option<String>>(at)?.map(Cow::Owned)),
        }
    }

    /// A column's whole number of four bytes.
    pub fn int(&self, at: usize) -> Answer<i32> {
        match self {
            Self::Copied(row) => {
                let bytes = cell(row, at)?.ok_or_else(null)?;
                Ok(i32::from_be_bytes(bytes.try_into().map_err(|error| corrupt("number", error))?))
            }
            Self::Queried(row) => Ok(row.try_get_by_index(at)?),
        }
    }
}

fn null() -> Fault {
    corrupt("row", "a column is empty that is not to be")
}

fn cell(row: &[u8], at: usize) -> Answer<Option<&[u8]>> {
    let beyond = || corrupt("row", "it has not so many columns");
    let mut start = 2;
    for _ in 0..at {
        start = after(row, start).ok_or_else(beyond)?;
    }
    let end = after(row, start).ok_or_else(beyond)?;
    let null = row[start..start + 4] == (-1_i32).to_be_bytes();
    Ok((!null).then(|| &row[start + 4..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> Vec<u8> {
        [SIGNATURE, &[0; 8], &[0, 3], &[0, 0, 0, 3], "中".as_bytes(), &[255; 4], &[0, 0, 0, 4, 0, 0, 1, 2]]
            .concat()
    }

    #[test]
    fn rows_are_read_as_the_manual_says() {
        let row = [0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 65, 0, 0, 0, 4, 255, 255, 255, 255];
        let ends: &[u8] = &[255, 255];
        for parts in [
            vec![sent(), row.to_vec(), ends.to_vec()],
            vec![[&sent()[..], &row, ends].concat()],
            vec![sent()[..19].to_vec(), [&sent()[19..], &row].concat(), ends.to_vec()],
        ] {
            let rows = rows(parts.into_iter().map(Bytes::from).collect()).unwrap();
            assert_eq!(rows.len(), 2);
            assert_eq!((rows[0].text(0).unwrap(), rows[0].text_or_none(1).unwrap()), ("中".into(), None));
            assert_eq!((rows[0].int(2).unwrap(), rows[1].int(2).unwrap()), (258, -1));
            assert_eq!((rows[1].text(0).unwrap(), rows[1].bytes(1).unwrap()), ("".into(), b"A"[..].into()));
            assert!(rows[0].text(1).is_err() && rows[0].text(3).is_err() && rows[0].int(0).is_err());
        }
    }

    #[test]
    fn what_breaks_off_is_no_answer() {
        assert!(rows(Vec::new()).is_none());
        let whole = [&sent()[..], &[255, 255]].concat();
        assert_eq!(rows(vec![Bytes::from(whole.clone())]).map(|rows| rows.len()), Some(1));
        for end in 0..whole.len() {
            assert!(rows(vec![Bytes::copy_from_slice(&whole[..end])]).is_none(), "{end}");
        }
    }

    #[test]
    fn values_stand_in_the_statement_as_they_are() {
        let texts = ["a", "it's", "\\", "\"b\"", "c,d", "中"].map(Value::from);
        let list = Value::Array(ArrayType::String, Some(Box::new(texts.to_vec())));
        let text = inlined(
            "x = $1 AND y = $2 AND z = ANY($3::text[]) AND w > $1",
            &["o'x".into(), 7_i32.into(), list],
        );
        let expected = r#"x = E'o''x' AND y = 7 AND z = ANY(E'{"a","it''s","\\\\","\\"b\\"","c,d","中"}'::text[]) AND w > E'o''x'"#;
        assert_eq!(text.unwrap(), expected);
        let ten: Vec<Value> = (1..=10_i64).map(Value::from).collect();
        assert_eq!(inlined("$1 $10", &ten).unwrap(), "1 10");
        assert_eq!(inlined("$2, $1", &["$2".into(), "$1".into()]).unwrap(), "E'$1', E'$2'");
        assert!(inlined("$3", &["a".into(), "b".into()]).is_err());
        assert!(
            inlined("$1", &["a\0b".into()]).is_err() && inlined("$1", &[Value::Double(Some(0.5))]).is_err()
        );
    }
}
