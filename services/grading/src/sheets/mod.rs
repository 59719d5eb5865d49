//! Fact sheets 事实表: one a subject, kept current by following credit's feed; whoever changes is graded in the same breath.
pub mod rows;
pub mod rules;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{
    Answer, Tx, async_trait, clock::Clock, feed, serve::MESSAGE_MAX, storage::corrupt, upstream::Upstream,
};
use contract::credit::v1::{Change, Subject, WatchRequest, change::Kind, feed_client::FeedClient};
use scoring::{FactSheet, Schemas};
use tonic::Streaming;

use crate::{catalogue, evaluation, schemes};

/// A subject with its facts, ready to be graded.
pub struct Sheet {
    pub row: rows::Row,
    pub facts: FactSheet,
}

impl Sheet {
    /// Reads a stored sheet.
    pub fn read(row: rows::Row) -> Answer<Self> {
        let facts = FactSheet::decode(&row.facts)
            .map_err(|fault| corrupt("fact sheet", format!("{}: {}", row.uscc, fault.message().en)))?;
        Ok(Self { row, facts })
    }

    fn new(uscc: &str) -> Self {
        Self { row: rows::Row { uscc: uscc.to_owned(), ..Default::default() }, facts: FactSheet::new() }
    }

    fn register(&mut self, subject: &Subject) {
        let row = &mut self.row;
        subject.name.clone_into(&mut row.name);
        subject.region.clone_into(&mut row.region);
        subject.industry.clone_into(&mut row.industry);
        subject.status.clone_into(&mut row.status);
        row.domains = subject.domains.join(",");
    }

    // A record that can't be counted must not hold up everybody else's: it is left out, and told where operators look.
    fn take(&mut self, change: &Change, schemas: &Schemas) {
        if let Some(subject) = &change.subject {
            return self.register(subject);
        }
        // What is contested counts until it is decided; a grant is no fact about the subject.
        if matches!(change.kind(), Kind::RecordMarked | Kind::AuthorizationChanged | Kind::Progress) {
            return;
        }
        self.row.taken += 1;
        let taken = rules::change_of(change, self.row.taken.unsigned_abs(), schemas);
        let applied = taken.and_then(|change| self.facts.apply(change).map_err(|fault| fault.message().en));
        if let Err(why) = applied {
            let record = change.record.as_ref().map_or("", |record| &record.record);
            tracing::error!(position = change.position, record, why, "a record can't be counted");
        }
    }
}

/// Follows credit's feed.
pub struct Follower {
    pub credit: Upstream,
    pub versions: Arc<schemes::Versions>,
    pub clock: Clock,
}

/// Credit's feed from a cursor on; it goes on for ever, or ends once all that was there at the call has come.
pub async fn watch(credit: &Upstream, cursor: String, until_caught_up: bool) -> Answer<Streaming<Change>> {
    let mut client = FeedClient::new(credit.clone()).max_decoding_message_size(MESSAGE_MAX);
    Ok(client.watch(WatchRequest { cursor, until_caught_up, ..Default::default() }).await?.into_inner())
}

#[async_trait]
impl feed::Follower for Follower {
    type Change = Change;

    fn feed(&self) -> &'static str {
        "credit"
    }

    async fn connect(&self, cursor: String) -> Answer<Streaming<Change>> {
        watch(&self.credit, cursor, false).await
    }

    fn position(change: &Change) -> &str {
        &change.position
    }

    async fn apply(&self, tx: &Tx, changes: Vec<Change>) -> Answer<()> {
        schemes::rows::hold(tx).await?;
        let schemas = self.schemas(&changes).await?;
        let mut of_subject = BTreeMap::<&str, Vec<&Change>>::new();
        for change in &changes {
            of_subject.entry(&change.uscc).or_default().push(change);
        }
        let codes: Vec<&str> = of_subject.keys().copied().collect();
        let mut known = rows::claim(tx, &codes)
            .await?
            .into_iter()
            .map(|row| (row.uscc.clone(), row))
            .collect::<BTreeMap<_, _>>();
        let mut sheets = Vec::with_capacity(codes.len());
        for (uscc, changes) in of_subject {
            let mut sheet = known.remove(uscc).map_or_else(|| Ok(Sheet::new(uscc)), Sheet::read)?;
            for change in changes {
                sheet.take(change, &schemas);
            }
            sheet.row.facts = sheet.facts.encode();
            sheets.push(sheet);
        }
        rows::put(tx, sheets.iter().map(|sheet| sheet.row.clone()).collect()).await?;
        let versions = self.versions.in_force(&**tx).await?;
        evaluation::regrade(tx, &sheets, &versions, self.clock.now()).await?;
        Ok(())
    }
}

impl Follower {
    // The types of fields are those of the catalogue as it is now; asked once a batch, and only where a record has fields.
    async fn schemas(&self, changes: &[Change]) -> Answer<Schemas> {
        let typed = |change: &Change| change.record.as_ref().is_some_and(|record| record.fields.is_some());
        if !changes.iter().any(typed) {
            return Ok(Schemas::new());
        }
        Ok(catalogue::schemas(&catalogue::fetch(&self.credit).await?))
    }
}
