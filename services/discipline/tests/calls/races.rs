//! Many officers at once, on every replica: each matter has one course, and whoever came second learns it.
mod after;
mod course;
mod directory;

use chassis::{access::Claims, trial::reason, upstream::Upstream};
use tonic::{Code, Status};

use super::world::{ALL, Client, World};

/// Numbers that come again with the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        // xorshift64*, of which the upper half is taken.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % most
    }

    fn of<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }
}

/// Two replicas on PostgreSQL; one on SQLite, whose file is one process's by design, though with as many callers.
async fn replicas(world: &World) -> Vec<Upstream> {
    let mut all = vec![world.upstream.clone()];
    if !world.store.is_sqlite() {
        all.push(world.replica().await);
    }
    all
}

/// Officers of the deciding department and of the office, each on the next replica; the office's second officer sits on the other one.
fn officers(world: &World, replicas: &[Upstream]) -> Vec<Client> {
    let persons = ["clerk", "chief", "deputy", "lawyer", "assessor", "auditor", "office", "office-deputy"];
    let client = |(at, &person): (usize, &&str)| {
        let claims = if person.starts_with("office") {
            Claims { roles: vec!["office".into()], ..world.claims("credit-office", person, ALL) }
        } else {
            world.claims("hrss", person, ALL)
        };
        world.client_of(&replicas[at % replicas.len()], claims)
    };
    persons.iter().enumerate().map(client).collect()
}

/// Who lost is told so by a refusal of the contract, never by a fault of ours.
fn learnt(lost: &Status, what: &str) -> String {
    let told = reason(lost);
    let codes: &[Code] = match told.as_str() {
        "MATTER_CHANGED" | "CONCURRENT_CHANGE" => &[Code::Aborted],
        "DECIDER_IS_PROPOSER" | "OFFICER_IS_PROPOSER" | "FOUR_EYES" => &[Code::PermissionDenied],
        "STEP_OUT_OF_ORDER"
        | "STEP_TOO_EARLY"
        | "STEP_TOO_LATE"
        | "STEP_DATE_INVALID"
        | "HEARING_NOT_OFFERED"
        | "LEGAL_REVIEW_FAILED"
        | "FILING_DECIDED"
        | "FILING_OPEN"
        | "LISTING_NOT_ACTIVE"
        | "MARK_UNCHANGED"
        | "SUGGESTION_CLOSED"
        | "NOTHING_TO_LIFT"
        | "CONFIRMED_ALREADY" => &[Code::FailedPrecondition],
        _ => &[],
    };
    assert!(codes.contains(&lost.code()), "{what}: {lost:?}");
    assert!(!lost.message().is_empty(), "{what}: {lost:?}");
    told
}
