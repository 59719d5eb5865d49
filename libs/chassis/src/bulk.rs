//! Bulk writing by PostgreSQL's binary COPY, which costs a third of an INSERT of the same rows. It can't look away from a number that is
//! taken, so it is for rows that are believed to be new; who was wrong begins again the ordinary way.
use std::sync::Arc;

use prost::Message;
use sea_orm::{DbBackend, DbErr, Statement, Value, sqlx::Postgres};

use crate::{
    fault::{Answer, Fault},
    feed::Position,
    storage::{Cells, Committed, Held, Lent, Store, told, undisturbed, unique_violation},
};

/// A transaction that copies rows in.
pub struct Bulk {
    inner: Held<Postgres>,
    committed: Arc<Committed>,
    appended: Option<Position>,
}

// A message to the database of at most so many bytes and a row.
const PART: usize = 1 << 18;

impl Store {
    /// Begins a transaction that copies; none on SQLite, whose INSERT is as fast.
    pub async fn bulk(&self) -> Answer<Option<Bulk>> {
        let Some((hand, committed)) = self.postgres() else { return Ok(None) };
        let inner = Held::begin(hand, "BEGIN").await?;
        Ok(Some(Bulk { inner, committed, appended: None }))
    }
}

impl Held<Postgres> {
    /// Copies rows in; whether all of them were new.
    pub(crate) async fn copy<T>(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: impl IntoIterator<Item = T>,
        mut write: impl FnMut(T, &mut Row<'_>),
    ) -> Answer<bool> {
        let text = format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", columns.join(", "));
        let mut parts = Vec::new();
        let mut part = Vec::with_capacity(PART + PART / 4);
        // The signature, no flags, no extension.
        part.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        for row in rows {
            Row::write(columns.len(), &mut part, |cells| write(row, cells))?;
            if part.len() >= PART {
                parts.push(std::mem::replace(&mut part, Vec::with_capacity(PART + PART / 4)));
            }
        }
        part.extend_from_slice(&(-1_i16).to_be_bytes());
        parts.push(part);
        let mut away = self.away()?;
        let sending = async move {
            let copied = match away.open() {
                Ok(lent) => send(lent, &text, parts).await,
                Err(error) => Err(error),
            };
            (away, copied)
        };
        let (back, copied) = undisturbed(sending).await?;
        *self = back;
        match copied {
            Ok(()) => Ok(true),
            Err(error) if unique_violation(&error).is_some() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

async fn send(lent: &mut Lent<Postgres>, text: &str, parts: Vec<Vec<u8>>) -> Result<(), DbErr> {
    let sent = async {
        let mut into = lent.asked()?.copy_in_raw(text).await?;
        for part in parts {
            into.send(part).await?;
        }
        into.finish().await
    };
    sent.await.map_err(told)?;
    lent.answered();
    Ok(())
}

impl Bulk {
    /// Copies rows in, each written by `write`; whether all of them were new. After a `false` nothing of the transaction stays.
    pub async fn copy<T>(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: impl IntoIterator<Item = T>,
        write: impl FnMut(T, &mut Row<'_>),
    ) -> Answer<bool> {
        self.inner.copy(table, columns, rows, write).await
    }

    /// Appends changes to the outbox, each told by `tell`; gives the position of the last.
    pub async fn append<T>(
        &mut self,
        changes: impl IntoIterator<Item = T>,
        mut tell: impl FnMut(T, Telling<'_, '_>),
    ) -> Answer<Position> {
        let xid = self.number("SELECT pg_current_xact_id()::text::bigint").await?;
        let columns = ["xid", "subject", "payload"];
        self.copy("outbox", &columns, changes, |change, row| tell(change, Telling { xid, row })).await?;
        let last = self.number("SELECT currval(pg_get_serial_sequence('outbox', 'seq'))").await?;
        let position = Position::new(xid, last);
        self.appended = Some(position);
        Ok(position)
    }

    /// Runs a statement beside the copies; its parameters are texts.
    pub async fn execute(&mut self, text: &str, values: &[&str]) -> Answer<()> {
        let values = values.iter().map(|&value| value.into());
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, text, values);
        self.inner.open()?.execute(statement).await?;
        Ok(())
    }

    async fn number(&mut self, text: &str) -> Answer<i64> {
        let row = self.inner.open()?.one(Statement::from_string(DbBackend::Postgres, text)).await?;
        let none = || Fault::internal(anyhow::anyhow!("no row of: {text}"));
        Ok(row.ok_or_else(none)?.try_get_by_index(0)?)
    }

    /// Commits, and wakes who follows.
    pub async fn commit(self) -> Answer<()> {
        self.inner.commit().await?;
        self.committed.tell(self.appended);
        Ok(())
    }
}

/// A change on its way into the outbox.
pub struct Telling<'a, 'b> {
    xid: i64,
    row: &'a mut Row<'b>,
}

impl Telling<'_, '_> {
    /// The enterprise's code and the change's message.
    pub fn change(self, subject: &str, message: &impl Message) {
        self.row.bigint(self.xid);
        self.row.text(subject);
        self.row.cell(|out| message.encode_raw(out));
    }
}

/// A row in the format of COPY: the number of its columns, then each as its length and its bytes.
pub struct Row<'a> {
    out: &'a mut Vec<u8>,
    columns: usize,
    unfit: Option<&'static str>,
}

impl Row<'_> {
    fn write(columns: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Row<'_>)) -> Answer<()> {
        out.extend_from_slice(&i16::try_from(columns).map_err(Fault::internal)?.to_be_bytes());
        let mut row = Row { out, columns: 0, unfit: None };
        write(&mut row);
        if row.columns != columns {
            row.unfit = Some("another number of columns");
        }
        match row.unfit {
            None => Ok(()),
            Some(what) => Err(Fault::internal(anyhow::anyhow!("a row of COPY holds {what}"))),
        }
    }

    pub(crate) fn values(&mut self, values: &[Value]) {
        for value in values {
            match value {
                Value::String(Some(text)) => self.text(text),
                Value::Bytes(Some(bytes)) => self.cell(|out| out.extend_from_slice(bytes)),
                Value::Int(Some(number)) => self.int(*number),
                Value::BigInt(Some(number)) => self.bigint(*number),
                Value::Bool(Some(flag)) => self.cell(|out| out.push(u8::from(*flag))),
                Value::String(None)
                | Value::Bytes(None)
                | Value::Int(None)
                | Value::BigInt(None)
                | Value::Bool(None) => {
                    self.columns += 1;
                    self.out.extend_from_slice(&(-1_i32).to_be_bytes());
                }
                _ => self.unfit = Some("a value that COPY is not used for here"),
            }
        }
    }

    // The bytes that `put` appends, behind their length.
    fn cell(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        self.columns += 1;
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        put(self.out);
        match i32::try_from(self.out.len() - start - 4) {
            Ok(length) => self.out[start..start + 4].copy_from_slice(&length.to_be_bytes()),
            Err(_) => self.unfit = Some("more than two gigabytes"),
        }
    }
}

impl Cells for Row<'_> {
    fn text(&mut self, text: &str) {
        if text.contains('\0') {
            self.unfit = Some("a NUL in a text");
        }
        self.cell(|out| out.extend_from_slice(text.as_bytes()));
    }

    fn int(&mut self, number: i32) {
        self.cell(|out| out.extend_from_slice(&number.to_be_bytes()));
    }

    fn bigint(&mut self, number: i64) {
        self.cell(|out| out.extend_from_slice(&number.to_be_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_the_manual_says() {
        let mut out = Vec::new();
        let stamp = prost_types::Timestamp { seconds: 3, nanos: 0 };
        Row::write(4, &mut out, |row| {
            row.text("中");
            row.int(7);
            row.bigint(-1);
            row.cell(|out| stamp.encode_raw(out));
        })
        .unwrap();
        // Four columns; three bytes of text, four and eight of whole numbers, two of a message.
        let expected: Vec<u8> = [
            &[0, 4][..],
            &[0, 0, 0, 3, 0xE4, 0xB8, 0xAD],
            &[0, 0, 0, 4, 0, 0, 0, 7],
            &[0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0, 0, 0, 2, 8, 3],
        ]
        .concat();
        assert_eq!(out, expected);
        assert!(Row::write(1, &mut Vec::new(), |row| row.text("a\0b")).is_err());
        assert!(Row::write(2, &mut Vec::new(), |row| row.int(1)).is_err());
        out.clear();
        Row::write(1, &mut out, |row| row.values(&[Value::Int(None)])).unwrap();
        assert_eq!(out, [0, 1, 255, 255, 255, 255], "a null is a length of -1");
        assert!(Row::write(1, &mut Vec::new(), |row| row.values(&[Value::Double(Some(0.5))])).is_err());
    }
}
