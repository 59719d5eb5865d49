//! Bulk writing by PostgreSQL's binary COPY, which costs a third of an INSERT of the same rows. It can't look away from a number that is
//! taken, so it is for rows that are believed to be new; who was wrong begins again the ordinary way.
use std::sync::Arc;

use sea_orm::{
    Value,
    sqlx::{self, Postgres, Row as _},
};

use crate::{
    fault::{Answer, Fault},
    feed::Position,
    storage::{Committed, Store},
};

/// A transaction that copies rows in.
pub struct Bulk {
    inner: sqlx::Transaction<'static, Postgres>,
    committed: Arc<Committed>,
}

// A message to the database of at most so many bytes and a row.
const PART: usize = 1 << 18;

impl Store {
    /// Begins a transaction that copies; none on SQLite, whose INSERT is as fast.
    pub async fn bulk(&self) -> Answer<Option<Bulk>> {
        let Some((pool, committed)) = self.postgres() else { return Ok(None) };
        let inner = pool.begin().await.map_err(Fault::internal)?;
        Ok(Some(Bulk { inner, committed }))
    }
}

impl Bulk {
    /// Copies rows in; whether all of them were new. After a `false` nothing of the transaction stays.
    pub async fn copy(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: impl IntoIterator<Item = Vec<Value>>,
    ) -> Answer<bool> {
        let text = format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", columns.join(", "));
        let mut into = self.inner.copy_in_raw(&text).await.map_err(Fault::internal)?;
        let mut part = Vec::with_capacity(PART + PART / 4);
        // The signature, no flags, no extension.
        part.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        for row in rows {
            write_row(&row, &mut part)?;
            if part.len() >= PART {
                into.send(part.as_slice()).await.map_err(Fault::internal)?;
                part.clear();
            }
        }
        part.extend_from_slice(&(-1_i16).to_be_bytes());
        into.send(part.as_slice()).await.map_err(Fault::internal)?;
        match into.finish().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_database_error().is_some_and(|e| e.is_unique_violation()) => Ok(false),
            Err(error) => Err(Fault::internal(error)),
        }
    }

    /// Appends changes to the outbox, each as the enterprise's code and the encoded message; gives the position of the last.
    pub async fn append(&mut self, changes: Vec<(String, Vec<u8>)>) -> Answer<Position> {
        let xid: i64 = sqlx::query_scalar("SELECT pg_current_xact_id()::text::bigint")
            .fetch_one(&mut *self.inner)
            .await
            .map_err(Fault::internal)?;
        let rows = changes
            .into_iter()
            .map(|(subject, payload)| vec![Value::from(xid), Value::from(subject), Value::from(payload)]);
        self.copy("outbox", &["xid", "subject", "payload"], rows).await?;
        let last = sqlx::query("SELECT currval(pg_get_serial_sequence('outbox', 'seq'))")
            .fetch_one(&mut *self.inner)
            .await
            .map_err(Fault::internal)?;
        Ok(Position::new(xid, last.try_get(0).map_err(Fault::internal)?))
    }

    /// Commits, and wakes who follows.
    pub async fn commit(self) -> Answer<()> {
        self.inner.commit().await.map_err(Fault::internal)?;
        self.committed.tell(true);
        Ok(())
    }
}

// A row in the format of COPY: the number of its columns, then each as its length and its bytes.
fn write_row(row: &[Value], out: &mut Vec<u8>) -> Answer<()> {
    let unfit = |what: &str| Fault::internal(anyhow::anyhow!("a row of COPY holds {what}"));
    out.extend_from_slice(&i16::try_from(row.len()).map_err(Fault::internal)?.to_be_bytes());
    let mut write = |bytes: &[u8]| -> Answer<()> {
        out.extend_from_slice(&i32::try_from(bytes.len()).map_err(Fault::internal)?.to_be_bytes());
        out.extend_from_slice(bytes);
        Ok(())
    };
    for value in row {
        match value {
            Value::String(Some(text)) if text.contains('\0') => return Err(unfit("a NUL in a text")),
            Value::String(Some(text)) => write(text.as_bytes())?,
            Value::Bytes(Some(bytes)) => write(bytes)?,
            Value::Int(Some(number)) => write(&number.to_be_bytes())?,
            Value::BigInt(Some(number)) => write(&number.to_be_bytes())?,
            Value::Bool(Some(flag)) => write(&[u8::from(*flag)])?,
            other => return Err(unfit(&format!("{other:?}"))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_the_manual_says() {
        let row = [
            Value::from("中"),
            Value::from(7_i32),
            Value::from(-1_i64),
            Value::from(true),
            Value::from(vec![1_u8]),
        ];
        let mut out = Vec::new();
        write_row(&row, &mut out).unwrap();
        // Five columns; three bytes of text, four and eight of whole numbers, one of a truth, one of bytes.
        let expected: Vec<u8> = [
            &[0, 5][..],
            &[0, 0, 0, 3, 0xE4, 0xB8, 0xAD],
            &[0, 0, 0, 4, 0, 0, 0, 7],
            &[0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0, 0, 0, 1, 1],
            &[0, 0, 0, 1, 1],
        ]
        .concat();
        assert_eq!(out, expected);
        assert!(write_row(&[Value::from("a\0b")], &mut Vec::new()).is_err());
        assert!(write_row(&[Value::Int(None)], &mut Vec::new()).is_err());
    }
}
