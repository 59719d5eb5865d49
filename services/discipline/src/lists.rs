//! Lists 名单目录: put, get, list.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, fault::Violation, page::Page};
use contract::{credit::v1 as credit, discipline::v1 as api};
use identifiers::Domain;

use crate::{Discipline, cases, directory};

/// The fields of a listing's record in credit.
pub const RECORD_FIELDS: [&str; 5] = ["listId", "listName", "case", "until", "department"];

/// Brings a list into its form and asks credit of the items that it names, before the transaction that keeps it. Where credit does not answer, nothing is kept.
pub async fn look_up(app: &Arc<Discipline>, _: &Context, request: &api::PutListRequest) -> Answer<api::List> {
    let mut list = request.list.clone().unwrap_or_default();
    normalise(&mut list)?;
    refuse_contradiction(&list)?;
    if !list.record_item.is_empty() {
        refuse_unsuitable(app.credit.item(&list.record_item).await?.as_ref(), &list.record_item)?;
    }
    let asked = list.procedure.as_ref().map(|procedure| procedure.evidence_items.as_slice());
    for (index, item) in asked.unwrap_or_default().iter().enumerate() {
        refuse_no_evidence(app.credit.item(item).await?.as_ref(), item, index)?;
    }
    Ok(list)
}

/// Puts a list.
pub async fn put(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    _: api::PutListRequest,
    list: api::List,
) -> Answer<api::List> {
    for (index, measure) in list.measures.iter().enumerate() {
        if directory::current::<api::Measure>(&**tx, measure).await?.is_none() {
            return Err(Fault::invalid(
                api::ErrorReason::MeasureUnknown.as_str_name(),
                format!("there is no measure \"{measure}\"; put it first"),
                format!("不存在措施“{measure}”；请先登记该措施"),
            )
            .at(format!("list.measures[{index}]")));
        }
    }
    directory::put(tx, context, list).await
}

// One form of each: domains by their codes, nothing twice.
fn normalise(list: &mut api::List) -> Answer<()> {
    let mut violations = Vec::new();
    if matches!(api::list::Kind::try_from(list.kind), Err(_) | Ok(api::list::Kind::Unspecified)) {
        violations.push(Violation::new("list.kind", "is PUNITIVE or REWARD", "应为 PUNITIVE 或 REWARD"));
    }
    for (index, domain) in list.domains.iter_mut().enumerate() {
        match Domain::parse(domain) {
            Ok(parsed) => *domain = parsed.code().to_owned(),
            Err(fault) => {
                let field = format!("list.domains[{index}]");
                violations.push(Violation::new(field, fault.message_en(), fault.message_zh()));
            }
        }
    }
    for (index, department) in list.decided_by.iter_mut().enumerate() {
        *department = department.trim().to_owned();
        if department.is_empty() {
            let field = format!("list.decidedBy[{index}]");
            violations.push(Violation::new(
                field,
                "is empty; name a department or leave it out",
                "为空；请填写部门或删去该项",
            ));
        }
    }
    list.domains.sort();
    for names in [&mut list.domains, &mut list.decided_by, &mut list.measures] {
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
    }
    if violations.is_empty() { Ok(()) } else { Err(Fault::fields(violations)) }
}

fn refuse_contradiction(list: &api::List) -> Answer<()> {
    let Some((part, en, zh)) = cases::contradiction(list) else { return Ok(()) };
    let field = format!("list.procedure.{part}");
    let fault =
        Fault::invalid(api::ErrorReason::ProcedureInvalid.as_str_name(), format!("{field}: {en}"), zh);
    Err(fault.at(field))
}

// A listing under it would never arrive in credit, and nobody would be told at that time.
fn refuse_unsuitable(item: Option<&credit::CatalogueItem>, id: &str) -> Answer<()> {
    let refuse = |en: String, zh: String| {
        Err(Fault::invalid(api::ErrorReason::ItemUnsuitable.as_str_name(), en, zh).at("list.recordItem"))
    };
    let Some(item) = item else {
        return refuse(
            format!("credit's catalogue has no item \"{id}\"; put it there first, or leave recordItem empty"),
            format!("信用目录中没有事项“{id}”；请先登记该事项，或不填 recordItem"),
        );
    };
    if item.nature() == credit::catalogue_item::Nature::Authorized {
        return refuse(
            format!(
                "item \"{id}\" needs the subject's authorization, under which no listing can be recorded"
            ),
            format!("事项“{id}”须经主体授权，不能用于登记名单信息"),
        );
    }
    let strange =
        item.fields.iter().find(|field| field.required && !RECORD_FIELDS.contains(&field.key.as_str()));
    if let Some(field) = strange {
        return refuse(
            format!(
                "item \"{id}\" requires the field {}, which a listing has not; it has {RECORD_FIELDS:?}",
                field.key
            ),
            format!("事项“{id}”要求字段{}，名单信息没有该字段；名单信息含{RECORD_FIELDS:?}", field.key),
        );
    }
    Ok(())
}

// No case could ever show a record of it, so that nobody could be listed, and nobody would be told at that time.
fn refuse_no_evidence(item: Option<&credit::CatalogueItem>, id: &str, index: usize) -> Answer<()> {
    let (en, zh) = match item {
        None => (
            format!(
                "credit's catalogue has no item \"{id}\", so that no evidence could be a record of it; put it there first, or leave it out"
            ),
            format!("信用目录中没有事项“{id}”，无法以其记录为证据；请先登记该事项，或删去"),
        ),
        Some(item) if item.nature() == credit::catalogue_item::Nature::Authorized => (
            format!(
                "item \"{id}\" is shared under the subject's authorization only, so that its records are no evidence here"
            ),
            format!("事项“{id}”须经主体授权方可共享，其记录不能作为证据"),
        ),
        Some(_) => return Ok(()),
    };
    let field = format!("list.procedure.evidenceItems[{index}]");
    Err(Fault::invalid(api::ErrorReason::EvidenceItemUnsuitable.as_str_name(), en, zh)
        .with("item", id)
        .at(field))
}

/// Gives a list.
pub async fn get(app: &Arc<Discipline>, _: &Context, request: api::GetListRequest) -> Answer<api::List> {
    let found = directory::current::<api::List>(app.store.read(), &request.list).await?;
    let entry = found.ok_or_else(|| Fault::not_found("list", "名单", &request.list))?;
    Ok(entry.wording)
}

/// Lists the lists.
pub async fn list(
    app: &Arc<Discipline>,
    _: &Context,
    request: api::ListListsRequest,
) -> Answer<api::ListListsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut lists = directory::all::<api::List>(app.store.read(), &page.after).await?;
    lists.retain(|list| request.kind == 0 || list.kind == request.kind);
    let next_page_token = page.cut(&mut lists, |list| list.list_id.clone());
    Ok(api::ListListsResponse { lists, next_page_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(fields: &[(&str, bool)], nature: credit::catalogue_item::Nature) -> credit::CatalogueItem {
        let field = |&(key, required): &(&str, bool)| credit::CatalogueField {
            key: key.into(),
            required,
            ..Default::default()
        };
        credit::CatalogueItem {
            fields: fields.iter().map(field).collect(),
            nature: nature.into(),
            ..Default::default()
        }
    }

    #[test]
    fn an_item_must_be_able_to_hold_a_listing() {
        use self::credit::catalogue_item::Nature::{Authorized, Public};
        assert!(refuse_unsuitable(Some(&item(&[("listId", true), ("other", false)], Public)), "x").is_ok());
        assert!(refuse_unsuitable(Some(&item(&[("other", true)], Public)), "x").is_err());
        assert!(refuse_unsuitable(Some(&item(&[], Authorized)), "x").is_err());
        assert!(refuse_unsuitable(None, "x").is_err());
    }

    #[test]
    fn evidence_is_a_record_that_can_be_shown() {
        use self::credit::catalogue_item::Nature::{Authorized, Public, Shared};
        for nature in [Public, Shared] {
            assert!(refuse_no_evidence(Some(&item(&[("other", true)], nature)), "x", 0).is_ok());
        }
        assert!(refuse_no_evidence(Some(&item(&[], Authorized)), "x", 0).is_err());
        assert!(refuse_no_evidence(None, "x", 0).is_err());
    }

    #[test]
    fn domains_take_one_form_and_nothing_stands_twice() {
        let mut list = api::List {
            kind: api::list::Kind::Reward.into(),
            domains: vec!["transport".into(), "D04".into(), "D09".into()],
            decided_by: vec![" taxation".into(), "taxation".into()],
            ..Default::default()
        };
        normalise(&mut list).expect("a list");
        assert_eq!(list.domains, ["D04", "D09"]);
        assert_eq!(list.decided_by, ["taxation"]);
        list.domains.push("D23".into());
        assert!(normalise(&mut list).is_err());
    }
}
