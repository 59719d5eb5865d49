//! The procedure 认定程序 as a state machine: which step may follow, and not before which day. Pure.
use calendar::Calendar;
use contract::discipline::v1::{
    Step,
    case::{Outcome, State},
    step::Kind,
};
use jiff::civil::Date;

/// Where a case stands, and by what terms it goes.
pub struct Standing<'a> {
    /// The state.
    pub state: State,
    /// The steps so far, the proposal first.
    pub steps: &'a [Step],
    /// Whether the subject has asked for a hearing.
    pub hearing_requested: bool,
    /// The list's term for the defence.
    pub defence_working_days: u16,
    /// The calendar of the subject's region.
    pub calendar: &'a Calendar,
}

/// The first day of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earliest {
    /// The day.
    pub on: Date,
    /// Whether a calendar that is not published yet may move it.
    pub provisional: bool,
}

/// Why a step can't be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not follow from the state.
    OutOfOrder,
    /// The defence's term still runs.
    TooEarly(Earliest),
    /// It is dated before the step that it follows.
    BeforePrevious(Date),
    /// It is dated after today.
    InFuture(Date),
    /// Who proposed the case wants to decide it.
    DeciderIsProposer,
}

impl Standing<'_> {
    /// The steps that may follow in this state, as soon as their terms allow (list_procedure: 告知、陈述申辩、听证、决定、送达、公示).
    pub fn next_steps(&self) -> Vec<Kind> {
        match self.state {
            State::Proposed => vec![Kind::Notify, Kind::Drop],
            State::Notified => vec![Kind::RecordDefence, Kind::WaiveDefence, Kind::Decide, Kind::Drop],
            State::Defended => {
                let mut steps = vec![];
                // Within the term a statement may be added to; a waiver ends it.
                if self.waived_on().is_none() {
                    steps.extend([Kind::RecordDefence, Kind::WaiveDefence]);
                }
                steps.push(Kind::HoldHearing);
                // 行政处罚法 第六十三条: a hearing that was asked for is held before the decision.
                if !self.hearing_requested {
                    steps.push(Kind::Decide);
                }
                steps.push(Kind::Drop);
                steps
            }
            State::Heard => vec![Kind::Decide, Kind::Drop],
            State::Decided => vec![Kind::Serve],
            State::Served => vec![Kind::Publish],
            State::Listed | State::Dropped | State::Unspecified => vec![],
        }
    }

    /// The first day of a decision: the calendar day after the defence's term, which a statement made earlier does not
    /// shorten (行政处罚法 第四十五条), or the day of the subject's waiver if that is sooner. None before the notice.
    pub fn earliest_decision(&self) -> Option<Earliest> {
        let notified = self.day_of(Kind::Notify)?;
        let after_term = match self.defence_working_days {
            // No term to wait for.
            0 => Earliest { on: notified, provisional: false },
            days => {
                let term = self.calendar.add_working_days(notified, days);
                Earliest { on: term.possible_from(), provisional: term.provisional }
            }
        };
        Some(match self.waived_on() {
            Some(waived) if waived < after_term.on => Earliest { on: waived, provisional: false },
            _ => after_term,
        })
    }

    /// Whether a step may be taken on a day.
    pub fn judge(&self, step: Kind, on: Date, today: Date) -> Result<(), Refusal> {
        if !self.next_steps().contains(&step) {
            return Err(Refusal::OutOfOrder);
        }
        if step == Kind::Decide
            && let Some(earliest) = self.earliest_decision()
            && (on < earliest.on || today < earliest.on)
        {
            return Err(Refusal::TooEarly(earliest));
        }
        if on > today {
            return Err(Refusal::InFuture(today));
        }
        match self.previous() {
            Some(previous) if on < previous => Err(Refusal::BeforePrevious(previous)),
            _ => Ok(()),
        }
    }

    /// Whether an officer may take it: who proposed the case does not decide it.
    pub fn judge_by(
        &self,
        step: Kind,
        (by, proposer): (&str, &str),
        on: Date,
        today: Date,
    ) -> Result<(), Refusal> {
        self.judge(step, on, today)?;
        if step == Kind::Decide && by == proposer { Err(Refusal::DeciderIsProposer) } else { Ok(()) }
    }

    // A proposal is dated by the day of its entry here; the notice on paper may be older than that.
    fn previous(&self) -> Option<Date> {
        let last = self.steps.iter().rfind(|step| step.kind() != Kind::Propose)?;
        last.on.parse().ok()
    }

    fn waived_on(&self) -> Option<Date> {
        self.day_of(Kind::WaiveDefence)
    }

    fn day_of(&self, kind: Kind) -> Option<Date> {
        self.steps.iter().find(|step| step.kind() == kind)?.on.parse().ok()
    }
}

/// Where a case stands after a step.
pub fn after(step: Kind, outcome: Outcome) -> State {
    match step {
        Kind::Propose => State::Proposed,
        Kind::Notify => State::Notified,
        Kind::RecordDefence | Kind::WaiveDefence => State::Defended,
        Kind::HoldHearing => State::Heard,
        Kind::Decide if outcome == Outcome::List => State::Decided,
        Kind::Serve => State::Served,
        Kind::Publish => State::Listed,
        Kind::Decide | Kind::Drop => State::Dropped,
        Kind::Unspecified => State::Unspecified,
    }
}

/// Whether a step is done by a paper that has a number: notice, decision and its service (行政处罚法 第四十四、五十九、六十一条).
pub fn needs_document(step: Kind) -> bool {
    matches!(step, Kind::Notify | Kind::Decide | Kind::Serve)
}

/// The last day of a listing; none where the list sets no term.
pub fn until(from: Date, publication_months: i32) -> Option<Date> {
    match u32::try_from(publication_months) {
        Ok(0) | Err(_) => None,
        Ok(months) => Some(calendar::add_months(from, months)),
    }
}

/// What a step is called in the contract, and in Chinese.
pub fn called(step: Kind) -> (&'static str, &'static str) {
    match step {
        Kind::Unspecified | Kind::Propose => ("propose", "立案"),
        Kind::Notify => ("notify", "事先告知"),
        Kind::RecordDefence => ("recordDefence", "陈述申辩"),
        Kind::WaiveDefence => ("waiveDefence", "放弃陈述申辩"),
        Kind::HoldHearing => ("holdHearing", "听证"),
        Kind::Decide => ("decide", "认定决定"),
        Kind::Serve => ("serve", "送达"),
        Kind::Publish => ("publish", "列入公示"),
        Kind::Drop => ("drop", "撤案"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().expect("a date")
    }

    fn steps(done: &[(Kind, &str)]) -> Vec<Step> {
        let step =
            |&(kind, on): &(Kind, &str)| Step { kind: kind.into(), on: on.into(), ..Default::default() };
        done.iter().map(step).collect()
    }

    fn standing<'a>(state: State, steps: &'a [Step], hearing_requested: bool) -> Standing<'a> {
        Standing { state, steps, hearing_requested, defence_working_days: 5, calendar: Calendar::national() }
    }

    const TODAY: &str = "2026-03-31";

    #[test]
    fn the_contract_s_own_example() {
        let done = steps(&[(Kind::Propose, "2026-02-12"), (Kind::Notify, "2026-02-13")]);
        let case = standing(State::Notified, &done, false);
        let earliest = Earliest { on: day("2026-02-28"), provisional: false };
        assert_eq!(case.earliest_decision(), Some(earliest));
        let judge = |on, today| case.judge(Kind::Decide, day(on), day(today));
        assert_eq!(judge("2026-02-27", TODAY), Err(Refusal::TooEarly(earliest)));
        assert_eq!(judge("2026-02-28", "2026-02-27"), Err(Refusal::TooEarly(earliest)));
        assert_eq!(judge("2026-02-28", "2026-02-28"), Ok(()));
    }

    #[test]
    fn a_statement_does_not_shorten_the_term_and_a_waiver_ends_it() {
        let stated = steps(&[(Kind::Notify, "2026-02-13"), (Kind::RecordDefence, "2026-02-24")]);
        let case = standing(State::Defended, &stated, false);
        assert_eq!(case.earliest_decision().map(|earliest| earliest.on), Some(day("2026-02-28")));
        let waived = steps(&[(Kind::Notify, "2026-02-13"), (Kind::WaiveDefence, "2026-02-14")]);
        let case = standing(State::Defended, &waived, false);
        assert_eq!(case.earliest_decision().map(|earliest| earliest.on), Some(day("2026-02-14")));
        assert_eq!(case.judge(Kind::Decide, day("2026-02-14"), day("2026-02-14")), Ok(()));
        assert!(!case.next_steps().contains(&Kind::RecordDefence));
        // A waiver after the term changes nothing.
        let late = steps(&[(Kind::Notify, "2026-02-13"), (Kind::WaiveDefence, "2026-03-05")]);
        let case = standing(State::Defended, &late, false);
        assert_eq!(case.earliest_decision().map(|earliest| earliest.on), Some(day("2026-02-28")));
    }

    #[test]
    fn a_hearing_that_was_asked_for_comes_first() {
        let done = steps(&[(Kind::Notify, "2026-01-05"), (Kind::RecordDefence, "2026-01-06")]);
        let asked = standing(State::Defended, &done, true);
        assert_eq!(asked.judge(Kind::Decide, day("2026-03-01"), day(TODAY)), Err(Refusal::OutOfOrder));
        assert_eq!(asked.judge(Kind::HoldHearing, day("2026-01-20"), day(TODAY)), Ok(()));
        assert_eq!(
            standing(State::Heard, &done, true).judge(Kind::Decide, day("2026-03-01"), day(TODAY)),
            Ok(())
        );
    }

    #[test]
    fn every_state_takes_its_own_steps_only() {
        let every = [
            Kind::Notify,
            Kind::RecordDefence,
            Kind::WaiveDefence,
            Kind::HoldHearing,
            Kind::Decide,
            Kind::Serve,
            Kind::Publish,
            Kind::Drop,
        ];
        let done = steps(&[(Kind::Notify, "2026-01-05")]);
        for (state, allowed) in [
            (State::Proposed, vec![Kind::Notify, Kind::Drop]),
            (State::Notified, vec![Kind::RecordDefence, Kind::WaiveDefence, Kind::Decide, Kind::Drop]),
            (
                State::Defended,
                vec![Kind::RecordDefence, Kind::WaiveDefence, Kind::HoldHearing, Kind::Decide, Kind::Drop],
            ),
            (State::Heard, vec![Kind::Decide, Kind::Drop]),
            (State::Decided, vec![Kind::Serve]),
            (State::Served, vec![Kind::Publish]),
            (State::Listed, vec![]),
            (State::Dropped, vec![]),
        ] {
            let case = standing(state, &done, false);
            for step in every {
                let expected = if allowed.contains(&step) { Ok(()) } else { Err(Refusal::OutOfOrder) };
                assert_eq!(case.judge(step, day("2026-03-01"), day(TODAY)), expected, "{state:?} {step:?}");
            }
        }
    }

    #[test]
    fn days_go_forward_and_not_beyond_today() {
        let done = steps(&[(Kind::Propose, "2026-03-30"), (Kind::Notify, "2026-02-13")]);
        let case = standing(State::Notified, &done, false);
        let judge = |on| case.judge(Kind::RecordDefence, day(on), day(TODAY));
        assert_eq!(judge("2026-02-12"), Err(Refusal::BeforePrevious(day("2026-02-13"))));
        assert_eq!(judge("2026-02-13"), Ok(()));
        assert_eq!(judge("2026-04-01"), Err(Refusal::InFuture(day(TODAY))));
        // The notice may be older than the case's entry here.
        let fresh = steps(&[(Kind::Propose, "2026-03-30")]);
        assert_eq!(
            standing(State::Proposed, &fresh, false).judge(Kind::Notify, day("2026-02-13"), day(TODAY)),
            Ok(())
        );
    }

    #[test]
    fn terms_in_months_end_on_the_same_day_or_the_month_s_last() {
        assert_eq!(until(day("2026-02-28"), 36), Some(day("2029-02-28")));
        assert_eq!(until(day("2026-08-31"), 6), Some(day("2027-02-28")));
        assert_eq!(until(day("2026-08-31"), 0), None);
    }

    #[test]
    fn a_term_beyond_the_published_calendar_is_provisional() {
        let done = steps(&[(Kind::Notify, "2031-05-05")]);
        let earliest = standing(State::Notified, &done, false).earliest_decision().expect("a day");
        assert!(earliest.provisional);
    }
}
