//! What becomes of a name among the subjects that it may mean: one is linked, or all are left for a person.
use std::cmp::Reverse;

use crate::{
    Cell, Kind, LINKS_FROM, Likeness, Name, Reason, compare,
    likeness::{WRITING_FROM, weight},
};

/// A subject that a name may mean.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Its code.
    pub code: &'a str,
    /// Where it is registered, a code of GB/T 2260; where that is not known, the places 3 to 8 of its own code.
    pub region: &'a str,
    /// Its names, each with what it is to the subject.
    pub names: Vec<(Kind, Name)>,
}

/// A subject with what speaks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it stands among the subjects given.
    pub subject: usize,
    /// Which of its names is meant.
    pub name: usize,
    /// Of a hundred, and why.
    pub likeness: Likeness,
}

/// Judges the subjects that a cell may mean, the most like first. At most the first is at [`LINKS_FROM`] or above: it may be linked
/// without a person. What is below is for a person to look at.
pub fn decide(asked: &Cell, subjects: &[Subject]) -> Vec<Candidate> {
    let mut found: Vec<(Candidate, bool)> = Vec::new();
    for (place, subject) in subjects.iter().enumerate() {
        let Some((candidate, given)) = best(asked, place, subject) else { continue };
        found.push((candidate, given));
    }
    found.sort_by_key(|(candidate, _)| {
        (Reverse(candidate.likeness.score), subjects[candidate.subject].code.to_owned())
    });
    settle(&mut found);
    found.into_iter().map(|(candidate, _)| candidate).collect()
}

// Lowers what is not alone.
fn settle(found: &mut [(Candidate, bool)]) {
    let linkable = found.iter().filter(|(candidate, _)| candidate.likeness.links()).count();
    if linkable < 2 {
        return;
    }
    let top = found[0].0.likeness.score;
    let alike = found.iter().filter(|(candidate, _)| candidate.likeness.score == top).count();
    // What is written the same stands before what is only alike.
    let clear = top >= WRITING_FROM && alike == 1;
    let by_main = found.iter().take(linkable).any(|(_, given)| !given);
    let by_given = found.iter().take(linkable).any(|(_, given)| *given);
    let reason = if by_main && by_given {
        Reason::NamesDisagree
    } else {
        let count = if clear { linkable } else { linkable.max(alike) };
        Reason::SeveralSubjects(count)
    };
    let kept = usize::from(clear && reason != Reason::NamesDisagree);
    for (candidate, _) in found.iter_mut().take(linkable).skip(kept) {
        candidate.likeness = lowered(candidate.likeness.clone(), reason.clone());
    }
}

fn lowered(likeness: Likeness, reason: Reason) -> Likeness {
    let score = u32::from(likeness.score) * weight(&reason) / 100;
    let mut reasons = likeness.reasons;
    reasons.push(reason);
    Likeness { score: u8::try_from(score).unwrap_or_default(), reasons }
}

fn best(asked: &Cell, place: usize, subject: &Subject) -> Option<(Candidate, bool)> {
    let mut best: Option<(Candidate, bool)> = None;
    let mut offer = |given: Option<Reason>, one: &Name| {
        for (name, (kind, own)) in subject.names.iter().enumerate() {
            let Some(mut likeness) = compare(one, own, subject.region) else { continue };
            if *kind != Kind::Registered {
                likeness = lowered(likeness, Reason::Other(*kind));
            }
            if let Some(reason) = &given {
                // What was one enterprise before may be two since: a former name of both is no bond.
                let loose = *kind == Kind::Registered;
                likeness = lowered(likeness, if loose { reason.clone() } else { Reason::NamesDisagree });
            }
            if asked.trimmed && !likeness.reasons.contains(&Reason::SeveralParties) {
                likeness = lowered(likeness, Reason::Trimmed);
            }
            if best.as_ref().is_none_or(|(before, _)| before.likeness.score < likeness.score) {
                let given = matches!(given, Some(Reason::Given(_)));
                best = Some((Candidate { subject: place, name, likeness }, given));
            }
        }
    };
    offer(None, &asked.main);
    for (kind, other) in &asked.others {
        offer(Some(Reason::Given(*kind)), other);
    }
    for party in &asked.several {
        offer(Some(Reason::SeveralParties), party);
    }
    best
}

/// Whether a score is enough to act on.
pub fn links(score: u8) -> bool {
    score >= LINKS_FROM
}
