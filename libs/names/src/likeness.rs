//! How alike two names are, and whether that is enough to act on without a person.
use crate::{
    Kind, Name, Reason,
    name::letters,
    parts::{Form, Parts},
    region::Region,
};

/// What is observed about a pair of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likeness {
    /// Of a hundred.
    pub score: u8,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// From this score on a pair is linked without a person, unless another subject is as like.
pub const LINKS_FROM: u8 = 90;

/// From this score on the names differ in writing at most, and a registered name is meant.
pub const WRITING_FROM: u8 = 99;

impl Likeness {
    /// Whether it is enough to act on.
    pub fn links(&self) -> bool {
        self.score >= LINKS_FROM
    }
}

/// Compares the name asked for with a name of a subject, whose region is a code of GB/T 2260, or the places 3 to 8 of its own code.
/// None where they have nothing in common that a clerk would look at.
pub fn compare(asked: &Name, own: &Name, region: &str) -> Option<Likeness> {
    if let Some(reasons) = writing(asked, own) {
        let score = if reasons.contains(&Reason::Identical) { 100 } else { WRITING_FROM };
        return Some(Likeness { score: score.min(most(asked, own)), reasons });
    }
    let (a, b) = (&asked.parts, &own.parts);
    if a.body != b.body || !a.same_branch(b) && !a.branch.is_empty() && !b.branch.is_empty() {
        return None;
    }
    let mut reasons = Vec::new();
    if a.branch != b.branch {
        reasons.push(match (a.branch.is_empty(), b.branch.is_empty()) {
            (false, true) => Reason::ParentOfBranch,
            (true, false) => Reason::BranchOfParent,
            _ => Reason::RegionEnding,
        });
    }
    regions(a, b, region, &mut reasons);
    form(a, b, &mut reasons);
    let score = reasons.iter().fold(100, |score, reason| score * weight(reason) / 100);
    let score = u8::try_from(score).unwrap_or_default();
    Some(Likeness { score: score.min(most(asked, own)), reasons })
}

// Subjects are looked up by the key: two names of different keys, such as those of nothing but brackets and a region, are left for a person.
fn most(asked: &Name, own: &Name) -> u8 {
    if asked.key() == own.key() { 100 } else { LINKS_FROM - 1 }
}

/// What a reason leaves of a score, in percent. Below 90 it keeps a pair from being linked.
pub fn weight(reason: &Reason) -> u32 {
    match reason {
        Reason::Identical | Reason::Width | Reason::Marks | Reason::Trimmed => 100,
        Reason::Characters => 99,
        Reason::RegionMoved
        | Reason::RegionEnding
        | Reason::RegionOuter
        | Reason::FormWriting
        | Reason::FormAbsentInBranch => 98,
        Reason::Other(Kind::Registered | Kind::Second | Kind::Short) | Reason::Given(Kind::Former) => 98,
        Reason::Other(Kind::Former) => 97,
        Reason::RegionAbsent(true) => 95,
        Reason::FormAbsent => 80,
        Reason::RegionAbsent(false) | Reason::FormOther => 75,
        Reason::RegionCoarser => 70,
        Reason::ParentOfBranch | Reason::BranchOfParent | Reason::SeveralParties => 60,
        Reason::NamesDisagree | Reason::SeveralSubjects(_) | Reason::Given(_) => 85,
        Reason::RegionOther => 40,
    }
}

// The same letters in the same order: the difference is in writing only.
fn writing(asked: &Name, own: &Name) -> Option<Vec<Reason>> {
    if asked.written.trim() == own.written.trim() {
        return Some(vec![Reason::Identical]);
    }
    let mut reasons = Vec::new();
    let mut push = |differs: bool, reason: Reason| {
        if differs {
            reasons.push(reason);
        }
    };
    if letters(&asked.folded) != letters(&own.folded) {
        return None;
    }
    let simplified = letters(&asked.unmarked) != letters(&own.unmarked);
    push(asked.narrow == own.narrow, Reason::Width);
    push(
        asked.narrow != own.narrow && (!simplified || asked.unmarked.len() != own.unmarked.len()),
        Reason::Marks,
    );
    push(simplified, Reason::Characters);
    Some(reasons)
}

fn regions(a: &Parts, b: &Parts, registered: &str, reasons: &mut Vec<Reason>) {
    let same_places = a.same_places(b);
    let (asked, own) = (a.regions.as_slice(), b.regions.as_slice());
    let finest = |regions: &[Region]| (0..regions.len()).max_by_key(|&place| regions[place].depth());
    let (Some(a), Some(b)) = (finest(asked), finest(own)) else {
        if asked.is_empty() && own.is_empty() {
            return;
        }
        let words = if asked.is_empty() { own } else { asked };
        let here = words.iter().all(|word| word.is_plain() && word.has(registered));
        reasons.push(Reason::RegionAbsent(here && !registered.is_empty()));
        return;
    };
    let (a, b) = (&asked[a], &own[b]);
    if !a.is(b) {
        let coarser = a.holds(b) || b.holds(a);
        reasons.push(if coarser { Reason::RegionCoarser } else { Reason::RegionOther });
        return;
    }
    let pair = |one: &Region, many: &[Region]| many.iter().find(|other| one.is(other)).cloned();
    let matched: Vec<(Region, Region)> =
        asked.iter().filter_map(|one| Some((one.clone(), pair(one, own)?))).collect();
    if matched.iter().any(|(a, b)| a.ending != b.ending) && !reasons.contains(&Reason::RegionEnding) {
        reasons.push(Reason::RegionEnding);
    }
    // What only one of them says is a greater region of the other's, or another place altogether.
    let lone = asked
        .iter()
        .filter(|one| pair(one, own).is_none())
        .chain(own.iter().filter(|one| pair(one, asked).is_none()));
    let lone: Vec<&Region> = lone.collect();
    if lone.iter().any(|one| !one.holds(a) && !one.holds(b)) {
        reasons.push(Reason::RegionOther);
    } else if !lone.is_empty() {
        reasons.push(Reason::RegionOuter);
    }
    if !same_places {
        reasons.push(Reason::RegionMoved);
    }
}

fn form(a: &Parts, b: &Parts, reasons: &mut Vec<Reason>) {
    if a.form == b.form {
        if a.form_text != b.form_text {
            reasons.push(Reason::FormWriting);
        }
        return;
    }
    let none = |parts: &Parts| parts.form == Form::Other;
    let branches = !a.branch.is_empty() && !b.branch.is_empty();
    reasons.push(match (none(a) || none(b), branches) {
        (true, true) => Reason::FormAbsentInBranch,
        (true, false) => Reason::FormAbsent,
        _ => Reason::FormOther,
    });
}
