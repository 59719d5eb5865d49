//! How the cases of a list go 认定程序: read from its wording, where that says nothing as the contract's example goes. Pure.
use calendar::{Calendar, Term};
use contract::discipline::v1::{
    Consequences, List, Procedure, ProcedureRequirement, ProcedureTerm, case::State, procedure::Hearing,
    step::Kind,
};
use jiff::{ToSpan, civil::Date};

// 民事诉讼法: a paper counts as served thirty days after its announcement. From memory, which is why a list's wording may say otherwise.
const ANNOUNCED: Days = Days { count: 30, calendar: true };

/// A length of time in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// How many.
    pub count: u16,
    /// Whether they are calendar days 自然日; else working days.
    pub calendar: bool,
}

impl Days {
    /// Working days.
    pub fn working(count: u16) -> Self {
        Self { count, calendar: false }
    }

    fn of(term: Option<&ProcedureTerm>) -> Option<Self> {
        let term = term?;
        let count = u16::try_from(term.days).ok().filter(|count| *count > 0)?;
        Some(Self { count, calendar: term.calendar_days })
    }

    /// When it ends. Its first day is not counted; calendar days that would end on a day off end with the next working day.
    pub fn end(self, calendar: &Calendar, start: Date) -> Term {
        if !self.calendar {
            return calendar.add_working_days(start, self.count);
        }
        let mut last_day = start.checked_add(i64::from(self.count).days()).unwrap_or(Date::MAX);
        while self.count > 0 && !calendar.is_working_day(last_day) && last_day < Date::MAX {
            last_day = last_day.tomorrow().unwrap_or(Date::MAX);
        }
        let published = calendar.published_through().is_some_and(|year| last_day.year() <= year);
        Term { last_day, provisional: !published }
    }
}

/// A term by which the department is measured, and what sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How long.
    pub days: Days,
    /// The rule.
    pub basis: String,
}

/// How a list's cases go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The term for the defence.
    pub defence: Days,
    /// Whether a hearing may be asked for.
    pub hearing: Hearing,
    /// Within which time.
    pub hearing_request: Option<Days>,
    /// How long before it the call has to be.
    pub hearing_notice: Option<Days>,
    /// Whether statements have to be answered.
    pub answer: bool,
    /// Whether the legality has to be reviewed.
    pub legal_review: bool,
    /// For how long a proposal is publicised in the notice's place; none where a notice is served.
    pub publicity: Option<Days>,
    /// After which time of its announcement a paper counts as served.
    pub announcement: Days,
    /// What the list lets follow at most.
    pub consequences: Consequences,
    /// By when it has to be decided, served, published.
    pub limits: [Option<Limit>; 3],
}

impl Course {
    /// Reads it from a wording.
    pub fn of(list: &List) -> Self {
        let absent = Procedure::default();
        let procedure = list.procedure.as_ref().unwrap_or(&absent);
        let asked = |requirement: &Option<ProcedureRequirement>| {
            requirement.as_ref().is_some_and(|requirement| requirement.required)
        };
        let limit = |term: &Option<ProcedureTerm>| {
            let basis = term.as_ref().map(|term| term.basis.clone()).unwrap_or_default();
            Days::of(term.as_ref()).map(|days| Limit { days, basis })
        };
        let working = u16::try_from(list.defence_working_days).unwrap_or_default();
        let publicity = Days::of(procedure.publicity_term.as_ref()).unwrap_or(Days::working(0));
        Self {
            defence: Days::of(procedure.defence.as_ref()).unwrap_or(Days::working(working)),
            hearing: procedure.hearing(),
            hearing_request: Days::of(procedure.hearing_request.as_ref()),
            hearing_notice: Days::of(procedure.hearing_notice.as_ref()),
            answer: asked(&procedure.answer),
            legal_review: asked(&procedure.legal_review),
            publicity: asked(&procedure.publicity).then_some(publicity),
            announcement: Days::of(procedure.announcement.as_ref()).unwrap_or(ANNOUNCED),
            consequences: Consequences {
                publication_months: list.publication_months,
                measures: list.measures.clone(),
            },
            limits: [limit(&procedure.decision), limit(&procedure.service), limit(&procedure.publication)],
        }
    }

    /// By when a case in a state has to be taken further: the step, its term's end and the rule. The decision counts from the proposal, its service
    /// from the decision, the publication from the decision or, where it was announced, from the day on which that counts as service.
    pub fn due(&self, state: State, days: Passed, calendar: &Calendar) -> Option<(Kind, Term, &str)> {
        let [decision, service, publication] = &self.limits;
        let (step, limit, from) = match state {
            State::Proposed | State::Notified | State::Defended | State::Heard => {
                (Kind::Decide, decision, days.proposed)
            }
            State::Decided => (Kind::Serve, service, days.decided),
            State::Served => (Kind::Publish, publication, days.announced.or(days.decided)),
            State::Listed | State::Dropped | State::Unspecified => return None,
        };
        let (limit, from) = (limit.as_ref()?, from?);
        Some((step, limit.days.end(calendar, from), &limit.basis))
    }
}

/// The days from which terms count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passed {
    /// Of the proposal.
    pub proposed: Option<Date>,
    /// Of the decision.
    pub decided: Option<Date>,
    /// On which the announced decision counts as served.
    pub announced: Option<Date>,
}

/// Whether what follows is no more than something else: no longer, and no other measures.
pub fn within(what: &Consequences, most: &Consequences) -> bool {
    let months = (what.publication_months, most.publication_months);
    let no_longer = months.1 == 0 || (months.0 > 0 && months.0 <= months.1);
    no_longer && what.measures.iter().all(|measure| most.measures.contains(measure))
}

/// What contradicts itself in a wording, in English and Chinese.
pub fn contradiction(list: &List) -> Option<(&'static str, &'static str, &'static str)> {
    let procedure = list.procedure.as_ref()?;
    let set = |term: &Option<ProcedureTerm>| Days::of(term.as_ref()).is_some();
    let publicised = procedure.publicity.as_ref().is_some_and(|publicity| publicity.required);
    let punitive = list.kind() != contract::discipline::v1::list::Kind::Reward;
    if publicised && punitive {
        let en = "a punitive list's proposals are notified to the subject, never publicised";
        return Some(("publicity", en, "惩戒名单应事先告知当事人，不得在决定前公示"));
    }
    if set(&procedure.publicity_term) && !publicised {
        return Some((
            "publicityTerm",
            "is a term without the publicity; require that",
            "未要求公示，却设公示期限",
        ));
    }
    if Hearing::try_from(procedure.hearing).is_err() {
        return Some(("hearing", "is ON_REQUEST or NONE, or left out", "应为 ON_REQUEST 或 NONE，或者不填"));
    }
    let terms = set(&procedure.hearing_request) || set(&procedure.hearing_notice);
    if terms && procedure.hearing() != Hearing::OnRequest {
        return Some((
            "hearing",
            "is ON_REQUEST where its terms are set",
            "设有听证期限的，听证应为 ON_REQUEST",
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use contract::discipline::v1::list::Kind as ListKind;
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_list_without_a_procedure_goes_as_it_always_did() {
        let list = List { defence_working_days: 5, publication_months: 36, ..Default::default() };
        let course = Course::of(&list);
        assert_eq!(course.defence, Days::working(5));
        assert_eq!((course.hearing, course.hearing_request), (Hearing::Unspecified, None));
        assert!(!course.answer && !course.legal_review && course.publicity.is_none());
        assert_eq!(course.announcement, ANNOUNCED);
        assert_eq!(course.limits, [None, None, None]);
    }

    #[test]
    fn calendar_days_that_end_on_a_day_off_end_with_the_next_working_day() {
        let national = Calendar::national();
        let end = |days: u16, from| Days { count: days, calendar: true }.end(national, from);
        // 2026-02-13 and five days: 18 February lies in the Spring Festival, which ends with the 23rd.
        assert_eq!(end(5, date(2026, 2, 13)).last_day, date(2026, 2, 24));
        assert_eq!(end(5, date(2026, 3, 2)).last_day, date(2026, 3, 9));
        assert_eq!(end(4, date(2026, 3, 2)).last_day, date(2026, 3, 6));
        assert!(end(30, date(2031, 3, 3)).provisional && !end(4, date(2026, 3, 2)).provisional);
        assert_eq!(Days::working(5).end(national, date(2026, 2, 13)).last_day, date(2026, 2, 27));
    }

    #[test]
    fn what_follows_is_compared_by_time_and_measures() {
        let of = |publication_months, measures: &[&str]| Consequences {
            publication_months,
            measures: measures.iter().map(|&measure| measure.into()).collect(),
        };
        for (what, most, holds) in [
            (of(36, &["a"]), of(36, &["a", "b"]), true),
            (of(24, &[]), of(36, &["a"]), true),
            (of(37, &["a"]), of(36, &["a"]), false),
            (of(0, &["a"]), of(36, &["a"]), false),
            (of(12, &["a"]), of(0, &["a"]), true),
            (of(0, &[]), of(0, &[]), true),
            (of(12, &["c"]), of(36, &["a"]), false),
        ] {
            assert_eq!(within(&what, &most), holds, "{what:?} {most:?}");
        }
    }

    #[test]
    fn terms_count_from_their_own_days() {
        let term = |days| Some(ProcedureTerm { days, basis: format!("第{days}条"), ..Default::default() });
        let procedure = Procedure {
            decision: Some(ProcedureTerm { days: 90, calendar_days: true, ..Default::default() }),
            service: term(7),
            publication: term(20),
            ..Default::default()
        };
        let course = Course::of(&List { procedure: Some(procedure), ..Default::default() });
        let days = Passed {
            proposed: Some(date(2026, 3, 2)),
            decided: Some(date(2026, 4, 1)),
            announced: Some(date(2026, 5, 6)),
        };
        let due = |state, days| {
            let found = course.due(state, days, Calendar::national());
            found.map(|(step, term, basis)| (step, term.last_day, basis.to_owned()))
        };
        // Ninety days after 2 March is Sunday, 31 May.
        assert_eq!(due(State::Heard, days), Some((Kind::Decide, date(2026, 6, 1), String::new())));
        // Seven working days, Qingming (4 to 6 April) left out.
        assert_eq!(due(State::Decided, days), Some((Kind::Serve, date(2026, 4, 13), "第7条".into())));
        let announced = due(State::Served, days).expect("a term").1;
        let direct = due(State::Served, Passed { announced: None, ..days }).expect("a term").1;
        assert!(direct < announced && announced > date(2026, 5, 30), "{direct} {announced}");
        assert_eq!(due(State::Listed, days), None);
    }

    #[test]
    fn a_procedure_that_contradicts_itself_is_told() {
        let required = Some(ProcedureRequirement { required: true, ..Default::default() });
        let term = Some(ProcedureTerm { days: 5, ..Default::default() });
        let told = |kind: ListKind, procedure: Procedure| {
            let list = List { kind: kind.into(), procedure: Some(procedure), ..Default::default() };
            contradiction(&list).map(|(field, _, _)| field)
        };
        let publicised = Procedure { publicity: required.clone(), ..Default::default() };
        assert_eq!(told(ListKind::Punitive, publicised.clone()), Some("publicity"));
        assert_eq!(told(ListKind::Reward, publicised), None);
        let bare = Procedure { publicity_term: term.clone(), ..Default::default() };
        assert_eq!(told(ListKind::Reward, bare), Some("publicityTerm"));
        let heard = Procedure { hearing_notice: term, ..Default::default() };
        assert_eq!(told(ListKind::Punitive, heard.clone()), Some("hearing"));
        let strange = Procedure { hearing: 9, ..Default::default() };
        assert_eq!(told(ListKind::Punitive, strange), Some("hearing"));
        let heard = Procedure { hearing: Hearing::OnRequest.into(), ..heard };
        assert_eq!(told(ListKind::Punitive, heard), None);
    }
}
