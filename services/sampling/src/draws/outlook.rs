//! The outlook of a draw before it is made: who can inspect at all, and what will not work.
use chassis::{Answer, language::Language, language::Text, storage::corrupt};
use contract::sampling::v1 as api;
use draw::Quotas;
use sea_orm::ConnectionTrait;

use super::{
    rosters,
    rows::Stored,
    rules::{self, Frozen, Outlook},
};
use crate::visits::{self, Staff};

// So many subjects with too many recusals are looked for on the roster.
const RECUSED_MOST: usize = 100;

/// What was seen.
pub struct Looked {
    /// Inspectors who can take visits of the plan.
    pub able: usize,
    /// Those of its departments and region who can take none, and why.
    pub skipped: Vec<api::SkippedInspector>,
    warnings: Vec<Text>,
}

impl Looked {
    /// The warnings in a language.
    pub fn said(&self, language: Language) -> Vec<String> {
        self.warnings.iter().map(|text| text.get(language).to_owned()).collect()
    }

    // What is true of every part is said once.
    fn add(&mut self, other: Self) {
        self.able += other.able;
        self.skipped.extend(other.skipped);
        for warning in other.warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }

    /// A draw with what was seen of it.
    pub fn onto(self, draw: api::Draw, language: Language) -> api::Draw {
        api::Draw { warnings: self.said(language), skipped_inspectors: self.skipped, ..draw }
    }
}

/// The outlook of a committed draw, by the register of inspectors as it is now.
pub async fn of_draw(db: &impl ConnectionTrait, plan: &api::Plan, draw: &Stored) -> Answer<Looked> {
    let drawn = Quotas::parse(&draw.quota_text).map_err(|fault| corrupt("quota", fault))?;
    let mut looked = Looked { able: 0, skipped: Vec::new(), warnings: Vec::new() };
    for staff in visits::staff(db, plan).await? {
        let mut recused = Vec::new();
        for (uscc, left) in draw::impossible(&staff.candidates, &staff.team).into_iter().take(RECUSED_MOST) {
            if rosters::line(db, &draw.draw_id, &uscc).await?.is_some() {
                recused.push((uscc, left));
            }
        }
        looked.add(look(plan, &staff, &recused, &draw.strata_text, &drawn));
    }
    Ok(looked)
}

/// The outlook of a roster that is not committed.
pub async fn of_roster(db: &impl ConnectionTrait, plan: &api::Plan, frozen: &Frozen) -> Answer<Looked> {
    let on_roster = |(uscc, _): &(String, usize)| frozen.roster.stratum_of(uscc).is_some();
    let strata_text = rules::strata_text(&frozen.roster);
    let mut looked = Looked { able: 0, skipped: Vec::new(), warnings: Vec::new() };
    for staff in visits::staff(db, plan).await? {
        let impossible = draw::impossible(&staff.candidates, &staff.team).into_iter().take(RECUSED_MOST);
        let recused: Vec<(String, usize)> = impossible.filter(on_roster).collect();
        looked.add(look(plan, &staff, &recused, &strata_text, &frozen.quotas));
    }
    Ok(looked)
}

fn look(
    plan: &api::Plan,
    Staff { candidates, team }: &Staff,
    recused: &[(String, usize)],
    strata_text: &str,
    drawn: &Quotas,
) -> Looked {
    let skipped: Vec<api::SkippedInspector> = candidates
        .iter()
        .filter_map(|one| {
            let why = draw::barred(one, team)?;
            let (reason, skill) = visits::why(&why);
            let skill = skill.to_owned();
            Some(api::SkippedInspector { inspector_id: one.id.clone(), reason: reason as i32, skill })
        })
        .collect();
    let able = candidates.len() - skipped.len();
    let warnings = rules::warnings(&Outlook {
        team_size: team.size,
        registered: candidates.len(),
        able,
        workload_cap: usize::try_from(plan.visits_per_inspector).ok().filter(|cap| *cap > 0),
        recused,
        quotas: &plan.quotas,
        strata_text,
        drawn,
    });
    Looked { able, skipped, warnings }
}
