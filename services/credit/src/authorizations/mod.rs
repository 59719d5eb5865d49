//! Authorizations 授权: subjects let departments take and see what the law leaves to the subjects' own will.
mod rows;
pub mod rules;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use chassis::{
    Answer, Context, Fault, Tx,
    decisions::{self, Decision},
    ids,
    page::Page,
};
use contract::{
    credit::v1::{self as api, authorization::State, catalogue_item::Nature},
    r#type::v1::ErrorReason as Common,
};
use jiff::civil::Date;
use sea_orm::ConnectionTrait;
use serde_json::json;

use rows::{Covering, Filter};
use rules::Party;

use crate::{
    Credit,
    accesses::{self, Asked},
    changes,
    items::{self, Item},
    outcomes, subjects,
};

/// What subjects have granted to a department: by subject and item the grant's id.
#[derive(Debug, Default)]
pub struct Granted(BTreeMap<String, BTreeMap<String, String>>);

impl Granted {
    fn put(&mut self, uscc: &str, item: &str, id: &str) {
        self.0.entry(uscc.to_owned()).or_default().insert(item.to_owned(), id.to_owned());
    }

    /// The grant of a subject that opens an item.
    pub fn of(&self, uscc: &str, item: &str) -> Option<&str> {
        self.0.get(uscc)?.get(item).map(String::as_str)
    }

    /// The grants of a subject that open those of these items that need one.
    pub fn used<'a>(&self, uscc: &str, items: impl IntoIterator<Item = &'a Item>) -> BTreeSet<String> {
        let in_need = items.into_iter().filter(|item| item.body.nature() == Nature::Authorized);
        in_need.filter_map(|item| self.of(uscc, &item.body.item)).map(str::to_owned).collect()
    }
}

/// What a subject has granted to who asks, for the purpose of asking. The credit office is a department like the others; a service of the suite
/// is none.
pub async fn granted(app: &Credit, context: &Context, asked: &Asked) -> Answer<Granted> {
    if !asked.any_grants {
        return Ok(Granted::default());
    }
    let department = context.caller.department();
    for_reading(app, department, asked.purpose(), &[&asked.subject.uscc], context.today()).await
}

/// What subjects have granted to a department for a purpose. A grant is to a purpose in the words that it was given in: a read for another one, or
/// for none, is not under it.
pub async fn for_reading(
    app: &Credit,
    department: &str,
    purpose: &str,
    codes: &[&str],
    today: Date,
) -> Answer<Granted> {
    let purpose = purpose.trim();
    if purpose.is_empty() {
        return Ok(Granted::default());
    }
    let covering = Covering { department, purpose: Some(purpose), today };
    rows::covering(app.store.read(), &covering, codes).await
}

/// What subjects have granted to a department for whichever purpose, so that it may take in.
pub async fn for_intake(
    db: &impl ConnectionTrait,
    department: &str,
    codes: &BTreeSet<&str>,
    today: Date,
) -> Answer<Granted> {
    let codes: Vec<&str> = codes.iter().copied().collect();
    rows::covering(db, &Covering { department, purpose: None, today }, &codes).await
}

/// The same, where none of the grants is taken back before the transaction ends.
pub async fn for_intake_held(
    tx: &Tx,
    department: &str,
    codes: &BTreeSet<&str>,
    today: Date,
) -> Answer<Granted> {
    let codes: Vec<&str> = codes.iter().copied().collect();
    rows::covering_held(tx, &Covering { department, purpose: None, today }, &codes).await
}

/// Refuses an item that needs a grant to a department that holds none of anybody's: no row of it could be taken in.
pub async fn any(app: &Credit, department: &str, item: &Item, today: Date) -> Answer<()> {
    if item.body.nature() != Nature::Authorized
        || rows::any(app.store.read(), department, &item.body.item, today).await?
    {
        return Ok(());
    }
    Err(required(&item.body))
}

/// Those of these grants that are in force.
pub async fn in_force(app: &Credit, ids: &BTreeSet<&str>, today: Date) -> Answer<HashSet<String>> {
    let ids: Vec<&str> = ids.iter().copied().collect();
    rows::in_force(app.store.read(), &ids, today).await
}

/// The refusal of an item without a grant, for a whole call.
pub fn required(item: &api::CatalogueItem) -> Fault {
    let violation = rules::required(&item.item, &item.name);
    Fault::denied(violation.reason, violation.text.en, violation.text.zh).with("item", &item.item)
}

fn party(context: &Context) -> Party<'_> {
    let caller = &context.caller;
    Party {
        enterprise: caller.enterprise(),
        department: caller.department(),
        office: caller.is_office(),
        service: caller.is_service(),
    }
}

/// Takes a grant down.
pub async fn create(
    app: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::CreateAuthorizationRequest,
) -> Answer<api::Authorization> {
    let caller = &context.caller;
    let code = outcomes::code_asked(&request.uscc)?;
    let department = outcomes::free_text("department", &request.department, 100).map_err(outcomes::fault)?;
    let recorded_for = match caller.enterprise() {
        "" => may_record(context, &department)?,
        own if own == code.as_str() => "",
        _ => return Err(outcomes::not_for_enterprises()),
    };
    let subject = subjects::require(&app.store, &code).await?;
    let purpose = outcomes::free_text("purpose", &request.purpose, 200).map_err(outcomes::fault)?;
    if department.is_empty() || purpose.is_empty() {
        let field = if department.is_empty() { "department" } else { "purpose" };
        return Err(Fault::field(field, "is required", "为必填项"));
    }
    let paper = rules::paper(&request, !recorded_for.is_empty()).map_err(outcomes::fault)?;
    let text_version =
        outcomes::free_text("textVersion", &request.text_version, 64).map_err(outcomes::fault)?;
    let term =
        rules::term(&request.valid_from, &request.valid_until, context.today()).map_err(outcomes::fault)?;
    let mut grant = api::Authorization {
        authorization_id: ids::fresh(context.now)?,
        uscc: subject.uscc,
        items: grantable(tx, &request.items).await?,
        department,
        purpose,
        valid_from: term.from.to_string(),
        valid_until: term.until.to_string(),
        evidence: paper.evidence,
        evidence_hash: paper.hash,
        text_version,
        create_time: Some(changes::stamp(context.now)),
        recorded_by: caller.name().to_owned(),
        recorded_for: recorded_for.to_owned(),
        basis: term.basis.to_owned(),
        ..Default::default()
    };
    grant.state = rules::state(&grant.valid_from, &grant.valid_until, false, context.today()).into();
    changes::append_authorization(tx, context.now, &grant).await?;
    grant.position = tx.position().map(|position| position.to_string()).unwrap_or_default();
    rows::insert(tx, context.now, &grant).await?;
    tell(context, tx, "authorization.given", &grant).await?;
    Ok(grant)
}

// For whom a client that is no enterprise's records a grant: its own department, and only one made to it; the office any.
fn may_record<'a>(context: &'a Context, made_to: &str) -> Answer<&'a str> {
    let caller = &context.caller;
    let own = caller.department();
    if own.is_empty() && !caller.is_office() {
        return Err(of_no_department());
    }
    if !caller.is_office() && own != made_to {
        return Err(Fault::denied(
            api::ErrorReason::GrantNotToDepartment.as_str_name(),
            format!(
                "{own} records the grants made to it; let {made_to} or the credit office record this one"
            ),
            format!("{own}只能登记对本单位的授权；请由{made_to}或信用联办登记"),
        )
        .at("department"));
    }
    Ok(if own.is_empty() { identifiers::Department::CREDIT_OFFICE.slug() } else { own })
}

fn of_no_department() -> Fault {
    Fault::denied(
        Common::ScopeMissing.as_str_name(),
        "grants concern the enterprise, departments and the credit office; the client belongs to none of them",
        "授权只涉及企业、部门和信用联办；该客户端不属于其中任何一方",
    )
}

// The items asked for, each once and in order, if all of them are in the catalogue and need a grant.
async fn grantable(tx: &Tx, asked: &[String]) -> Answer<Vec<String>> {
    let names: BTreeSet<&str> = asked.iter().map(|name| name.trim()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let known = items::named(&**tx, &names).await?;
    for name in &names {
        match known.get(*name) {
            Some(item) => rules::grantable(&item.body).map_err(outcomes::fault)?,
            None => return Err(items::unknown(name).at("items")),
        }
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

// Into the record of decisions.
async fn tell(context: &Context, tx: &Tx, kind: &str, grant: &api::Authorization) -> Answer<()> {
    let detail = json!({
        "authorization": grant.authorization_id, "items": grant.items, "department": grant.department,
        "purpose": grant.purpose, "validFrom": grant.valid_from, "validUntil": grant.valid_until,
        "evidence": grant.evidence, "evidenceHash": grant.evidence_hash, "textVersion": grant.text_version,
        "recordedFor": grant.recorded_for, "revokeReason": grant.revoke_reason,
    });
    decisions::record(tx, context, Decision { kind, subject: &grant.uscc, basis: &grant.basis, detail }).await
}

/// Takes a grant back.
pub async fn revoke(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::RevokeAuthorizationRequest,
) -> Answer<api::Authorization> {
    let id = &request.authorization_id;
    let found = rows::get_for_update(tx, id, context.today()).await?;
    let mut grant = found.filter(|grant| seen(context, grant)).ok_or_else(|| missing(id))?;
    if !rules::may_revoke(party(context), &grant.uscc, &grant.recorded_for) {
        return Err(Fault::denied(
            Common::ScopeMissing.as_str_name(),
            "a grant is taken back by the enterprise, by the department that recorded it, or by the credit office",
            "授权由企业、登记该授权的部门或信用联办撤回",
        ));
    }
    if grant.state() == State::Revoked {
        return Err(Fault::precondition(
            api::ErrorReason::AuthorizationRevoked.as_str_name(),
            "the grant was taken back before; have a new one given if it shall hold again",
            "该授权此前已撤回；如需恢复请重新授权",
        ));
    }
    let reason = outcomes::free_text("reason", &request.reason, 1_000).map_err(outcomes::fault)?;
    if reason.is_empty() && context.caller.enterprise().is_empty() {
        return Err(Fault::field(
            "reason",
            "is required of who is not the enterprise",
            "非企业本身撤回须说明理由",
        ));
    }
    let before = std::mem::take(&mut grant.position);
    grant.revoke_time = Some(changes::stamp(context.now));
    grant.revoked_by = context.caller.name().to_owned();
    grant.revoke_reason = reason;
    grant.state = State::Revoked.into();
    changes::append_authorization(tx, context.now, &grant).await?;
    changes::in_order(tx, [before.as_str()])?;
    grant.position = tx.position().map(|position| position.to_string()).unwrap_or_default();
    rows::revoke(tx, context.now, &grant).await?;
    tell(context, tx, "authorization.revoked", &grant).await?;
    Ok(grant)
}

fn seen(context: &Context, grant: &api::Authorization) -> bool {
    rules::may_see(party(context), &grant.uscc, &grant.department, &grant.recorded_for)
}

fn missing(id: &str) -> Fault {
    Fault::not_found("authorization", "授权", id)
}

/// Gives a grant. Whose it is not does not learn that it is there.
pub async fn get(
    app: &Arc<Credit>,
    context: &Context,
    request: api::GetAuthorizationRequest,
) -> Answer<api::Authorization> {
    let id = &request.authorization_id;
    let found = rows::get(app.store.read(), id, context.today()).await?;
    let grant = found.filter(|grant| seen(context, grant)).ok_or_else(|| missing(id))?;
    let asked = accesses::ask(app, context, &grant.uscc, &request.purpose).await?;
    accesses::log(app, context, &asked, &format!("authorization:{id}")).await?;
    Ok(grant)
}

/// Lists grants.
pub async fn list(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListAuthorizationsRequest,
) -> Answer<api::ListAuthorizationsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let caller = &context.caller;
    let code = match request.uscc.as_str() {
        "" => String::new(),
        given => outcomes::code_asked(given)?.as_str().to_owned(),
    };
    let item = request.item.trim();
    if !item.is_empty() {
        items::require(&app.store, item).await?;
    }
    let (uscc, concerning) = match caller.enterprise() {
        "" if caller.is_office() || caller.is_service() => (code.as_str(), ""),
        "" if caller.department().is_empty() => return Err(of_no_department()),
        "" => (code.as_str(), caller.department()),
        own if code.is_empty() || code == own => (own, ""),
        _ => return Err(outcomes::not_for_enterprises()),
    };
    let filter =
        Filter { uscc, department: request.department.trim(), item, state: request.state(), concerning };
    let mut grants = rows::list(app.store.read(), &filter, &page, context.today()).await?;
    let next_page_token = page.cut(&mut grants, |grant| grant.authorization_id.clone());
    if caller.enterprise().is_empty() {
        let subjects: BTreeSet<&str> = grants.iter().map(|grant| grant.uscc.as_str()).collect();
        accesses::log_all(app, context, context.purpose(&request.purpose)?, subjects, "authorizations")
            .await?;
    }
    Ok(api::ListAuthorizationsResponse { authorizations: grants, next_page_token })
}
