//! The built-in lists and measures: what is known of each, from where, and how surely. What natural persons alone can be put on is left out.
use std::collections::BTreeMap;

use chassis::Store;
use contract::discipline::v1 as api;
use jiff::Timestamp;
use serde::Deserialize;

use crate::directory;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Basis {
    document: String,
    article: String,
    from: String,
    until: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct List {
    list_id: String,
    name: String,
    kind: String,
    decided_by: Vec<String>,
    legal_basis: String,
    bases: Vec<Basis>,
    publication_months: i32,
    repair_after_months: i32,
    defence_working_days: i32,
    grounds: Vec<String>,
    early_removal: String,
    measures: Vec<String>,
    procedure: String,
    status: String,
    unknown: Vec<String>,
    origin: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Term {
    days: i32,
    #[serde(default)]
    calendar_days: bool,
    basis: String,
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Requirement {
    required: bool,
    basis: String,
    status: String,
}

// What is left out is not asked for, or not known.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Procedure {
    procedure: String,
    hearing: String,
    hearing_request: Option<Term>,
    hearing_notice: Option<Term>,
    answer: Option<Requirement>,
    legal_review: Option<Requirement>,
    decision: Option<Term>,
    service: Option<Term>,
    publication: Option<Term>,
    publicity: Option<Requirement>,
    announcement: Option<Term>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Measure {
    measure_id: String,
    name: String,
    group: String,
    applied_by: String,
    targets: String,
    text: String,
    legal_basis: String,
    bases: Vec<Basis>,
    months_least: i32,
    months_most: i32,
    businesses: Vec<String>,
    status: String,
    unknown: Vec<String>,
    origin: String,
}

/// The lists.
pub fn lists() -> anyhow::Result<Vec<api::List>> {
    let rows: Vec<List> = serde_json::from_str(include_str!("../../data/lists.json"))?;
    let procedures = procedures()?;
    rows.into_iter().map(|row| list(row, &procedures)).collect()
}

// How cases go, by the name that lists give.
fn procedures() -> anyhow::Result<BTreeMap<String, api::Procedure>> {
    let rows: Vec<Procedure> = serde_json::from_str(include_str!("../../data/procedures.json"))?;
    rows.into_iter().map(procedure).collect()
}

fn procedure(row: Procedure) -> anyhow::Result<(String, api::Procedure)> {
    let hearing = api::procedure::Hearing::from_str_name(&row.hearing);
    let hearing = hearing.ok_or_else(|| anyhow::anyhow!("procedure {}: {}", row.procedure, row.hearing))?;
    let read = api::Procedure {
        hearing: hearing.into(),
        hearing_request: row.hearing_request.map(term).transpose()?,
        hearing_notice: row.hearing_notice.map(term).transpose()?,
        answer: row.answer.map(requirement).transpose()?,
        legal_review: row.legal_review.map(requirement).transpose()?,
        decision: row.decision.map(term).transpose()?,
        service: row.service.map(term).transpose()?,
        publication: row.publication.map(term).transpose()?,
        publicity: row.publicity.map(requirement).transpose()?,
        announcement: row.announcement.map(term).transpose()?,
        ..Default::default()
    };
    Ok((row.procedure, read))
}

fn term(row: Term) -> anyhow::Result<api::ProcedureTerm> {
    let Term { days, calendar_days, basis, .. } = row;
    Ok(api::ProcedureTerm { days, calendar_days, basis, status: status(&row.status)?.into() })
}

fn requirement(row: Requirement) -> anyhow::Result<api::ProcedureRequirement> {
    let Requirement { required, basis, .. } = row;
    Ok(api::ProcedureRequirement { required, basis, status: status(&row.status)?.into() })
}

/// The measures.
pub fn measures() -> anyhow::Result<Vec<api::Measure>> {
    let rows: Vec<Measure> = serde_json::from_str(include_str!("../../data/measures.json"))?;
    rows.into_iter().map(measure).collect()
}

fn list(row: List, procedures: &BTreeMap<String, api::Procedure>) -> anyhow::Result<api::List> {
    let procedure = match row.procedure.as_str() {
        "" => None,
        named => {
            let found = procedures.get(named);
            Some(found.ok_or_else(|| anyhow::anyhow!("list {}: procedure {named}", row.list_id))?.clone())
        }
    };
    let kind = api::list::Kind::from_str_name(&row.kind);
    let kind = kind.ok_or_else(|| anyhow::anyhow!("list {}: kind {}", row.list_id, row.kind))?;
    Ok(api::List {
        status: status(&row.status)?.into(),
        list_id: row.list_id,
        name: row.name,
        kind: kind.into(),
        legal_basis: row.legal_basis,
        decided_by: row.decided_by,
        publication_months: row.publication_months,
        repair_after_months: row.repair_after_months,
        defence_working_days: row.defence_working_days,
        measures: row.measures,
        bases: row.bases.into_iter().map(basis).collect(),
        grounds: row.grounds,
        early_removal: row.early_removal,
        unknown: row.unknown,
        origin: row.origin,
        procedure,
        ..Default::default()
    })
}

fn measure(row: Measure) -> anyhow::Result<api::Measure> {
    let business = |name: &String| {
        let found = api::Business::from_str_name(name).map(i32::from);
        found.ok_or_else(|| anyhow::anyhow!("measure {}: business {name}", row.measure_id))
    };
    let businesses = row.businesses.iter().map(business).collect::<anyhow::Result<_>>()?;
    Ok(api::Measure {
        status: status(&row.status)?.into(),
        measure_id: row.measure_id,
        name: row.name,
        group: row.group,
        legal_basis: row.legal_basis,
        text: row.text,
        businesses,
        bases: row.bases.into_iter().map(basis).collect(),
        applied_by: row.applied_by,
        targets: row.targets,
        months_least: row.months_least,
        months_most: row.months_most,
        unknown: row.unknown,
        origin: row.origin,
        ..Default::default()
    })
}

fn status(name: &str) -> anyhow::Result<api::BasisStatus> {
    api::BasisStatus::from_str_name(name).ok_or_else(|| anyhow::anyhow!("status {name}"))
}

fn basis(row: Basis) -> api::LegalBasis {
    api::LegalBasis { document: row.document, article: row.article, from: row.from, until: row.until }
}

/// Puts the built-in wordings in where they are missing; what an operator has put or confirmed stays.
pub async fn seed(store: &Store, now: Timestamp) -> anyhow::Result<()> {
    let tx = store.begin().await?;
    let fresh = directory::seed(&tx, now, measures()?).await? + directory::seed(&tx, now, lists()?).await?;
    if fresh > 0 {
        tracing::info!(fresh, "built-in lists and measures are on file");
    }
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contract::discipline::v1::BasisStatus;

    use super::*;
    use crate::cases;

    #[test]
    fn what_is_shipped_keeps_its_own_rules() {
        let (lists, measures) = (lists().expect("lists"), measures().expect("measures"));
        let ids: BTreeSet<&str> = measures.iter().map(|measure| measure.measure_id.as_str()).collect();
        assert_eq!(ids.len(), measures.len());
        assert_eq!(lists.iter().map(|list| &list.list_id).collect::<BTreeSet<_>>().len(), lists.len());
        for list in &lists {
            let id = &list.list_id;
            assert!(list.measures.iter().all(|measure| ids.contains(measure.as_str())), "{id}");
            assert!(!list.origin.is_empty() && !list.legal_basis.is_empty(), "{id}");
            // What is verified and whole names its rule by article.
            let whole = list.status() == BasisStatus::Verified && list.unknown.is_empty();
            assert!(!whole || list.bases.iter().all(|basis| !basis.article.is_empty()), "{id}");
            assert_eq!(list.bases.is_empty(), list.unknown.contains(&String::from("legalBasis")), "{id}");
            assert_eq!(cases::contradiction(list), None, "{id}");
            let procedure = list.procedure.clone().unwrap_or_default();
            // Whoever publicises must know for how long; nobody told us.
            let publicised = procedure.publicity.is_some_and(|publicity| publicity.required);
            assert_eq!(publicised, list.kind() == api::list::Kind::Reward, "{id}");
            assert_eq!(publicised, list.unknown.contains(&String::from("procedure.publicityTerm")), "{id}");
            // A list that can be used as it stands would rest on what was read, in each part.
            let unread = [
                procedure.announcement.map(|term| term.status()),
                procedure.legal_review.map(|asked| asked.status()),
            ];
            assert!(
                !whole || unread.into_iter().flatten().all(|status| status == BasisStatus::Verified),
                "{id}"
            );
        }
        for measure in &measures {
            let id = &measure.measure_id;
            assert!(!measure.bases.is_empty() && !measure.origin.is_empty(), "{id}");
            assert!(measure.months_least <= measure.months_most, "{id}");
            let verified = measure.status() == BasisStatus::Verified;
            assert_eq!(verified, measure.unknown.is_empty(), "{id}");
            assert!(!verified || measure.bases.iter().all(|basis| !basis.article.is_empty()), "{id}");
        }
    }

    #[tokio::test]
    async fn what_nobody_touched_is_brought_up_to_date() {
        let trial = chassis::trial::Trial::at("2026-03-02T01:00:00Z");
        let store = trial.boot.store::<crate::Migrator>("discipline").await.expect("a store");
        let now = trial.boot.clock.now();
        let shipped = lists().expect("lists");
        let older =
            |at: usize| api::List { origin: String::from("旧版"), procedure: None, ..shipped[at].clone() };
        let tx = store.begin().await.expect("a transaction");
        directory::seed(&tx, now, vec![older(0), older(1)]).await.expect("seeded");
        // An official has put the second one.
        let context = chassis::Context::of_service("office", now, tokio_util::sync::CancellationToken::new());
        let own = api::List { legal_basis: String::from("自定依据"), ..older(1) };
        directory::write(&tx, &context, &own, 2).await.expect("written");
        tx.commit().await.expect("committed");
        for _ in 0..2 {
            seed(&store, now).await.expect("seeded");
            let current = |at: usize| directory::current::<api::List>(store.read(), &shipped[at].list_id);
            let first = current(0).await.expect("a read").expect("a list");
            let second = current(1).await.expect("a read").expect("a list");
            let told = api::List { update_time: None, ..first.wording };
            assert_eq!((first.version, told), (2, shipped[0].clone()), "once, and not again");
            assert_eq!((second.version, second.wording.legal_basis.as_str()), (2, "自定依据"));
        }
    }
}
