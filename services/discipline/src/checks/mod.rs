//! The check 信用核查: one code or ten thousand, answered from memory.
mod index;
mod sieve;
mod standing;

use std::{cell::OnceCell, sync::Arc};

use chassis::{Answer, Context, Fault, clock::wire, language::Language, language::Text, validation};
use contract::{Encoded, discipline::v1 as api};
use futures::{StreamExt, stream::BoxStream};
use identifiers::{CodeFault, CodeStatus, Uscc};
use jiff::{Timestamp, civil::Date};
use tonic::{Status, Streaming};

use self::{
    index::{Entry, First, Ground},
    standing::State,
};
use crate::{Discipline, bases, looks::Look, measures};

pub use standing::Standing;

/// Checks subjects.
pub async fn check(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::CheckSubjectsRequest,
) -> Answer<api::CheckSubjectsResponse> {
    let whole = |results: Results<'_>, as_of| api::CheckSubjectsResponse {
        results: results.collect(),
        as_of: Some(wire(as_of)),
    };
    answer(app, context, request, whole).await
}

type Results<'a> = &'a mut dyn Iterator<Item = api::CheckResult>;

// Answers by what `told` makes of the results and the instant of which they are.
async fn answer<T>(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::CheckSubjectsRequest,
    told: impl FnOnce(Results<'_>, Timestamp) -> T,
) -> Answer<T> {
    let purpose = context.purpose(&request.purpose)?;
    app.standing.current(&request.min_position).await?;
    let mut subjects = Vec::with_capacity(request.uscc.len());
    let (business, nonconforming) = (request.business(), request.accept_nonconforming);
    let codes: Vec<_> = request.uscc.iter().map(|sent| Uscc::parse_tolerant(sent)).collect();
    let answer = {
        let state = app.standing.read();
        let firsts = state.index.firsts(codes.iter().map(|code| Some(code.as_ref().ok()?.0)));
        let asker = Asker::new(context, business, &state);
        let mut results = request.uscc.into_iter().zip(codes.into_iter().zip(firsts)).map(
            |(sent, (code, first))| match code
                .and_then(|(code, status)| asker.trusted(code, first, nonconforming, status))
            {
                Ok(code) => {
                    subjects.push(code);
                    asker.result(sent, &code, first)
                }
                Err(fault) => refused(sent, &fault, context.language),
            },
        );
        told(&mut results, state.as_of)
    };
    app.looks.tell(Look::of(context, purpose, subjects)).await?;
    Ok(answer)
}

// So many questions of a stream are worked on at once: some are answered while the answers before them leave.
const AHEAD: usize = 4;

/// Checks in a stream: one answer a question, in the order asked. A question that can't be answered ends it.
pub fn stream(
    app: &Arc<Discipline>,
    context: &Context,
    questions: Streaming<Encoded<api::CheckSubjectsRequest>>,
) -> Answer<BoxStream<'static, Result<Encoded<api::CheckSubjectsResponse>, Status>>> {
    let (app, context) = (app.clone(), context.clone());
    let stopping = context.stopping.clone();
    let answers = questions.take_until(stopping.cancelled_owned()).map(move |question| {
        // Each question has its own instant, as if it were a call of its own.
        let context = Context { now: app.clock.now(), ..context.clone() };
        let language = context.language;
        // Read, answered and written by one task: memory goes back where it came from, and the connection's task only passes bytes on.
        let answer = tokio::spawn(one_of_stream(app.clone(), context, question));
        async move { answer.await.unwrap_or_else(|error| Err(Fault::internal(error).into_status(language))) }
    });
    Ok(answers.buffered(AHEAD).boxed())
}

async fn one_of_stream(
    app: Arc<Discipline>,
    context: Context,
    question: Result<Encoded<api::CheckSubjectsRequest>, Status>,
) -> Result<Encoded<api::CheckSubjectsResponse>, Status> {
    let answered = match validation::read(&question?) {
        Ok(question) => answer(&app, &context, question, written).await,
        Err(fault) => Err(fault),
    };
    answered.map_err(|fault| fault.into_status(context.language))
}

// So many results stay near the processor from when they are made until they are written.
const WRITTEN: usize = 64;

// Writes results while they are made.
fn written(results: Results<'_>, as_of: Timestamp) -> Encoded<api::CheckSubjectsResponse> {
    let mut encoded =
        Encoded::of(&api::CheckSubjectsResponse { results: Vec::new(), as_of: Some(wire(as_of)) });
    let mut part = api::CheckSubjectsResponse { results: Vec::with_capacity(WRITTEN), as_of: None };
    loop {
        part.results.clear();
        part.results.extend(Iterator::take(&mut *results, WRITTEN));
        if part.results.is_empty() {
            return encoded;
        }
        encoded.append(&part);
    }
}

fn refused(sent: String, fault: &CodeFault, language: Language) -> api::CheckResult {
    let text = Text::new(fault.message_en(), fault.message_zh());
    let error = api::CheckError { reason: fault.reason().to_owned(), message: text.get(language).to_owned() };
    api::CheckResult { uscc: sent, error: Some(error), ..Default::default() }
}

// Who asks, for what, of which state; what follows from a ground for the asker is found out once.
struct Asker<'a> {
    context: &'a Context,
    today: Date,
    business: api::Business,
    state: &'a State,
    follows: Vec<OnceCell<Follows<'a>>>,
}

// A ground's list, and the measures that follow from it for the asker.
struct Follows<'a> {
    list: Option<&'a api::List>,
    measures: Vec<&'a api::Measure>,
}

impl<'a> Asker<'a> {
    fn new(context: &'a Context, business: api::Business, state: &'a State) -> Self {
        let follows = state.index.grounds().iter().map(|_| OnceCell::new()).collect();
        Self { context, today: context.today(), business, state, follows }
    }

    // A code whose check fails is trusted where the caller says so, or where it is on file.
    fn trusted(
        &self,
        code: Uscc,
        first: First,
        nonconforming: bool,
        status: CodeStatus,
    ) -> Result<Uscc, CodeFault> {
        let trusted = status == CodeStatus::Conforming
            || nonconforming
            || !self.state.index.counting(first, self.today).is_empty();
        if trusted { Ok(code) } else { Err(CodeFault::CheckFailed) }
    }

    fn result(&self, sent: String, code: &Uscc, first: First) -> api::CheckResult {
        let (mut listings, mut measures) = (Vec::new(), Vec::<api::BindingMeasure>::new());
        for entry in self.state.index.counting(first, self.today) {
            let id = entry.listing();
            let ground = &self.state.index.grounds()[entry.ground()];
            let Follows { list, measures: follow } =
                self.follows[entry.ground()].get_or_init(|| self.follows(ground));
            for measure in follow {
                let place = measures.binary_search_by(|known| known.measure_id.cmp(&measure.measure_id));
                match place {
                    Ok(at) => measures[at].listings.push(id.clone()),
                    Err(at) => measures.insert(at, binding(measure, id.clone())),
                }
            }
            listings.push(listing(entry, ground, *list, id));
        }
        let uscc = if sent == code.as_str() { sent } else { code.to_string() };
        api::CheckResult { uscc, listings, measures, error: None }
    }

    fn follows(&self, ground: &Ground) -> Follows<'a> {
        let list = self.state.wordings.lists.get(&ground.list);
        let decided = |id: &&String| ground.measures.as_ref().is_none_or(|decided| decided.contains(id));
        let follow = list.into_iter().flat_map(|list| &list.measures).filter(decided);
        let follow = follow.filter_map(|id| self.state.wordings.measures.get(id));
        Follows { list, measures: follow.filter(|measure| self.binds(measure)).collect() }
    }

    // The credit office sees what each department must do.
    fn binds(&self, measure: &api::Measure) -> bool {
        let caller = &self.context.caller;
        let bears = self.business == api::Business::Unspecified
            || measure.businesses.is_empty()
            || measure.businesses().any(|business| business == self.business);
        bears
            && bases::usable(measure, self.today)
            && (caller.is_office() || measures::binds(measure, caller.department()))
    }
}

fn binding(measure: &api::Measure, listing: String) -> api::BindingMeasure {
    api::BindingMeasure {
        measure_id: measure.measure_id.clone(),
        name: measure.name.clone(),
        group: measure.group.clone(),
        legal_basis: measure.legal_basis.clone(),
        listings: vec![listing],
    }
}

fn listing(entry: &Entry, ground: &Ground, list: Option<&api::List>, id: String) -> api::CheckedListing {
    api::CheckedListing {
        list_id: ground.list.0.clone(),
        name: list.map(|list| list.name.clone()).unwrap_or_default(),
        kind: list.map(|list| list.kind).unwrap_or_default(),
        until: entry.until().map(|day| day.to_string()).unwrap_or_default(),
        listing: id,
        under_objection: entry.under_objection(),
    }
}
