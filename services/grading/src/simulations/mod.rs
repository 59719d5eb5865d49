//! Simulation 模拟测算: a draft over the whole population beside the version in force, in batches, before anybody publishes it.
pub mod rows;
mod rules;
pub mod shadows;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx, async_trait,
    clock::wire,
    operations::{self, Job, Work, any},
    storage::corrupt,
};
use contract::{
    credit::v1::ListItemsResponse,
    google::longrunning::Operation,
    grading::v1::{self as api, Migration, Mover, Scheme, scheme::State},
};
use jiff::civil::Date;
use prost::Message;
use prost_types::Any;
use scoring::UNGRADED;

use self::rules::Comparison;
use crate::{
    Grading, catalogue,
    evaluation::evaluate,
    grades::day,
    schemes::{self, Version, measures, owned, rules::in_state},
    sheets::{self, Sheet},
};

const KIND: &str = "simulation";
const BATCH: usize = 2_000;
const TOP: i32 = 20;

/// What to simulate, as it lies in the operation: the draft as it was when it was asked for.
#[derive(Clone, PartialEq, Message)]
struct Task {
    #[prost(message, optional, tag = "1")]
    draft: Option<Scheme>,
    /// The part of the catalogue that the draft was judged against.
    #[prost(message, optional, tag = "2")]
    catalogue: Option<ListItemsResponse>,
    /// The version in force; 0: none.
    #[prost(int32, tag = "3")]
    compared: i32,
    #[prost(string, tag = "4")]
    as_of: String,
    #[prost(int32, tag = "5")]
    top: i32,
    #[prost(message, repeated, tag = "6")]
    percents_before: Vec<api::SupposedMeasure>,
    #[prost(message, repeated, tag = "7")]
    percents_after: Vec<api::SupposedMeasure>,
    #[prost(message, optional, tag = "8")]
    asked_at: Option<prost_types::Timestamp>,
}

/// How far a simulation is; as large as the matrix and the movers, whatever the population.
#[derive(Clone, PartialEq, Message)]
struct Checkpoint {
    #[prost(string, tag = "1")]
    after: String,
    #[prost(int32, tag = "2")]
    total: i32,
    #[prost(int32, tag = "3")]
    evaluated: i32,
    #[prost(message, repeated, tag = "4")]
    migration: Vec<Migration>,
    #[prost(message, repeated, tag = "5")]
    movers: Vec<Mover>,
}

/// Begins a simulation.
pub async fn create(
    _app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::SimulateSchemeRequest,
) -> Answer<Operation> {
    let versions = schemes::rows::versions(&**tx, &request.scheme).await?;
    let newest = versions.first().ok_or_else(|| schemes::unknown(&request.scheme))?;
    owned(context, newest)?;
    let as_of = day(&request.as_of, "asOf", context)?;
    let number = in_state(&versions, State::Draft).unwrap_or(newest).version;
    let (draft, catalogue) = schemes::rows::version(&**tx, &request.scheme, number)
        .await?
        .ok_or_else(|| schemes::unknown(&request.scheme))?;
    let compared = in_state(&versions, State::Published);
    let supposed = |measure: &api::Measure| api::SupposedMeasure {
        grade: measure.grade.clone(),
        sampling_percent: measure.sampling_percent,
    };
    let stored = measures::stored(&**tx, &request.scheme, context.today()).await?;
    let percents: Vec<_> = stored.iter().map(supposed).collect();
    let percents_after = if request.measures.is_empty() {
        percents.clone()
    } else {
        judge(&request.measures, &draft)?;
        request.measures
    };
    let task = Task {
        draft: Some(draft),
        catalogue: Some(catalogue),
        compared: compared.map_or(0, |version| version.version),
        as_of: as_of.to_string(),
        top: request.top.unwrap_or(TOP),
        percents_before: percents,
        percents_after,
        asked_at: Some(wire(context.now)),
    };
    operations::start(tx, context, KIND, &task, &metadata(&task, &Checkpoint::default())).await
}

fn judge(supposed: &[api::SupposedMeasure], draft: &Scheme) -> Answer<()> {
    let measure = |given: &api::SupposedMeasure| api::Measure {
        grade: given.grade.clone(),
        sampling_percent: given.sampling_percent,
        ..Default::default()
    };
    let measures: Vec<_> = supposed.iter().map(measure).collect();
    let violations = schemes::rules::judge_measures(&measures, &schemes::rules::grades_of([draft]));
    if violations.is_empty() { Ok(()) } else { Err(Fault::fields(violations)) }
}

fn metadata(task: &Task, at: &Checkpoint) -> api::SimulationMetadata {
    let draft = task.draft.as_ref();
    api::SimulationMetadata {
        scheme: draft.map(|draft| draft.scheme_id.clone()).unwrap_or_default(),
        version: draft.map_or(0, |draft| draft.version),
        compared_version: task.compared,
        as_of: task.as_of.clone(),
        progress: Some(api::SimulationProgress { total: at.total, evaluated: at.evaluated }),
        create_time: task.asked_at,
    }
}

/// Does simulations.
pub struct Simulator(pub Arc<Grading>);

#[async_trait]
impl Work for Simulator {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, job: &Job) -> Answer<Any> {
        let mut task = Task::decode(job.request.as_slice()).map_err(|error| corrupt("simulation", error))?;
        let mut at =
            Checkpoint::decode(job.checkpoint.as_slice()).map_err(|error| corrupt("checkpoint", error))?;
        let draft = task.draft.clone().unwrap_or_default();
        let items = task.catalogue.take().unwrap_or_default().items;
        let compiled = schemes::rules::compile(&draft, &catalogue::schemas(&items)).map_err(|problems| {
            corrupt("scheme", problems.first().map(ToString::to_string).unwrap_or_default())
        })?;
        let draft = Version::of(&draft.scheme_id, &draft, compiled);
        let present = match task.compared {
            0 => None,
            number => Some(self.0.versions.compiled(self.0.store.read(), &draft.scheme, number).await?),
        };
        let as_of = task.as_of.parse::<Date>().map_err(|error| corrupt("simulation", error))?;
        let mut comparison = comparison(present.as_deref(), &draft, task.top);
        comparison.movers = std::mem::take(&mut at.movers);
        for cell in std::mem::take(&mut at.migration) {
            comparison.migration.insert((cell.from, cell.to), cell.count);
        }
        if at.after.is_empty() {
            let total = sheets::rows::count(self.0.store.read(), &draft.domain).await?;
            at.total = i32::try_from(total).unwrap_or(i32::MAX);
        }
        while self
            .batch(
                job,
                &task,
                &mut at,
                &mut comparison,
                Pair { present: present.as_deref(), draft: &draft, as_of },
            )
            .await?
        {}
        Ok(any(&comparison.response(&percents(&task.percents_before), &percents(&task.percents_after))))
    }
}

fn percents(measures: &[api::SupposedMeasure]) -> Vec<(String, f64)> {
    measures.iter().map(|measure| (measure.grade.clone(), measure.sampling_percent)).collect()
}

fn comparison(present: Option<&Version>, draft: &Version, top: i32) -> Comparison {
    let order = |version: &Version| version.grades.iter().map(|(grade, _)| grade.clone()).collect();
    Comparison {
        before: present.map(order).unwrap_or_default(),
        after: order(draft),
        top: usize::try_from(top).unwrap_or_default(),
        ..Default::default()
    }
}

// What is compared, and as of when.
#[derive(Clone, Copy)]
struct Pair<'a> {
    present: Option<&'a Version>,
    draft: &'a Version,
    as_of: Date,
}

impl Simulator {
    // Evaluates the next subjects, each under both versions from one reading of its sheet; false at the end. Nothing is locked: feed
    // and runs go on meanwhile.
    async fn batch(
        &self,
        job: &Job,
        task: &Task,
        at: &mut Checkpoint,
        comparison: &mut Comparison,
        pair: Pair<'_>,
    ) -> Answer<bool> {
        let rows = sheets::rows::after(self.0.store.read(), &pair.draft.domain, &at.after, BATCH).await?;
        let Some(last) = rows.last().map(|row| row.uscc.clone()) else { return Ok(false) };
        for row in rows {
            let sheet = Sheet::read(row)?;
            at.evaluated += 1;
            comparison.count(compare(&sheet, pair)?);
        }
        at.after = last;
        let noted = Checkpoint {
            migration: comparison
                .migration
                .iter()
                .map(|((from, to), count)| Migration { from: from.clone(), to: to.clone(), count: *count })
                .collect(),
            movers: comparison.movers.clone(),
            ..at.clone()
        };
        let tx = self.0.store.begin().await?;
        job.progress(&tx, &metadata(task, at), &noted.encode_to_vec()).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn compare(sheet: &Sheet, pair: Pair<'_>) -> Answer<Mover> {
    let outcome = |version: Option<&Version>| {
        let row = version.and_then(|version| evaluate(sheet, version, pair.as_of));
        let score = crate::grades::score(row.as_ref().and_then(|row| row.score.as_deref()))?;
        Answer::Ok((row.map_or_else(|| UNGRADED.to_owned(), |row| row.grade), score))
    };
    let ((from, score_before), (to, score_after)) = (outcome(pair.present)?, outcome(Some(pair.draft))?);
    Ok(Mover {
        uscc: sheet.row.uscc.clone(),
        name: sheet.row.name.clone(),
        from,
        to,
        score_before,
        score_after,
    })
}
