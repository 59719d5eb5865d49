//! The check 信用核查: one code or ten thousand, answered from memory.
mod index;
mod standing;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{Answer, Context, clock::wire, language::Language, language::Text, validation};
use contract::discipline::v1 as api;
use futures::{StreamExt, stream::BoxStream};
use identifiers::{CodeFault, CodeStatus, Uscc};
use jiff::civil::Date;
use tonic::{Status, Streaming};

use self::{
    index::{Entry, Ground},
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
    let purpose = context.purpose(&request.purpose)?;
    app.standing.current(&request.min_position).await?;
    let mut subjects = Vec::with_capacity(request.uscc.len());
    let answer = {
        let state = app.standing.read();
        let asker = Asker { context, today: context.today(), business: request.business(), state: &state };
        let results = request.uscc.iter().map(|sent| match asker.code(sent, request.accept_nonconforming) {
            Ok(code) => {
                subjects.push(code);
                asker.result(&code)
            }
            Err(fault) => refused(sent, &fault, context.language),
        });
        api::CheckSubjectsResponse { results: results.collect(), as_of: Some(wire(state.as_of)) }
    };
    app.looks.tell(Look::of(context, purpose, subjects)).await?;
    Ok(answer)
}

/// Checks in a stream: one answer a question, in the order asked. A question that can't be answered ends it.
pub fn stream(
    app: &Arc<Discipline>,
    context: &Context,
    questions: Streaming<api::CheckSubjectsRequest>,
) -> Answer<BoxStream<'static, Result<api::CheckSubjectsResponse, Status>>> {
    let state = Some((app.clone(), context.clone(), questions));
    let answers = futures::stream::unfold(state, async |state| {
        let (app, mut context, mut questions) = state?;
        let question = tokio::select! {
            question = questions.message() => question,
            () = context.stopping.cancelled() => return None,
        };
        let question = match question {
            Ok(question) => question?,
            Err(status) => return Some((Err(status), None)),
        };
        // Each question has its own instant, as if it were a call of its own.
        context.now = app.clock.now();
        let answer = match validation::check(&question) {
            Ok(()) => check(&app, &context, question).await,
            Err(fault) => Err(fault),
        };
        match answer {
            Ok(answer) => Some((Ok(answer), Some((app, context, questions)))),
            Err(fault) => Some((Err(fault.into_status(context.language)), None)),
        }
    });
    Ok(answers.boxed())
}

fn refused(sent: &str, fault: &CodeFault, language: Language) -> api::CheckResult {
    let text = Text::new(fault.message_en(), fault.message_zh());
    let error = api::CheckError { reason: fault.reason().to_owned(), message: text.get(language).to_owned() };
    api::CheckResult { uscc: sent.to_owned(), error: Some(error), ..Default::default() }
}

// Who asks, for what, of which state.
struct Asker<'a> {
    context: &'a Context,
    today: Date,
    business: api::Business,
    state: &'a State,
}

impl Asker<'_> {
    // A code whose check fails is trusted where the caller says so, or where it is on file.
    fn code(&self, sent: &str, accept_nonconforming: bool) -> Result<Uscc, CodeFault> {
        let (code, status) = Uscc::parse_tolerant(sent)?;
        let trusted = status == CodeStatus::Conforming
            || accept_nonconforming
            || !self.state.index.find(&code, self.today).is_empty();
        if trusted { Ok(code) } else { Err(CodeFault::CheckFailed) }
    }

    fn result(&self, code: &Uscc) -> api::CheckResult {
        let found = self.state.index.find(code, self.today);
        let mut measures: BTreeMap<&str, api::BindingMeasure> = BTreeMap::new();
        for (entry, ground) in &found {
            let list = self.state.wordings.lists.get(&ground.list);
            let follow = list.into_iter().flat_map(|list| &list.measures);
            let decided = |id: &&String| ground.measures.as_ref().is_none_or(|decided| decided.contains(id));
            let follow = follow.filter(decided);
            let follow = follow.filter_map(|id| self.state.wordings.measures.get(id));
            for measure in follow.filter(|measure| self.binds(measure)) {
                let binding = measures.entry(&measure.measure_id).or_insert_with(|| api::BindingMeasure {
                    measure_id: measure.measure_id.clone(),
                    name: measure.name.clone(),
                    group: measure.group.clone(),
                    legal_basis: measure.legal_basis.clone(),
                    listings: vec![],
                });
                binding.listings.push(entry.listing());
            }
        }
        api::CheckResult {
            uscc: code.to_string(),
            listings: found.iter().map(|(entry, ground)| self.listing(entry, ground)).collect(),
            measures: measures.into_values().collect(),
            error: None,
        }
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

    fn listing(&self, entry: &Entry, ground: &Ground) -> api::CheckedListing {
        let list = self.state.wordings.lists.get(&ground.list);
        api::CheckedListing {
            list_id: ground.list.0.clone(),
            name: list.map(|list| list.name.clone()).unwrap_or_default(),
            kind: list.map(|list| list.kind).unwrap_or_default(),
            until: entry.until().map(|day| day.to_string()).unwrap_or_default(),
            listing: entry.listing(),
            under_objection: entry.under_objection(),
        }
    }
}
