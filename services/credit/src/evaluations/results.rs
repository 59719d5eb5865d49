//! Results 评价结果: each becomes a record, the same one however often it is sent; one that changed corrects it.
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use chassis::{Answer, Context, Tx, clock::micros, fault::Violation};
use contract::credit::v1::{self as api, record::Status};

use super::{
    decide, missing, office_only,
    rows::{self, List, Received},
    rules::{self, Judged},
};
use crate::{
    Credit, changes,
    outcomes::{self, Submitter, Verdict, refusal},
    records, scales,
};

// Results that are looked up and written together.
const BATCH: usize = 2_500;

/// Imports results.
pub async fn import(
    app: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::ImportEvaluationResultsRequest,
) -> Answer<api::ImportEvaluationResultsResponse> {
    office_only(context)?;
    let rows = request.results.into_iter().map(Ok).collect();
    take(app, context, tx, &request.evaluation_list_id, rows).await
}

/// Takes results of a list in, those of a file that could not be read among them.
pub async fn take(
    app: &Credit,
    context: &Context,
    tx: &Tx,
    id: &str,
    results: Vec<Result<api::EvaluationResultInput, Violation>>,
) -> Answer<api::ImportEvaluationResultsResponse> {
    let mut list = rows::get_for_update(tx, id).await?.ok_or_else(|| missing(id))?;
    let judge = |result: Result<_, _>| result.and_then(|result| rules::judge(&result, context.today()));
    let judged: Vec<_> = results.into_iter().map(judge).collect();
    let judged = graded(context, tx, &mut list, judged).await?;
    let mut intake = Intake { context, tx, list: &list, seen: HashMap::new(), corrected: 0 };
    let mut verdicts = Vec::with_capacity(judged.len());
    let mut judged = judged.into_iter().peekable();
    while judged.peek().is_some() {
        verdicts.extend(intake.take(judged.by_ref().take(BATCH).collect()).await?);
        tokio::task::yield_now().await;
    }
    let corrected = intake.corrected;
    let count = |end: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| end(verdict)).count();
    let taken = count(|end| matches!(end, Verdict::Accepted(_)));
    let (known, refused) =
        (count(|end| matches!(end, Verdict::Duplicate(_))), count(|end| matches!(end, Verdict::Refused(_))));
    if taken > 0 {
        rows::answered(tx, context.now, &list).await?;
        let detail = serde_json::json!({ "taken": taken, "corrected": corrected, "known": known, "refused": refused,
                                         "scale": list.scale_id, "scaleVersion": list.scale_version });
        decide(context, tx, "evaluation-results.imported", id, detail).await?;
    }
    let list = rows::get_for_update(tx, id).await?.ok_or_else(|| missing(id))?;
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    Ok(api::ImportEvaluationResultsResponse {
        outcomes: outcomes::wire(verdicts, context.language),
        accepted: number(taken - corrected),
        corrected: number(corrected),
        duplicates: number(known),
        rejected: number(refused),
        position: changes::position(&app.store, tx).await?,
        evaluation_list: Some(list.wire()),
    })
}

// Judges grades by the list's scale, which the first results tell where nobody named one.
async fn graded(
    context: &Context,
    tx: &Tx,
    list: &mut List,
    judged: Vec<Result<Judged, Violation>>,
) -> Answer<Vec<Result<Judged, Violation>>> {
    let in_force = scales::in_force(&**tx, &context.today().to_string()).await?;
    let scale = match list.scale_id.as_str() {
        "" => rules::told_by(&in_force, &judged).cloned(),
        // A list is answered by the scale that it was handed in under, though another came since.
        named => scales::named(&**tx, named).await?,
    };
    if let Some(scale) = &scale {
        list.scale_id.clone_from(&scale.scale_id);
        list.scale_version = scale.version;
    }
    let judge = |result: Judged| match &scale {
        Some(scale) => rules::graded(&result, scale).map(|()| result),
        None => Err(rules::no_scale(&result, &in_force)),
    };
    Ok(judged.into_iter().map(|result| result.and_then(judge)).collect())
}

// What a message brought of an enterprise and period so far: the result and how it ended.
type Seen = HashMap<(String, String), (Judged, Verdict)>;

/// Results on their way in.
struct Intake<'a> {
    context: &'a Context,
    tx: &'a Tx,
    list: &'a List,
    seen: Seen,
    corrected: usize,
}

// How a result goes on.
enum Way {
    Ended(Verdict),
    // A row of the batch's new records.
    New(Judged),
    Changed(Judged, Received),
    // As the same result of the message ended before.
    Again((String, String)),
}

impl Intake<'_> {
    async fn take(&mut self, judged: Vec<Result<Judged, Violation>>) -> Answer<Vec<Verdict>> {
        let codes: Vec<&str> = judged.iter().flatten().map(|result| result.uscc.as_str()).collect();
        let there = rows::on_list(&**self.tx, &self.list.list_id, &codes).await?;
        let known = rows::results(&**self.tx, &self.list.list_id, &codes).await?;
        let mut within: HashMap<(String, String), Judged> = HashMap::new();
        let ways: Vec<Way> =
            judged.into_iter().map(|result| self.way(result, &there, &known, &mut within)).collect();
        let mut fresh = self.submit(&ways).await?.into_iter();
        let mut received = Vec::new();
        let mut verdicts = Vec::with_capacity(ways.len());
        for way in ways {
            verdicts.push(match way {
                Way::Ended(verdict) => verdict,
                Way::Again(key) => match self.seen.get(&key) {
                    Some((_, Verdict::Accepted(record))) => Verdict::Duplicate(record.clone()),
                    Some((_, verdict)) => verdict.clone(),
                    None => Verdict::Refused(rules::said_twice(&key.1)),
                },
                Way::New(result) => {
                    let verdict =
                        fresh.next().unwrap_or_else(|| Verdict::Refused(rules::not_on_list(&result.uscc)));
                    self.note(result, verdict, "", &mut received)
                }
                Way::Changed(result, before) => {
                    let verdict = self.correct(&result, &before).await?;
                    self.note(result, verdict, &before.evaluated_on, &mut received)
                }
            });
        }
        if !received.is_empty() {
            rows::receive(self.tx, &self.list.list_id, &received).await?;
        }
        Ok(verdicts)
    }

    fn way(
        &self,
        result: Result<Judged, Violation>,
        there: &HashSet<String>,
        known: &HashMap<String, Vec<Received>>,
        within: &mut HashMap<(String, String), Judged>,
    ) -> Way {
        let result = match result {
            Ok(result) if there.contains(&result.uscc) => result,
            Ok(result) => return Way::Ended(Verdict::Refused(rules::not_on_list(&result.uscc))),
            Err(violation) => return Way::Ended(Verdict::Refused(violation)),
        };
        let key = (result.uscc.clone(), result.period.clone());
        if let Some(first) = self.seen.get(&key).map(|(first, _)| first).or_else(|| within.get(&key)) {
            if *first == result {
                return Way::Again(key);
            }
            return Way::Ended(Verdict::Refused(rules::said_twice(&result.period)));
        }
        let before =
            known.get(&result.uscc).into_iter().flatten().find(|before| before.period == result.period);
        match before {
            Some(before) if same(before, &result) => Way::Ended(Verdict::Duplicate(before.record.clone())),
            Some(before) => {
                within.insert(key, result.clone());
                Way::Changed(result, before.clone())
            }
            None => {
                within.insert(key, result.clone());
                Way::New(result)
            }
        }
    }

    // Submits what is new as records; their verdicts in its order.
    async fn submit(&self, ways: &[Way]) -> Answer<Vec<Verdict>> {
        let new = ways.iter().filter_map(|way| match way {
            Way::New(result) => Some(result),
            _ => None,
        });
        let rows: Vec<api::RecordInput> = new.map(|result| self.row(result)).collect();
        let submitter = Submitter::of(self.context)?;
        records::take(self.tx, self.context.now, &submitter, &rows).await
    }

    fn row(&self, result: &Judged) -> api::RecordInput {
        api::RecordInput {
            uscc: result.uscc.clone(),
            item: String::from(rules::ITEM),
            source_id: rules::source_id(&self.list.list_id, result),
            occurred_on: self.day(result, ""),
            fields: Some(rules::fields(result)),
            accept_nonconforming: true,
            ..Default::default()
        }
    }

    // The day of a result: as given, as it was before, else today.
    fn day(&self, result: &Judged, before: &str) -> String {
        match (result.evaluated_on.as_str(), before) {
            ("", "") => self.context.today().to_string(),
            ("", before) => before.to_owned(),
            (given, _) => given.to_owned(),
        }
    }

    // Notes how a result ended, to be kept.
    fn note(
        &mut self,
        result: Judged,
        verdict: Verdict,
        before: &str,
        received: &mut Vec<Received>,
    ) -> Verdict {
        if let Verdict::Accepted(record) | Verdict::Duplicate(record) = &verdict {
            received.push(Received {
                uscc: result.uscc.clone(),
                period: result.period.clone(),
                grade: result.grade.clone(),
                score: result.score.clone(),
                evaluated_on: self.day(&result, before),
                record: record.clone(),
                received_at: micros(self.context.now),
            });
        }
        if let Entry::Vacant(place) = self.seen.entry((result.uscc.clone(), result.period.clone())) {
            place.insert((result, verdict.clone()));
        }
        verdict
    }

    async fn correct(&mut self, result: &Judged, before: &Received) -> Answer<Verdict> {
        let present = records::held(self.tx, &before.record).await?;
        if present.record.status() != Status::Effective {
            let (record, status) = (&before.record, present.record.status().as_str_name());
            return Ok(Verdict::Refused(refusal(
                api::ErrorReason::RecordNotEffective,
                "uscc",
                format!(
                    "the result was taken in as record {record}, which is {status}; hand the enterprise in on a new list"
                ),
                format!("该结果已作为记录{record}入库，其状态为{status}；请在新名单中重新报送该主体"),
            )));
        }
        let day = self.day(result, &before.evaluated_on);
        let fields = rules::fields(result);
        // Somebody may have corrected the record so already.
        if present.record.occurred_on == day && present.record.fields.as_ref() == Some(&fields) {
            return Ok(Verdict::Duplicate(before.record.clone()));
        }
        let right =
            api::CorrectRecordRequest { occurred_on: Some(day), fields: Some(fields), ..Default::default() };
        let reason = format!("评价名单{}重新返回的结果", self.list.list_id);
        records::put_right(self.tx, self.context, &present, &right, &reason).await?;
        self.corrected += 1;
        Ok(Verdict::Accepted(before.record.clone()))
    }
}

// Whether a result says what was received before.
fn same(before: &Received, result: &Judged) -> bool {
    before.grade == result.grade
        && before.score == result.score
        && (result.evaluated_on.is_empty() || before.evaluated_on == result.evaluated_on)
}
