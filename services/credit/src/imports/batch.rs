//! A batch of a file's rows, judged and written in the caller's transaction.
use std::collections::{HashMap, HashSet};

use chassis::{Answer, Tx, fault::Violation, language::Text};
use contract::credit::v1 as api;
use identifiers::uscc;
use jiff::Timestamp;

use super::{
    cells::{self, RecordRow},
    layout::Layout,
    link,
    plan::Plan,
    rows,
    sheet::Line,
};
use crate::{outcomes::Verdict, records, subjects};

/// What was read of rows, in the contract's form.
pub enum Inputs {
    /// Subjects.
    Subjects(Vec<api::SubjectInput>),
    /// Records.
    Records(Vec<api::RecordInput>),
}

/// How the rows of a batch end.
pub struct Taken {
    /// How each row ends.
    pub verdicts: Vec<Verdict>,
    /// What was read of those that could be read.
    pub inputs: Inputs,
    /// Where each row's input stands among them.
    pub places: Vec<Option<usize>>,
    /// Of each row, why its name was taken for a subject's that is written otherwise.
    pub linked: Vec<Option<Text>>,
}

/// Takes rows in.
pub async fn take(tx: &Tx, now: Timestamp, plan: &Plan, layout: &Layout, lines: &[Line]) -> Answer<Taken> {
    if plan.records {
        return take_records(tx, now, plan, layout, lines).await;
    }
    let read = lines
        .iter()
        .map(|line| cells::sound(layout, &line.cells).map(|()| cells::subject(layout, plan, &line.cells)));
    let (inputs, places, refusals) = split(read);
    let verdicts = merge(subjects::take(tx, now, &inputs).await?, refusals);
    let linked = vec![None; verdicts.len()];
    Ok(Taken { verdicts, inputs: Inputs::Subjects(inputs), places, linked })
}

async fn take_records(
    tx: &Tx,
    now: Timestamp,
    plan: &Plan,
    layout: &Layout,
    lines: &[Line],
) -> Answer<Taken> {
    let read = |line: &Line| {
        cells::sound(layout, &line.cells).and_then(|()| cells::record(layout, plan, &line.cells))
    };
    let mut found: Vec<Result<RecordRow, Violation>> = lines.iter().map(read).collect();
    let linked = link::link(tx, &mut found).await?;
    for (line, row) in lines.iter().zip(&mut found) {
        if let Ok(row) = row
            && row.input.source_id.is_empty()
            && let Some(number) = cells::made_number(layout, &line.cells, &row.input)
        {
            row.input.source_id = number;
        }
    }
    let (mut inputs, places, refusals) = split(found.into_iter().map(|row| row.map(|row| row.input)));
    let mut verdicts = records::take(tx, now, &plan.submitter(), &inputs).await?;
    if layout.has("decisionNumber") || layout.template.is_some() {
        share_numbers(tx, now, plan, &mut inputs, &mut verdicts).await?;
    }
    let verdicts = merge(verdicts, refusals);
    Ok(Taken { verdicts, inputs: Inputs::Records(inputs), places, linked })
}

// One decision may be about several parties: to each but the first, the decision's number is known with the party's code behind it.
async fn share_numbers(
    tx: &Tx,
    now: Timestamp,
    plan: &Plan,
    inputs: &mut [api::RecordInput],
    verdicts: &mut [Verdict],
) -> Answer<()> {
    let reused = api::ErrorReason::SourceIdReused.as_str_name();
    let clashing: Vec<usize> = (0..verdicts.len())
        .filter(
            |&place| matches!(&verdicts[place], Verdict::Refused(violation) if violation.reason == reused),
        )
        .collect();
    let mut numbers: HashMap<&str, HashSet<&str>> = HashMap::new();
    for &place in &clashing {
        numbers.entry(&inputs[place].item).or_default().insert(inputs[place].source_id.trim());
    }
    let mut holders = HashMap::new();
    for (item, numbers) in numbers {
        let numbers: Vec<&str> = numbers.into_iter().collect();
        for (number, code) in rows::holders(tx, &plan.department, item, &numbers).await? {
            holders.insert((item.to_owned(), number), code);
        }
    }
    let mut again = Vec::new();
    for place in clashing {
        let input = &mut inputs[place];
        let code = uscc::normalise(&input.uscc);
        let holder = holders.get(&(input.item.clone(), input.source_id.trim().to_owned()));
        if holder.is_some_and(|holder| *holder != code) {
            input.source_id = format!("{}/{code}", input.source_id.trim());
            again.push((place, input.clone()));
        }
    }
    if again.is_empty() {
        return Ok(());
    }
    let (places, shared): (Vec<usize>, Vec<api::RecordInput>) = again.into_iter().unzip();
    let taken = records::take(tx, now, &plan.submitter(), &shared).await?;
    for (place, verdict) in places.into_iter().zip(taken) {
        verdicts[place] = verdict;
    }
    Ok(())
}

type Split<T> = (Vec<T>, Vec<Option<usize>>, Vec<Option<Violation>>);

// The rows that can be judged, where each of them stands, and the refusals of those that can't.
fn split<T>(rows: impl Iterator<Item = Result<T, Violation>>) -> Split<T> {
    let (mut inputs, mut places, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        match row {
            Ok(input) => {
                places.push(Some(inputs.len()));
                inputs.push(input);
                refusals.push(None);
            }
            Err(violation) => {
                places.push(None);
                refusals.push(Some(violation));
            }
        }
    }
    (inputs, places, refusals)
}

fn merge(verdicts: Vec<Verdict>, refusals: Vec<Option<Violation>>) -> Vec<Verdict> {
    let mut verdicts = verdicts.into_iter();
    refusals
        .into_iter()
        .filter_map(|refusal| refusal.map_or_else(|| verdicts.next(), |r| Some(Verdict::Refused(r))))
        .collect()
}
