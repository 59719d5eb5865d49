//! The check 信用核查: one code or ten thousand, in a handful of statements.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use chassis::{
    Answer, Context,
    clock::wire,
    feed::Position,
    language::{Language, Text},
    storage::{placeholders, sql},
};
use contract::discipline::v1 as api;
use identifiers::{CodeFault, CodeStatus, Uscc};
use sea_orm::FromQueryResult;

use crate::{Discipline, directory, listings, looks, measures};

// PostgreSQL and SQLite take far more parameters; this keeps a statement readable to their planners.
const CODES_AT_ONCE: usize = 2_000;

/// Checks subjects.
pub async fn check(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::CheckSubjectsRequest,
) -> Answer<api::CheckSubjectsResponse> {
    let purpose = context.purpose(&request.purpose)?;
    // Listings are read where they are written, so that every position is reached; a text that is none is still told.
    Position::parse(&request.min_position).map_err(|fault| fault.at("minPosition"))?;
    let as_of = context.now;
    let parsed: Vec<_> = request.uscc.iter().map(|code| Uscc::parse_tolerant(code)).collect();
    let codes: BTreeSet<Uscc> = parsed.iter().flatten().map(|(code, _)| *code).collect();
    let found = active(app, context, &codes).await?;
    let binding = Binding::read(app, context, &found).await?;
    let results = request
        .uscc
        .iter()
        .zip(parsed)
        .map(|(sent, parsed)| {
            let refusal = match parsed {
                Ok((code, status)) => {
                    let rows = found.get(code.as_str()).map_or(&[][..], Vec::as_slice);
                    let trusted =
                        status == CodeStatus::Conforming || request.accept_nonconforming || !rows.is_empty();
                    if trusted {
                        return binding.result(code.as_str(), rows);
                    }
                    CodeFault::CheckFailed
                }
                Err(fault) => fault,
            };
            refused(sent, &refusal, context.language)
        })
        .collect();
    let looked_at: Vec<&str> = codes.iter().map(Uscc::as_str).collect();
    looks::record(app, context, purpose, &looked_at).await?;
    Ok(api::CheckSubjectsResponse { results, as_of: Some(wire(as_of)) })
}

fn refused(sent: &str, fault: &CodeFault, language: Language) -> api::CheckResult {
    let text = Text::new(fault.message_en(), fault.message_zh());
    let error = api::CheckError { reason: fault.reason().to_owned(), message: text.get(language).to_owned() };
    api::CheckResult { uscc: sent.to_owned(), error: Some(error), ..Default::default() }
}

type Found = HashMap<String, Vec<listings::Row>>;

async fn active(app: &Arc<Discipline>, context: &Context, codes: &BTreeSet<Uscc>) -> Answer<Found> {
    let db = app.store.read();
    let codes: Vec<&Uscc> = codes.iter().collect();
    let mut found = Found::new();
    for chunk in codes.chunks(CODES_AT_ONCE) {
        let text = format!(
            "SELECT {} FROM listings WHERE {} AND uscc IN ({}) ORDER BY case_id",
            listings::COLUMNS,
            listings::ACTIVE,
            placeholders(2, chunk.len())
        );
        let mut values = vec![context.today().to_string().into()];
        values.extend(chunk.iter().map(|code| code.as_str().into()));
        for row in listings::Row::find_by_statement(sql(db, &text, values)).all(db).await? {
            found.entry(row.uscc.clone()).or_default().push(row);
        }
    }
    Ok(found)
}

// Which measures follow from the lists found, as far as they bind who asks.
struct Binding {
    lists: BTreeMap<(String, i32), api::List>,
    measures: BTreeMap<String, api::Measure>,
    today: jiff::civil::Date,
}

impl Binding {
    async fn read(app: &Arc<Discipline>, context: &Context, found: &Found) -> Answer<Self> {
        let db = app.store.read();
        let keys: BTreeSet<_> =
            found.values().flatten().map(|row| (row.list_id.clone(), row.list_version)).collect();
        let measures = if keys.is_empty() { vec![] } else { directory::all::<api::Measure>(db, "").await? };
        // The credit office sees what each department must do.
        let binds = |measure: &api::Measure| {
            context.caller.is_office() || measures::binds(measure, context.caller.department())
        };
        Ok(Self {
            lists: directory::versions(db, keys).await?,
            measures: measures
                .into_iter()
                .filter(binds)
                .map(|measure| (measure.measure_id.clone(), measure))
                .collect(),
            today: context.today(),
        })
    }

    fn result(&self, uscc: &str, rows: &[listings::Row]) -> api::CheckResult {
        let mut measures: BTreeMap<&str, api::BindingMeasure> = BTreeMap::new();
        for row in rows {
            let list = self.lists.get(&(row.list_id.clone(), row.list_version));
            let follow = list.into_iter().flat_map(|list| &list.measures);
            for measure in follow.filter_map(|id| self.measures.get(id)) {
                let binding = measures.entry(&measure.measure_id).or_insert_with(|| api::BindingMeasure {
                    measure_id: measure.measure_id.clone(),
                    name: measure.name.clone(),
                    group: measure.group.clone(),
                    legal_basis: measure.legal_basis.clone(),
                    listings: vec![],
                });
                binding.listings.push(row.case_id.clone());
            }
        }
        api::CheckResult {
            uscc: uscc.to_owned(),
            listings: rows.iter().map(|row| checked(row.clone().on(self.today))).collect(),
            measures: measures.into_values().collect(),
            error: None,
        }
    }
}

fn checked(listing: api::Listing) -> api::CheckedListing {
    api::CheckedListing {
        under_objection: listing.state() == api::listing::State::UnderObjection,
        list_id: listing.list_id,
        name: listing.list_name,
        kind: listing.kind,
        until: listing.until,
        listing: listing.listing,
    }
}
