//! Fact sheets 事实表: one a subject, kept current by following credit's feed; whoever changes is graded in the same breath.
pub mod rows;
pub mod rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chassis::{
    Answer, Tx, async_trait,
    clock::{Clock, business_day},
    feed,
    serve::MESSAGE_MAX,
    storage::corrupt,
    telemetry::Counter,
    upstream::Upstream,
};
use contract::credit::v1::{Change, Subject, WatchRequest, change::Kind, feed_client::FeedClient};
use scoring::{FactSheet, Schemas};
use tonic::Streaming;

use crate::{catalogue, evaluation, figures, schemes};

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

    // Whether the change is one that grades rest on. A record that can't be counted must not hold up everybody else's: it is left out,
    // and told where operators look.
    fn take(&mut self, change: &Change, schemas: &Schemas) -> bool {
        if let Some(subject) = &change.subject {
            self.register(subject);
            return true;
        }
        // What is contested counts until it is decided.
        let applied = match change.kind() {
            Kind::RecordMarked | Kind::Progress => return false,
            Kind::AuthorizationChanged => self.grant(change),
            _ => self.record(change, schemas),
        };
        if let Err(why) = &applied {
            let record = change.record.as_ref().map_or("", |record| &record.record);
            tracing::error!(position = change.position, record, why, "a change can't be counted");
        }
        applied.is_ok()
    }

    fn record(&mut self, change: &Change, schemas: &Schemas) -> Result<(), String> {
        self.row.taken += 1;
        let change = rules::change_of(change, self.row.taken.unsigned_abs(), schemas)?;
        self.facts.apply(change).map_err(|fault| fault.message().en)
    }

    fn grant(&mut self, change: &Change) -> Result<(), String> {
        let grant = change.authorization.as_ref().ok_or("it carries no grant")?;
        let changes = rules::changes_of_grant(grant)?;
        changes
            .into_iter()
            .try_for_each(|change| self.facts.apply(change))
            .map_err(|fault| fault.message().en)
    }
}

/// Follows credit's feed.
pub struct Follower {
    pub credit: Upstream,
    pub versions: Arc<schemes::Versions>,
    pub catalogue: catalogue::Types,
    pub clock: Clock,
    pub evaluations: Counter,
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

    // Each change is graded for itself, in the order of the feed, so that the history tells the same however the changes were batched.
    async fn apply(&self, tx: &Tx, changes: Vec<Change>) -> Answer<()> {
        schemes::rows::hold(tx).await?;
        let schemas = self.catalogue.schemas(&self.credit, &changes).await?;
        let codes: BTreeSet<&str> = changes.iter().map(|change| change.uscc.as_str()).collect();
        let codes: Vec<&str> = codes.into_iter().filter(|code| !code.is_empty()).collect();
        let stood = rows::claim(tx, &codes).await?;
        let now = self.clock.now();
        let today = business_day(now);
        let versions = self.versions.in_force(tx).await?;
        let mut book = evaluation::Book::open(tx, &codes).await?;
        stood.iter().for_each(|row| book.place(row, today));
        let next = |row: &rows::Row| rows::Row { revision: row.revision.wrapping_add(1), ..row.clone() };
        let known = stood.iter().map(|row| Ok((row.uscc.clone(), Sheet::read(next(row))?)));
        let mut sheets = known.collect::<Answer<BTreeMap<String, Sheet>>>()?;
        for change in changes.iter().filter(|change| !change.uscc.is_empty()) {
            let sheet = sheets.entry(change.uscc.clone()).or_insert_with(|| Sheet::new(&change.uscc));
            let taken = sheet.take(change, &schemas);
            book.place(&sheet.row, today);
            if taken {
                for version in &versions {
                    book.grade(sheet, version, today);
                }
            }
        }
        let population = figures::classified(today, &stood, sheets.values().map(|sheet| &sheet.row));
        let stored = sheets.into_values().map(|sheet| rows::Row { facts: sheet.facts.encode(), ..sheet.row });
        rows::put(tx, stored.collect()).await?;
        self.evaluations.add("record", book.evaluated);
        book.close(tx, now).await?;
        chassis::figures::keep(tx, &population).await
    }
}
