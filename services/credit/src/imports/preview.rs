//! Judging a file without writing anything 仅校验: how its rows would end, and the first of them as they would be taken.
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use chassis::language::Language;
use contract::credit::v1 as api;
use identifiers::uscc;
use prost::Message;
use prost_types::value::Kind;

use super::{
    batch::{Inputs, Taken},
    layout::Layout,
    sheet::Line,
};
use crate::outcomes::{Verdict, refusal};

const SAMPLES: usize = 10;
const REFUSED_SAMPLES: usize = 20;

/// What a judgement knows of the rows before.
#[derive(Default)]
pub struct Preview {
    /// The first rows, and the first of those that would be refused.
    pub samples: Vec<api::ImportSample>,
    // The key of each row that would be taken, and what it says: a batch is not there for the next one to see.
    seen: HashMap<u64, u64>,
    rows: usize,
    refused: usize,
}

impl Preview {
    /// How the rows of a batch would end after those before.
    pub fn settle(
        &mut self,
        layout: &Layout,
        lines: &[Line],
        taken: Taken,
        language: Language,
    ) -> Vec<Verdict> {
        let mut verdicts = taken.verdicts;
        for ((line, verdict), place) in lines.iter().zip(&mut verdicts).zip(&taken.places) {
            if let (Some(place), Verdict::Accepted(_)) = (place, &*verdict) {
                self.compare(layout, &taken.inputs, *place, verdict);
            }
            self.sample(line, verdict, &taken.inputs, *place, language);
        }
        verdicts
    }

    fn compare(&mut self, layout: &Layout, inputs: &Inputs, place: usize, verdict: &mut Verdict) {
        let (key, said) = match inputs {
            Inputs::Subjects(rows) => {
                (hash(&uscc::normalise(&rows[place].uscc)), hash(&rows[place].encode_to_vec()))
            }
            Inputs::Records(rows) => {
                let row = &rows[place];
                // A decision's number may be shared by several parties.
                let party = if layout.has("decisionNumber") || layout.template.is_some() {
                    uscc::normalise(&row.uscc)
                } else {
                    String::new()
                };
                (hash(&(row.item.trim(), row.source_id.trim(), party)), said(row))
            }
        };
        match self.seen.insert(key, said) {
            Some(before) if before == said => *verdict = Verdict::Duplicate(String::new()),
            Some(before) if matches!(inputs, Inputs::Records(_)) => {
                self.seen.insert(key, before);
                *verdict = Verdict::Refused(refusal(
                    api::ErrorReason::SourceIdReused,
                    "sourceId",
                    "this number stands for another fact in an earlier row; give each fact a number of its own",
                    "该源编号在前面的行中已用于不同内容；请为每条记录使用各自的源编号",
                ));
            }
            _ => {}
        }
    }

    fn sample(
        &mut self,
        line: &Line,
        verdict: &Verdict,
        inputs: &Inputs,
        place: Option<usize>,
        language: Language,
    ) {
        self.rows += 1;
        let refused = matches!(verdict, Verdict::Refused(_));
        self.refused += usize::from(refused);
        if self.rows > SAMPLES && !(refused && self.refused <= REFUSED_SAMPLES) {
            return;
        }
        let number = api::ErrorReason::PersonalIdentityNumber.as_str_name();
        let person = matches!(verdict, Verdict::Refused(violation) if violation.reason == number);
        let values = match (inputs, place.filter(|_| !person)) {
            (_, None) => HashMap::new(),
            (Inputs::Subjects(rows), Some(place)) => subject(&rows[place]),
            (Inputs::Records(rows), Some(place)) => record(&rows[place]),
        };
        let mut outcome = verdict.clone().wire(0, language);
        outcome.index = i32::try_from(line.number - 1).unwrap_or(i32::MAX);
        outcome.record.clear();
        let hidden = |text: &String| super::cells::masked(std::slice::from_ref(text)).swap_remove(0);
        let values = values.into_iter().filter(|(_, text)| !text.is_empty());
        let values = values.map(|(target, text)| (target, hidden(&text))).collect();
        self.samples.push(api::ImportSample { line: line.line, values, outcome: Some(outcome) });
    }
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn said(row: &api::RecordInput) -> u64 {
    let mut values: Vec<(String, String)> = record(row).into_iter().collect();
    values.sort_unstable();
    hash(&values)
}

fn subject(row: &api::SubjectInput) -> HashMap<String, String> {
    let pairs = [
        ("uscc", row.uscc.clone()),
        ("name", row.name.clone()),
        ("kind", row.kind.clone()),
        ("industry", row.industry.clone()),
        ("region", row.region.clone()),
        ("domains", row.domains.join(",")),
        ("registeredOn", row.registered_on.clone()),
        ("status", row.status.clone()),
    ];
    pairs.map(|(target, text)| (target.to_owned(), text)).into()
}

fn record(row: &api::RecordInput) -> HashMap<String, String> {
    let severity = if row.severity == 0 { String::new() } else { row.severity.to_string() };
    let pairs = [
        ("uscc", row.uscc.clone()),
        ("item", row.item.clone()),
        ("sourceId", row.source_id.clone()),
        ("occurredOn", row.occurred_on.clone()),
        ("validUntil", row.valid_until.clone()),
        ("amount", row.amount.clone()),
        ("severity", severity),
    ];
    let mut values: HashMap<String, String> = pairs.map(|(target, text)| (target.to_owned(), text)).into();
    for (key, value) in row.fields.iter().flat_map(|fields| &fields.fields) {
        let text = match &value.kind {
            Some(Kind::StringValue(text)) => text.clone(),
            Some(Kind::BoolValue(flag)) => flag.to_string(),
            _ => String::new(),
        };
        values.insert(format!("fields.{key}"), text);
    }
    values
}
