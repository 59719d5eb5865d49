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

/// The smallest tickets of a stratum in order, as many as were asked for so far.
struct Queue<'s, 'a> {
    seed: &'s Seed,
    roster: &'a Roster,
    place: usize,
    stratum: &'a str,
    members: usize,
    tickets: Vec<(Ticket, &'a str)>,
    called: usize,
}

impl<'a> Queue<'_, 'a> {
    fn nth(&mut self, index: usize) -> Option<(Ticket, &'a str)> {
        if index >= self.tickets.len() && self.tickets.len() < self.members {
            // Twice as many as asked for, or each further one would pass over the whole roster again.
            let mut reach = vec![0; self.roster.strata().len()];
            reach[self.place] = (2 * index + 16).min(self.members);
            self.tickets = smallest(self.seed, self.roster, &reach).swap_remove(self.place);
        }
        self.tickets.get(index).copied()
    }

    fn call(&mut self) -> Option<(Ticket, &'a str)> {
        let next = self.nth(self.called)?;
        self.called += 1;
        Some(next)
    }

    fn selected(&mut self) -> Vec<Selected> {
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

/// Each stratum's queue, of which the quota's number is called.
fn queues<'s, 'a>(seed: &'s Seed, roster: &'a Roster, quotas: &Quotas) -> Vec<Queue<'s, 'a>> {
    let strata = roster.strata();
    let reach: Vec<usize> =
        strata.iter().map(|(stratum, members)| quotas.of_stratum(stratum).min(*members)).collect();
    let found = smallest(seed, roster, &reach);
    let queues = found.into_iter().zip(reach).zip(strata).enumerate();
    queues
        .map(|(place, ((tickets, called), (stratum, members)))| Queue {
            seed,
            roster,
            place,
            stratum,
            members: *members,
            tickets,
            called,
        })
        .collect()
}

/// The members of a stratum that may be among its smallest: their tickets and places on the roster.
struct Smallest {
    reach: usize,
    found: Vec<(Ticket, usize)>,
    limit: Ticket,
}

impl Smallest {
    fn of(reach: usize) -> Self {
        Self { reach, found: Vec::new(), limit: Ticket::LAST }
    }

    fn offer(&mut self, ticket: Ticket, member: usize) {
        if ticket > self.limit {
            return;
        }
        self.found.push((ticket, member));
        if self.found.len() >= 2 * self.reach + 1024 {
            let (_, last, _) = self.found.select_nth_unstable(self.reach - 1);
            self.limit = last.0;
            self.found.truncate(self.reach);
        }
    }
}

/// So many of the smallest tickets of each stratum, ascending.
fn smallest<'a>(seed: &Seed, roster: &'a Roster, reach: &[usize]) -> Vec<Vec<(Ticket, &'a str)>> {
    let mut strata: Vec<Smallest> = reach.iter().copied().map(Smallest::of).collect();
    for (member, (uscc, stratum)) in roster.placed().enumerate() {
        let stratum = &mut strata[stratum];
        if stratum.reach > 0 {
            stratum.offer(seed.ticket(uscc), member);
        }
    }
    let ordered = strata.into_iter().map(|mut stratum| {
        stratum.found.sort_unstable();
        stratum.found.truncate(stratum.reach);
        stratum.found.into_iter().map(|(ticket, member)| (ticket, roster.code_at(member))).collect()
    });
    ordered.collect()
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
