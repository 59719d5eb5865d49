//! Who is drawn, and who takes the place of a drawn subject that cannot be visited.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::quota::Quotas;
use crate::roster::Roster;
use crate::seed::{Seed, Ticket};

/// A drawn subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selected {
    /// Its code.
    pub uscc: String,
    /// Its stratum; empty where the scheme's grades are not public.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stratum: String,
    /// Its ticket, in hex.
    pub ticket: String,
}

/// A drawn subject that cannot be visited, and the next of its stratum, which takes its place 替补.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Replacement {
    /// The subject that cannot be visited.
    pub uscc: String,
    /// The subject that takes its place.
    pub replaced_by: String,
    /// Their stratum; empty where the scheme's grades are not public.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stratum: String,
    /// The ticket of the subject that takes the place, in hex.
    pub ticket: String,
    /// Why the visit is impossible.
    pub reason: String,
}

/// A selection with the replacements that were needed from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// The k smallest tickets of each stratum: strata in order, tickets ascending.
    pub selected: Vec<Selected>,
    /// Who takes the place of whom that cannot be visited.
    pub replacements: Vec<Replacement>,
    /// Who cannot be visited though nobody is left in the stratum to take the place.
    pub unfilled: Vec<Selected>,
}

/// The k smallest tickets of each stratum: strata in order, tickets ascending.
pub fn select(seed: &Seed, roster: &Roster, quotas: &Quotas) -> Vec<Selected> {
    queues(seed, roster, quotas).iter_mut().flat_map(Queue::selected).collect()
}

/// The selection where some cannot be visited, and why, asked by stratum and code: each is replaced at once by the next ticket of its stratum,
/// and that one by the next again where it cannot be visited either.
pub fn select_within<'a>(
    seed: &Seed,
    roster: &'a Roster,
    quotas: &Quotas,
    impossible: impl Fn(&str, &'a str) -> Option<String>,
) -> Drawn {
    let mut drawn = Drawn::default();
    for mut queue in queues(seed, roster, quotas) {
        let selected = queue.selected();
        for index in 0..selected.len() {
            let mut out = queue.nth(index);
            while let Some((ticket, uscc)) = out {
                let Some(reason) = impossible(queue.stratum, uscc) else { break };
                out = queue.call();
                match out {
                    Some(next) => drawn.replacements.push(queue.replacement(uscc, next, reason)),
                    None => drawn.unfilled.push(queue.of((ticket, uscc))),
                }
            }
        }
        drawn.selected.extend(selected);
    }
    drawn
}

/// Who takes the places of subjects that cannot be visited, in the order in which that was found out: each time the
/// next ticket of the stratum. A replacement may itself be replaced.
pub fn replace<U: AsRef<str>, R: AsRef<str>>(
    seed: &Seed,
    roster: &Roster,
    quotas: &Quotas,
    impossible: &[(U, R)],
) -> Result<Vec<Replacement>, Fault> {
    let mut queues = queues(seed, roster, quotas);
    let place: HashMap<&str, usize> =
        roster.strata().iter().enumerate().map(|(place, (name, _))| (name.as_str(), place)).collect();
    let mut called: HashSet<String> =
        queues.iter_mut().flat_map(Queue::selected).map(|selected| selected.uscc).collect();
    let mut replaced: HashSet<&str> = HashSet::new();
    let mut replacements = Vec::with_capacity(impossible.len());
    for (uscc, reason) in impossible {
        let uscc = uscc.as_ref();
        let stratum = roster.stratum_of(uscc).ok_or_else(|| not_drawn(uscc))?;
        if !called.contains(uscc) || !replaced.insert(uscc) {
            return Err(not_drawn(uscc));
        }
        let queue = place.get(stratum).and_then(|place| queues.get_mut(*place));
        let queue = queue.ok_or_else(|| not_drawn(uscc))?;
        let next = queue.call().ok_or_else(|| nobody_left(uscc, stratum))?;
        called.insert(next.1.to_owned());
        replacements.push(queue.replacement(uscc, next, reason.as_ref().to_owned()));
    }
    Ok(replacements)
}

/// A stratum's members by ticket, put in order only as far as they are asked for.
struct Queue<'a> {
    stratum: &'a str,
    tickets: Vec<(Ticket, &'a str)>,
    ordered: usize,
    called: usize,
}

impl<'a> Queue<'a> {
    fn nth(&mut self, index: usize) -> Option<(Ticket, &'a str)> {
        if index >= self.ordered && index < self.tickets.len() {
            // Somewhat more than asked for, or each further one would pass over the whole rest again.
            let ahead = (index + 1).max(self.ordered + self.ordered / 8 + 16).min(self.tickets.len());
            self.order(ahead);
        }
        self.tickets.get(index).copied()
    }

    fn order(&mut self, until: usize) {
        let rest = &mut self.tickets[self.ordered..];
        let wanted = until - self.ordered;
        if wanted < rest.len() {
            rest.select_nth_unstable(wanted);
        }
        rest[..wanted].sort_unstable();
        self.ordered = until;
    }

    fn call(&mut self) -> Option<(Ticket, &'a str)> {
        let next = self.nth(self.called)?;
        self.called += 1;
        Some(next)
    }

    fn selected(&mut self) -> Vec<Selected> {
        if self.ordered < self.called {
            self.order(self.called);
        }
        self.tickets[..self.called].iter().map(|one| self.of(*one)).collect()
    }

    fn of(&self, (ticket, uscc): (Ticket, &str)) -> Selected {
        Selected { uscc: uscc.to_owned(), stratum: self.stratum.to_owned(), ticket: ticket.to_string() }
    }

    fn replacement(&self, uscc: &str, (ticket, next): (Ticket, &str), reason: String) -> Replacement {
        Replacement {
            uscc: uscc.to_owned(),
            replaced_by: next.to_owned(),
            stratum: self.stratum.to_owned(),
            ticket: ticket.to_string(),
            reason,
        }
    }
}

/// Each stratum's tickets, of which the quota's number is called; none where nobody is.
fn queues<'a>(seed: &Seed, roster: &'a Roster, quotas: &Quotas) -> Vec<Queue<'a>> {
    let strata = roster.strata().iter();
    let mut queues: Vec<Queue<'a>> = strata
        .map(|(stratum, members)| {
            let called = quotas.of_stratum(stratum).min(*members);
            let tickets = Vec::with_capacity(if called > 0 { *members } else { 0 });
            Queue { stratum, tickets, ordered: 0, called }
        })
        .collect();
    for (uscc, stratum) in roster.placed() {
        let queue = &mut queues[stratum];
        if queue.called > 0 {
            queue.tickets.push((seed.ticket(uscc), uscc));
        }
    }
    queues
}

fn not_drawn(uscc: &str) -> Fault {
    Fault::new(
        "REPLACEMENT_INVALID",
        format!(
            "{uscc} is not to be visited in this draw, or was replaced before. Name a subject that still is."
        ),
        format!("{uscc}不在本次应检查之列，或已被替补，请指明仍应检查的主体。"),
    )
}

fn nobody_left(uscc: &str, stratum: &str) -> Fault {
    Fault::new(
        "REPLACEMENT_INVALID",
        format!(
            "Nobody is left in stratum {stratum} to take the place of {uscc}: all its members are drawn."
        ),
        format!("等级{stratum}的主体已全部抽中，无可替补{uscc}者。"),
    )
}
