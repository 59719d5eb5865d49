//! The record of looks at what is not public: who, when, for what purpose, at whom.
use std::{collections::HashMap, sync::Arc, time::Duration};

use chassis::{
    Answer, Context, Fault, Store,
    clock::micros,
    storage::{insert_rows, sql},
};
use contract::r#type::v1::ErrorReason as Common;
use identifiers::Uscc;
use sea_orm::ConnectionTrait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Discipline;

/// Writes a look down before its answer leaves; a look at nobody is none.
pub async fn record(
    app: &Arc<Discipline>,
    context: &Context,
    purpose: &str,
    subjects: &[&str],
) -> Answer<()> {
    if subjects.is_empty() {
        return Ok(());
    }
    let text = "INSERT INTO looks (at, client, department, purpose, method, subjects) VALUES ($1, $2, $3, $4, $5, $6)";
    let values = [
        micros(context.now).into(),
        context.caller.name().into(),
        context.caller.department().into(),
        purpose.into(),
        context.method.as_ref().into(),
        subjects.join("\n").into(),
    ];
    let tx = app.store.begin().await?;
    tx.execute_raw(sql(&*tx, text, values)).await?;
    tx.commit().await
}

/// A look by a check, which tells of published listings only.
pub struct Look {
    at: i64,
    client: String,
    department: String,
    purpose: String,
    method: Arc<str>,
    subjects: Vec<Uscc>,
}

impl Look {
    /// The look of a call.
    pub fn of(context: &Context, purpose: &str, subjects: Vec<Uscc>) -> Self {
        Self {
            at: micros(context.now),
            client: context.caller.name().to_owned(),
            department: context.caller.department().to_owned(),
            purpose: purpose.to_owned(),
            method: context.method.clone(),
            subjects,
        }
    }
}

// Beyond so many looks that wait to be written a check waits too, so that none is lost for want of room.
const WAITING: usize = 4_096;
const PAUSE: Duration = Duration::from_millis(100);
// In microseconds.
const TENTH: i64 = 100_000;

/// Where checks leave their looks. They are written together, within a tenth of a second and before the process stops: what a check tells
/// is published, so that its answer need not wait for the disk.
pub struct Looks(mpsc::Sender<Look>);

impl Looks {
    /// The place, and the writer behind it.
    pub fn open(store: Store, stopping: CancellationToken) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, looks) = mpsc::channel(WAITING);
        (Self(sender), write(store, looks, stopping))
    }

    /// Leaves a look.
    pub async fn tell(&self, look: Look) -> Answer<()> {
        if look.subjects.is_empty() {
            return Ok(());
        }
        self.0.send(look).await.map_err(|_| {
            Fault::unavailable(
                Common::Stopping.as_str_name(),
                "the service is stopping; ask again",
                "服务正在停止；请重试",
            )
        })
    }
}

async fn write(store: Store, mut looks: mpsc::Receiver<Look>, stopping: CancellationToken) {
    let mut waiting = Vec::new();
    loop {
        let ended = tokio::select! {
            came = looks.recv_many(&mut waiting, WAITING) => came == 0,
            () = stopping.cancelled() => {
                looks.close();
                while let Some(look) = looks.recv().await {
                    waiting.push(look);
                }
                true
            }
        };
        while !waiting.is_empty() {
            match put(&store, &waiting).await {
                Ok(()) => waiting.clear(),
                Err(fault) => {
                    tracing::error!(%fault, waiting = waiting.len(), "looks can't be written now");
                    if ended {
                        break;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        if ended {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stopping.cancelled() => {}
        }
    }
}

// Looks in the same tenth of a second by the same caller for the same purpose: one row. A busy caller asks thousands of times for one reason,
// and a row for each would cost more than its answer.
struct Together<'a> {
    first: &'a Look,
    count: usize,
    subjects: String,
}

// So many subjects are in one row, but for a look that has more by itself.
const SUBJECTS: usize = 1_000;

fn together(looks: &[Look]) -> Vec<Together<'_>> {
    let mut rows = Vec::<Together<'_>>::new();
    let mut newest = HashMap::new();
    for look in looks {
        let who = (look.client.as_str(), look.department.as_str());
        let of = (look.at / TENTH, who, look.purpose.as_str(), look.method.as_ref());
        let found = newest.get(&of).copied();
        let at = found.filter(|&at: &usize| rows[at].count + look.subjects.len() <= SUBJECTS);
        let row = match at {
            Some(at) => &mut rows[at],
            None => {
                newest.insert(of, rows.len());
                rows.push_mut(Together { first: look, count: 0, subjects: String::new() })
            }
        };
        row.count += look.subjects.len();
        for subject in &look.subjects {
            if !row.subjects.is_empty() {
                row.subjects.push('\n');
            }
            row.subjects.push_str(subject.as_str());
        }
    }
    rows
}

// So many rows are made at once: more of them would hold up the calls beside for milliseconds.
const ROWS: usize = 64;

async fn put(store: &Store, looks: &[Look]) -> Answer<()> {
    let columns = ["at", "client", "department", "purpose", "method", "subjects"];
    let tx = store.begin().await?;
    for part in together(looks).chunks(ROWS) {
        let rows = part.iter().map(|Together { first, subjects, .. }| {
            vec![
                first.at.into(),
                first.client.as_str().into(),
                first.department.as_str().into(),
                first.purpose.as_str().into(),
                first.method.as_ref().into(),
                subjects.as_str().into(),
            ]
        });
        insert_rows(&*tx, "looks", &columns, rows.collect(), "").await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Migrator;

    fn look(at: i64, purpose: &str, subjects: &[Uscc]) -> Look {
        Look {
            at,
            client: String::from("finance-bids"),
            department: String::from("finance"),
            purpose: purpose.to_owned(),
            method: Arc::from("/xinheng.discipline.v1.Checks/CheckSubjects"),
            subjects: subjects.to_vec(),
        }
    }

    #[test]
    fn looks_of_one_tenth_of_a_second_for_one_purpose_are_one_row() {
        let codes: Vec<Uscc> = (1..=1_300).map(Uscc::fictional).collect();
        let looks = [
            look(1_000_001, "bids", &codes[..1]),
            look(1_000_002, "loans", &codes[..1]),
            look(1_000_003, "bids", &codes[1..3]),
            // The tenth ends.
            look(1_099_999, "bids", &codes[3..4]),
            look(1_100_000, "bids", &codes[4..5]),
            // Who asks of more at once than a row holds has one of his own.
            look(1_100_001, "bids", &codes),
            look(1_100_002, "bids", &codes[5..6]),
        ];
        let rows = together(&looks);
        let told: Vec<_> =
            rows.iter().map(|row| (row.first.at, row.first.purpose.as_str(), row.count)).collect();
        let expected = [
            (1_000_001, "bids", 4),
            (1_000_002, "loans", 1),
            (1_100_000, "bids", 1),
            (1_100_001, "bids", 1_300),
            (1_100_002, "bids", 1),
        ];
        assert_eq!(told, expected);
        let four: Vec<&str> = codes[..4].iter().map(Uscc::as_str).collect();
        assert_eq!(rows[0].subjects, four.join("\n"));
    }

    #[tokio::test]
    async fn what_was_told_before_the_end_is_written_whole() {
        let trial = chassis::trial::Trial::at("2026-03-02T01:00:00Z");
        let store = trial.boot.store::<Migrator>("discipline").await.expect("a store");
        let stopping = CancellationToken::new();
        let (looks, writing) = Looks::open(store.clone(), stopping.clone());
        let writing = tokio::spawn(writing);
        let context = Context::of_service("test", trial.boot.clock.now(), stopping.clone());
        // More than one row holds, and no whole number of them.
        let codes: Vec<Uscc> = (1..=1_001).map(Uscc::fictional).collect();
        for code in &codes {
            looks.tell(Look::of(&context, "政府采购资格审查", vec![*code])).await.expect("room");
        }
        looks.tell(Look::of(&context, "政府采购资格审查", codes.clone())).await.expect("room");
        looks.tell(Look::of(&context, "nobody", Vec::new())).await.expect("room");
        stopping.cancel();
        writing.await.expect("the writer");
        assert!(looks.tell(Look::of(&context, "late", codes.clone())).await.is_err(), "nobody writes it");

        let db = store.read();
        let rows = db.query_all_raw(sql(db, "SELECT subjects, purpose FROM looks", [])).await.expect("rows");
        let told: Vec<String> = rows.iter().map(|row| row.try_get("", "subjects").expect("text")).collect();
        let mut told: Vec<&str> = told.iter().flat_map(|subjects| subjects.split('\n')).collect();
        let mut expected: Vec<&str> = codes.iter().chain(&codes).map(Uscc::as_str).collect();
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected);
        assert!(rows.len() <= codes.len() / SUBJECTS + 3, "{} rows", rows.len());
    }
}
