//! The two directories, of lists and of measures: wordings with versions, none of which is ever lost.
use std::collections::BTreeMap;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::micros,
    decisions::{self, Decision},
    storage::{corrupt, insert_rows, sql},
};
use contract::discipline::v1 as api;
use jiff::Timestamp;
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;

use crate::{bases, cases, changes};

/// What stands in a directory.
pub trait Wording: Message + Default + PartialEq {
    /// The directory.
    const SHELF: &'static str;
    /// The identifier.
    fn id(&self) -> &str;
    /// What may not be missing 法律依据 (国办发〔2020〕49号: 清单制管理, 无依据不得设列).
    fn legal_basis(&self) -> &str;
    /// When it was put.
    fn update_time(&mut self) -> &mut Option<prost_types::Timestamp>;
    /// The rules that it rests on.
    fn bases(&self) -> &[api::LegalBasis];
    /// How sure it is.
    fn status(&self) -> api::BasisStatus;
    /// What of it is not known.
    fn unknown(&self) -> &[String];
    /// Who confirmed it.
    fn confirmation(&self) -> Option<&api::Confirmation>;
    /// Sets its status and that of its parts, which somebody answers for.
    fn answer_for(&mut self, status: api::BasisStatus);
    /// Makes it the wording of an official, who answers for it.
    fn declare(&mut self);
}

// The two messages have the same fields for what they rest on, and no type in common.
macro_rules! wording {
    ($message:ty, $shelf:literal, $id:ident, $answer_for:expr) => {
        impl Wording for $message {
            const SHELF: &'static str = $shelf;
            fn id(&self) -> &str {
                &self.$id
            }
            fn legal_basis(&self) -> &str {
                &self.legal_basis
            }
            fn update_time(&mut self) -> &mut Option<prost_types::Timestamp> {
                &mut self.update_time
            }
            fn bases(&self) -> &[api::LegalBasis] {
                &self.bases
            }
            fn status(&self) -> api::BasisStatus {
                Self::status(self)
            }
            fn unknown(&self) -> &[String] {
                &self.unknown
            }
            fn confirmation(&self) -> Option<&api::Confirmation> {
                self.confirmation.as_ref()
            }
            fn answer_for(&mut self, status: api::BasisStatus) {
                self.set_status(status);
                let parts: fn(&mut $message, api::BasisStatus) = $answer_for;
                parts(self, status);
            }
            fn declare(&mut self) {
                self.answer_for(api::BasisStatus::Declared);
                self.unknown.clear();
                self.origin.clear();
                self.confirmation = None;
            }
        }
    };
}

wording!(api::List, "list", list_id, |list, status| {
    if let Some(procedure) = &mut list.procedure {
        cases::answered_for(procedure, status);
    }
});
wording!(api::Measure, "measure", measure_id, |_, _| {});

/// A wording with its version.
pub struct Entry<W> {
    /// The version, from 1.
    pub version: i32,
    /// What it says.
    pub wording: W,
    department: String,
    put_by: String,
}

// Who put what is shipped.
const BUILT_IN: &str = "built-in";

#[derive(FromQueryResult)]
struct Row {
    id: String,
    version: i32,
    department: String,
    put_by: String,
    body: Vec<u8>,
}

impl<W: Wording> TryFrom<Row> for Entry<W> {
    type Error = Fault;

    fn try_from(row: Row) -> Answer<Self> {
        let wording = W::decode(row.body.as_slice()).map_err(|error| corrupt(W::SHELF, error))?;
        Ok(Self { version: row.version, wording, department: row.department, put_by: row.put_by })
    }
}

const CURRENT: &str = "SELECT d.id, d.version, d.department, v.put_by, v.body FROM directory d \
                       JOIN directory_versions v ON v.shelf = d.shelf AND v.id = d.id AND v.version = d.version \
                       WHERE d.shelf = $1";

/// The wording in force.
pub async fn current<W: Wording>(db: &impl ConnectionTrait, id: &str) -> Answer<Option<Entry<W>>> {
    let statement = sql(db, &format!("{CURRENT} AND d.id = $2"), [W::SHELF.into(), id.into()]);
    Row::find_by_statement(statement).one(db).await?.map(Entry::try_from).transpose()
}

/// The same, held until the transaction ends: what is judged is what the next version follows.
pub async fn held<W: Wording>(tx: &Tx, id: &str) -> Answer<Option<Entry<W>>> {
    // Apart from the reading, since a row that was changed while it was waited for no longer joins its version.
    let text = format!("SELECT version FROM directory WHERE shelf = $1 AND id = $2 {}", tx.hold());
    tx.query_one_raw(sql(&**tx, &text, [W::SHELF.into(), id.into()])).await?;
    current(&**tx, id).await
}

// Takes an identifier that is new, so that of two who put it at once the second finds what the first put.
async fn claim<W: Wording>(tx: &Tx, context: &Context, wording: &W) -> Answer<()> {
    let text = "INSERT INTO directory (shelf, id, version, department) VALUES ($1, $2, 0, $3) \
                ON CONFLICT (shelf, id) DO NOTHING";
    let values = [W::SHELF.into(), wording.id().into(), context.caller.department().into()];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// Every wording in force whose identifier comes after one, in their order. A directory holds hundreds, not millions.
pub async fn all<W: Wording>(db: &impl ConnectionTrait, after: &str) -> Answer<Vec<W>> {
    let statement =
        sql(db, &format!("{CURRENT} AND d.id > $2 ORDER BY d.id"), [W::SHELF.into(), after.into()]);
    let rows = Row::find_by_statement(statement).all(db).await?;
    rows.into_iter().map(|row| Ok(Entry::try_from(row)?.wording)).collect()
}

/// Wordings as they stood, by identifier and version.
pub async fn versions<W: Wording>(
    db: &impl ConnectionTrait,
    keys: impl IntoIterator<Item = (String, i32)>,
) -> Answer<BTreeMap<(String, i32), W>> {
    let wanted: BTreeMap<(String, i32), ()> = keys.into_iter().map(|key| (key, ())).collect();
    let mut found = BTreeMap::new();
    let text = "SELECT id, version, department, put_by, body FROM directory_versions \
                WHERE shelf = $1 AND id = $2 AND version = $3";
    for (id, version) in wanted.into_keys() {
        let statement = sql(db, text, [W::SHELF.into(), id.into(), version.into()]);
        if let Some(row) = Row::find_by_statement(statement).one(db).await? {
            found.insert((row.id.clone(), row.version), Entry::try_from(row)?.wording);
        }
    }
    Ok(found)
}

/// Every wording that there ever was, by identifier and version.
pub async fn every_version<W: Wording>(db: &impl ConnectionTrait) -> Answer<BTreeMap<(String, i32), W>> {
    let text = "SELECT id, version, department, put_by, body FROM directory_versions WHERE shelf = $1";
    let rows = Row::find_by_statement(sql(db, text, [W::SHELF.into()])).all(db).await?;
    rows.into_iter().map(|row| Ok(((row.id.clone(), row.version), Entry::try_from(row)?.wording))).collect()
}

/// One wording as it stood.
pub async fn version<W: Wording>(db: &impl ConnectionTrait, id: &str, version: i32) -> Answer<W> {
    let mut found = versions(db, [(id.to_owned(), version)]).await?;
    found
        .remove(&(id.to_owned(), version))
        .ok_or_else(|| corrupt(W::SHELF, format!("{id} version {version} is gone")))
}

/// Puts a wording: a new version, unless it says what is in force.
pub async fn put<W: Wording>(tx: &Tx, context: &Context, mut wording: W) -> Answer<W> {
    if wording.legal_basis().trim().is_empty() {
        return Err(Fault::invalid(
            api::ErrorReason::LegalBasisMissing.as_str_name(),
            "without a legal basis it can't exist; name the law, regulation or central policy in legalBasis",
            "没有法律依据的名单和措施不得设立；请在 legalBasis 中写明法律、法规或党中央、国务院政策文件",
        )
        .at(format!("{}.legalBasis", W::SHELF)));
    }
    bases::refuse_backwards(&wording)?;
    wording.declare();
    claim(tx, context, &wording).await?;
    let version = match held::<W>(tx, wording.id()).await? {
        None => 1,
        Some(mut entry) => {
            refuse_stranger(context, &entry)?;
            *wording.update_time() = *entry.wording.update_time();
            if entry.wording == wording {
                return Ok(wording);
            }
            entry.version + 1
        }
    };
    *wording.update_time() = Some(chassis::clock::wire(context.now));
    write(tx, context, &wording, version).await?;
    let detail = json!({ "id": wording.id(), "version": version });
    let kind = format!("{}.put", W::SHELF);
    let decision = Decision { kind: &kind, subject: wording.id(), basis: wording.legal_basis(), detail };
    decisions::record(tx, context, decision).await?;
    changes::append_wording(tx).await?;
    Ok(wording)
}

/// Puts built-in wordings in where there are none yet, and brings those up to date that nobody has put or confirmed; gives how many it wrote. They are
/// the credit office's.
pub async fn seed<W: Wording>(tx: &Tx, now: Timestamp, wordings: Vec<W>) -> Answer<u64> {
    let owner = identifiers::Department::CREDIT_OFFICE.slug();
    let (mut points, mut bodies) = (Vec::new(), Vec::new());
    for mut wording in wordings {
        let version = match current::<W>(&**tx, wording.id()).await? {
            None => 1,
            Some(mut entry) => {
                *wording.update_time() = entry.wording.update_time().take();
                *entry.wording.update_time() = *wording.update_time();
                if entry.put_by != BUILT_IN || entry.wording == wording {
                    continue;
                }
                entry.version + 1
            }
        };
        *wording.update_time() = Some(chassis::clock::wire(now));
        points.push(vec![W::SHELF.into(), wording.id().into(), version.into(), owner.into()]);
        bodies.push(vec![
            W::SHELF.into(),
            wording.id().into(),
            version.into(),
            wording.encode_to_vec().into(),
            BUILT_IN.into(),
            owner.into(),
            micros(now).into(),
        ]);
    }
    let fresh = points.len() as u64;
    // Two replicas that start together put in the same.
    let newest = "ON CONFLICT (shelf, id) DO UPDATE SET version = excluded.version";
    insert_rows(&**tx, "directory", &["shelf", "id", "version", "department"], points, newest).await?;
    let columns = ["shelf", "id", "version", "body", "put_by", "department", "put_at"];
    insert_rows(&**tx, "directory_versions", &columns, bodies, "ON CONFLICT DO NOTHING").await?;
    if fresh > 0 {
        changes::append_wording(tx).await?;
    }
    Ok(fresh)
}

fn refuse_stranger<W: Wording>(context: &Context, entry: &Entry<W>) -> Answer<()> {
    if context.caller.is_office() || context.caller.department() == entry.department {
        return Ok(());
    }
    let (shelf, id, owner) = (W::SHELF, entry.wording.id(), &entry.department);
    Err(Fault::denied(
        api::ErrorReason::NotOfDepartment.as_str_name(),
        format!("{shelf} \"{id}\" was put by {owner}; ask {owner} or the credit office to change it, or use another id"),
        format!("“{id}”由{owner}设立；请由该部门或信用联办修改，或另用标识"),
    )
    .with("department", owner))
}

/// Writes a wording down as the one in force; whoever writes the first owns it.
pub async fn write<W: Wording>(tx: &Tx, context: &Context, wording: &W, version: i32) -> Answer<()> {
    let owner = context.caller.department();
    let point = "INSERT INTO directory (shelf, id, version, department) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (shelf, id) DO UPDATE SET version = excluded.version";
    let values = [W::SHELF.into(), wording.id().into(), version.into(), owner.into()];
    tx.execute_raw(sql(&**tx, point, values)).await?;
    let keep = "INSERT INTO directory_versions (shelf, id, version, body, put_by, department, put_at) \
                VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = [
        W::SHELF.into(),
        wording.id().into(),
        version.into(),
        wording.encode_to_vec().into(),
        context.caller.name().into(),
        context.caller.department().into(),
        micros(context.now).into(),
    ];
    tx.execute_raw(sql(&**tx, keep, values)).await?;
    Ok(())
}
