//! Who is drawn, and who takes the place of a drawn subject that cannot be visited.

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

/// The k smallest tickets of each stratum: strata in order, tickets ascending.
pub fn select(seed: &Seed, roster: &Roster, quotas: &Quotas) -> Vec<Selected> {
    let drawn: Vec<usize> = roster.strata().iter().map(|(stratum, _)| quotas.of_stratum(stratum)).collect();
    let smallest = smallest_tickets(seed, roster, &drawn);
    let by_stratum = roster.strata().iter().zip(smallest);
    by_stratum
        .flat_map(|((stratum, _), tickets)| {
            tickets.into_iter().map(|(ticket, uscc)| Selected {
                uscc: uscc.to_owned(),
                stratum: stratum.clone(),
                ticket: ticket.to_string(),
            })
        })
        .collect()
}

/// Who takes the places of subjects that cannot be visited, in the order in which that was found out: each time the
/// next ticket of the stratum. A replacement may itself be replaced.
pub fn replace<U: AsRef<str>, R: AsRef<str>>(
    seed: &Seed,
    roster: &Roster,
    quotas: &Quotas,
    impossible: &[(U, R)],
) -> Result<Vec<Replacement>, Fault> {
    let reach: Vec<usize> = roster
        .strata()
        .iter()
        .map(|(name, _)| quotas.of_stratum(name).saturating_add(impossible.len()))
        .collect();
    let queues = smallest_tickets(seed, roster, &reach);
    let mut called: Vec<usize> = roster.strata().iter().map(|(name, _)| quotas.of_stratum(name)).collect();
    let mut replacements: Vec<Replacement> = Vec::with_capacity(impossible.len());
    for (uscc, reason) in impossible {
        let (uscc, reason) = (uscc.as_ref(), reason.as_ref());
        let stratum = roster.stratum_of(uscc).ok_or_else(|| not_drawn(uscc))?;
        let place =
            roster.strata().iter().position(|(name, _)| name == stratum).ok_or_else(|| not_drawn(uscc))?;
        let is_called = queues[place].iter().take(called[place]).any(|(_, code)| *code == uscc);
        if !is_called || replacements.iter().any(|earlier| earlier.uscc == uscc) {
            return Err(not_drawn(uscc));
        }
        let (ticket, next) = queues[place].get(called[place]).ok_or_else(|| nobody_left(uscc, stratum))?;
        called[place] += 1;
        replacements.push(Replacement {
            uscc: uscc.to_owned(),
            replaced_by: (*next).to_owned(),
            stratum: stratum.to_owned(),
            ticket: ticket.to_string(),
            reason: reason.to_owned(),
        });
    }
    Ok(replacements)
}

/// The so many smallest tickets of each stratum, ascending.
fn smallest_tickets<'a>(seed: &Seed, roster: &'a Roster, wanted: &[usize]) -> Vec<Vec<(Ticket, &'a str)>> {
    let mut strata: Vec<Vec<(Ticket, &str)>> = vec![Vec::new(); wanted.len()];
    for (uscc, stratum) in roster.placed() {
        if wanted[stratum] > 0 {
            strata[stratum].push((seed.ticket(uscc), uscc));
        }
    }
    for (tickets, &wanted) in strata.iter_mut().zip(wanted) {
        if wanted < tickets.len() {
            tickets.select_nth_unstable(wanted);
            tickets.truncate(wanted);
        }
        tickets.sort_unstable();
    }
    strata
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
