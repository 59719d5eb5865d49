//! The procedure 认定程序 as a state machine: which step may follow, by whom, and not before which day. Pure.
use calendar::{Calendar, Term};
use contract::discipline::v1::{
    Consequences, Notice, Step,
    case::{Outcome, State},
    procedure::Hearing,
    step::{Kind, Review, Service},
};
use jiff::civil::Date;

use super::course::{Course, Passed, within};

/// Where a case stands, and by what terms it goes.
pub struct Standing<'a> {
    /// The state.
    pub state: State,
    /// The steps so far, the proposal first.
    pub steps: &'a [Step],
    /// Whether the subject has asked for a hearing.
    pub hearing_requested: bool,
    /// How the list's cases go.
    pub course: &'a Course,
    /// The calendar of the subject's region.
    pub calendar: &'a Calendar,
}

/// The first day of a step.
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
    /// What it waits for is not over.
    TooEarly(Earliest),
    /// The hearing would be held before its call has had its time.
    HearingTooSoon(Earliest),
    /// It comes after its term, the last day of which this is.
    TooLate(Date),
    /// It is dated before the step that it follows.
    BeforePrevious(Date),
    /// It is dated after today.
    InFuture(Date),
    /// Who proposed the case wants to decide it.
    DeciderIsProposer,
    /// Who proposed the case wants to chair its hearing, or to review its legality.
    OfficerIsProposer,
    /// The list's cases know no hearing.
    HearingNotOffered,
    /// The legal review did not pass.
    ReviewFailed,
    /// The notice leaves out a part, by its field's name.
    Incomplete(&'static str),
    /// More would follow than may.
    Exceeds,
}

impl Standing<'_> {
    /// The steps that may follow in this state, as soon as their terms allow (list_procedure: 告知、陈述申辩、听证、法制审核、决定、送达、公示).
    pub fn next_steps(&self) -> Vec<Kind> {
        match self.state {
            State::Proposed => vec![self.opening(), Kind::Drop],
            State::Notified | State::Defended | State::Heard => self.before_decision(),
            State::Decided => vec![Kind::Serve],
            State::Served => vec![Kind::Publish],
            State::Listed | State::Dropped | State::Unspecified => vec![],
        }
    }

    // 河南省社会信用条例 第二十八条: a proposed reward is publicised, a punishment is notified.
    fn opening(&self) -> Kind {
        if self.publicised() { Kind::Publicize } else { Kind::Notify }
    }

    fn before_decision(&self) -> Vec<Kind> {
        let mut steps = vec![];
        // Within the term a statement may be added to; a waiver ends it. Nobody waives what the public may object to.
        if self.state != State::Heard && self.waived_on().is_none() {
            steps.push(Kind::RecordDefence);
            if !self.publicised() {
                steps.push(Kind::WaiveDefence);
            }
        }
        let unanswered = self.unanswered();
        if unanswered {
            steps.push(Kind::AnswerDefence);
        }
        if self.state == State::Defended && self.course.hearing != Hearing::None && !self.publicised() {
            if self.course.hearing_notice.is_some() {
                steps.push(Kind::CallHearing);
            }
            if self.course.hearing_notice.is_none() || self.last(Kind::CallHearing).is_some() {
                steps.push(Kind::HoldHearing);
            }
        }
        // 行政处罚法 第六十三条: a hearing that was asked for is held before the decision; 第四十五条: what was stated is looked into before it.
        let heard = !self.hearing_requested || self.state == State::Heard;
        let answered = !unanswered || !(self.course.answer || self.publicised());
        if heard && answered {
            let review = self.review();
            if self.course.legal_review && review != Some(Review::Passed) {
                steps.push(Kind::ReviewLegality);
            }
            if !self.course.legal_review || review.is_some() {
                steps.push(Kind::Decide);
            }
        }
        steps.push(Kind::Drop);
        steps
    }

    fn publicised(&self) -> bool {
        self.course.publicity.is_some()
    }

    // Whether anything was stated since statements were answered last.
    fn unanswered(&self) -> bool {
        self.last(Kind::RecordDefence) > self.last(Kind::AnswerDefence)
    }

    // What the legal review found, if it knew all that was stated, answered and heard.
    fn review(&self) -> Option<Review> {
        let at = self.last(Kind::ReviewLegality)?;
        let later = [Kind::RecordDefence, Kind::AnswerDefence, Kind::HoldHearing];
        let stale = later.into_iter().any(|kind| self.last(kind) > Some(at));
        (!stale).then(|| self.steps[at].review())
    }

    /// The first day of a decision: the calendar day after the defence's term, which a statement made earlier does not shorten (行政处罚法
    /// 第四十五条), and after the term for asking for a hearing; or the day of the subject's waiver if that is sooner. Of a reward the day after the
    /// term of its publicity, which nothing shortens. None before the notice.
    pub fn earliest_decision(&self) -> Option<Earliest> {
        let notified = served_on(self.step(self.opening())?)?;
        if let Some(publicity) = self.course.publicity {
            return Some(self.after(notified, publicity));
        }
        let request = self.course.hearing_request.map(|days| self.after(notified, days));
        let defence = self.after(notified, self.course.defence);
        let full =
            request.into_iter().fold(defence, |latest, term| if term.on > latest.on { term } else { latest });
        Some(match self.waived_on() {
            Some(waived) if waived < full.on => Earliest { on: waived, provisional: false },
            _ => full,
        })
    }

    fn after(&self, start: Date, days: super::course::Days) -> Earliest {
        match days.count {
            // No term to wait for.
            0 => Earliest { on: start, provisional: false },
            _ => earliest(days.end(self.calendar, start)),
        }
    }

    // What a step waits for.
    fn earliest(&self, step: Kind) -> Option<Earliest> {
        match step {
            Kind::Decide | Kind::ReviewLegality => self.earliest_decision(),
            Kind::HoldHearing => {
                let called = self.last(Kind::CallHearing)?;
                let on = self.steps[called].hearing_on.parse().ok()?;
                Some(Earliest { on, provisional: false })
            }
            // 行政处罚法 第六十一条: what is not served does not bind yet.
            Kind::Publish => {
                let on = served_on(self.step(Kind::Serve)?)?;
                Some(Earliest { on, provisional: false })
            }
            _ => None,
        }
    }

    /// Whether a step may be taken: its order, its day, who takes it, and what it says.
    pub fn judge(&self, step: &Step, proposer: &str, today: Date) -> Result<(), Refusal> {
        if !self.next_steps().contains(&step.kind()) {
            return Err(Refusal::OutOfOrder);
        }
        let on: Date = step.on.parse().unwrap_or(Date::MAX);
        if let Some(earliest) = self.earliest(step.kind())
            && (on < earliest.on || today < earliest.on)
        {
            return Err(Refusal::TooEarly(earliest));
        }
        if on > today {
            return Err(Refusal::InFuture(today));
        }
        match self.previous() {
            Some(previous) if on < previous => Err(Refusal::BeforePrevious(previous)),
            _ => self.judge_content(step, proposer, on),
        }
    }

    fn judge_content(&self, step: &Step, proposer: &str, on: Date) -> Result<(), Refusal> {
        let own = step.by == proposer;
        let formal = self.course.hearing == Hearing::OnRequest;
        match step.kind() {
            // 国办发〔2020〕49号: who decides is not who investigated.
            Kind::Decide if own => Err(Refusal::DeciderIsProposer),
            Kind::Decide => self.judge_decision(step),
            // 行政处罚法 第六十四条: the chair is no investigator of the case; 第五十八条: nor is the reviewer.
            Kind::ReviewLegality if own => Err(Refusal::OfficerIsProposer),
            Kind::HoldHearing if own && formal => Err(Refusal::OfficerIsProposer),
            Kind::Notify | Kind::Publicize => self.judge_notice(step.notice.as_ref()),
            Kind::RecordDefence if step.hearing_requested => self.judge_request(on),
            Kind::CallHearing => {
                let first = self.course.hearing_notice.map(|days| self.after(on, days));
                match (first, step.hearing_on.parse::<Date>()) {
                    (Some(first), Ok(day)) if day < first.on => Err(Refusal::HearingTooSoon(first)),
                    (_, Ok(_)) => Ok(()),
                    (_, Err(_)) => Err(Refusal::Incomplete("hearingOn")),
                }
            }
            _ => Ok(()),
        }
    }

    // 行政处罚法 第四十四条: facts, reasons, grounds and rights are told before the decision, all of them.
    fn judge_notice(&self, notice: Option<&Notice>) -> Result<(), Refusal> {
        let notice = notice.ok_or(Refusal::Incomplete("notice"))?;
        let parts = [
            ("notice.facts", &notice.facts),
            ("notice.basis", &notice.basis),
            ("notice.remedies", &notice.remedies),
            ("notice.removal", &notice.removal),
        ];
        if let Some((part, _)) = parts.into_iter().find(|(_, text)| text.trim().is_empty()) {
            return Err(Refusal::Incomplete(part));
        }
        let consequences = notice.consequences.as_ref().ok_or(Refusal::Incomplete("notice.consequences"))?;
        if within(consequences, &self.course.consequences) { Ok(()) } else { Err(Refusal::Exceeds) }
    }

    fn judge_request(&self, on: Date) -> Result<(), Refusal> {
        if self.course.hearing == Hearing::None || self.publicised() {
            return Err(Refusal::HearingNotOffered);
        }
        let notified = self.step(Kind::Notify).and_then(served_on);
        let (Some(days), Some(notified)) = (self.course.hearing_request, notified) else { return Ok(()) };
        let last_day = days.end(self.calendar, notified).last_day;
        if on > last_day { Err(Refusal::TooLate(last_day)) } else { Ok(()) }
    }

    // 行政处罚法 第四十五条: nothing grows heavier because of a defence; 第五十八条: no decision against the legal review.
    fn judge_decision(&self, step: &Step) -> Result<(), Refusal> {
        if step.outcome() != Outcome::List {
            return Ok(());
        }
        if self.course.legal_review && self.review() != Some(Review::Passed) {
            return Err(Refusal::ReviewFailed);
        }
        match &step.consequences {
            Some(consequences) if within(consequences, self.notified()) => Ok(()),
            _ => Err(Refusal::Exceeds),
        }
    }

    /// What the subject, or the public, was told would follow.
    pub fn notified(&self) -> &Consequences {
        let notice = self.step(self.opening()).and_then(|step| step.notice.as_ref());
        notice.and_then(|notice| notice.consequences.as_ref()).unwrap_or(&self.course.consequences)
    }

    /// The day on which a paper counts as served.
    pub fn counts_from(&self, service: Service, on: Date) -> Date {
        match service {
            Service::Announcement => self.after(on, self.course.announcement).on,
            _ => on,
        }
    }

    /// By when the case has to be taken further: the step, the term's end and the rule.
    pub fn due(&self) -> Option<(Kind, Term, &str)> {
        let day = |kind| self.step(kind).and_then(|step| step.on.parse().ok());
        let announced = self.step(Kind::Serve).filter(|step| step.service() == Service::Announcement);
        let days = Passed {
            proposed: day(Kind::Propose),
            decided: day(Kind::Decide),
            announced: announced.and_then(served_on),
        };
        self.course.due(self.state, days, self.calendar)
    }

    // A proposal is dated by the day of its entry here; the notice on paper may be older than that.
    fn previous(&self) -> Option<Date> {
        let last = self.steps.iter().rfind(|step| step.kind() != Kind::Propose)?;
        last.on.parse().ok()
    }

    fn waived_on(&self) -> Option<Date> {
        self.step(Kind::WaiveDefence)?.on.parse().ok()
    }

    fn step(&self, kind: Kind) -> Option<&Step> {
        self.steps.iter().find(|step| step.kind() == kind)
    }

    fn last(&self, kind: Kind) -> Option<usize> {
        self.steps.iter().rposition(|step| step.kind() == kind)
    }
}

fn earliest(term: Term) -> Earliest {
    Earliest { on: term.possible_from(), provisional: term.provisional }
}

// Steps of before there were ways of service counted from their own day.
fn served_on(step: &Step) -> Option<Date> {
    let day = if step.served_on.is_empty() { &step.on } else { &step.served_on };
    day.parse().ok()
}

/// Where a case stands after a step.
pub fn after(step: Kind, outcome: Outcome, before: State) -> State {
    match step {
        Kind::Propose => State::Proposed,
        Kind::Notify | Kind::Publicize => State::Notified,
        Kind::RecordDefence | Kind::WaiveDefence => State::Defended,
        Kind::HoldHearing => State::Heard,
        Kind::AnswerDefence | Kind::CallHearing | Kind::ReviewLegality => before,
        Kind::Decide if outcome == Outcome::List => State::Decided,
        Kind::Serve => State::Served,
        Kind::Publish => State::Listed,
        Kind::Decide | Kind::Drop => State::Dropped,
        Kind::Unspecified => State::Unspecified,
    }
}

/// Whether a step is done by a paper that has a number: notice, call, decision and its service (行政处罚法 第四十四、五十九、六十一、六十四条).
pub fn needs_document(step: Kind) -> bool {
    matches!(step, Kind::Notify | Kind::CallHearing | Kind::Decide | Kind::Serve)
}

/// The last day of a listing; none where nothing sets a term.
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
        Kind::Publicize => ("publicize", "拟认定公示"),
        Kind::RecordDefence => ("recordDefence", "陈述申辩"),
        Kind::AnswerDefence => ("answerDefence", "陈述申辩复核"),
        Kind::WaiveDefence => ("waiveDefence", "放弃陈述申辩"),
        Kind::CallHearing => ("callHearing", "听证通知"),
        Kind::HoldHearing => ("holdHearing", "听证"),
        Kind::ReviewLegality => ("reviewLegality", "法制审核"),
        Kind::Decide => ("decide", "认定决定"),
        Kind::Serve => ("serve", "送达"),
        Kind::Publish => ("publish", "列入公示"),
        Kind::Drop => ("drop", "撤案"),
    }
}
