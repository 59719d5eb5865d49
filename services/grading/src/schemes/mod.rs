//! Schemes 评价制度: drafted, judged as a whole, published, retired; immutable once published.
pub mod examples;
mod mask;
pub mod measures;
pub mod publication;
pub mod rows;
pub mod rules;
pub mod validation;
mod versions;

use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, clock, ids, page::Page};
use contract::{
    credit::v1::CatalogueItem,
    grading::v1::{self as api, ErrorReason, Scheme, scheme::State},
};
use identifiers::Domain;

pub use self::versions::{Version, Versions};
use self::{rules::Audience, validation::judged};
use crate::{Grading, catalogue};

/// Who looks.
pub fn audience(context: &Context) -> Audience<'_> {
    let caller = &context.caller;
    if !caller.enterprise().is_empty() {
        return Audience::Enterprise(caller.enterprise());
    }
    let official = !caller.department().is_empty() || caller.is_office() || caller.is_service();
    if official { Audience::Department } else { Audience::Public }
}

/// The refusal of a scheme that is not there, or not for this caller.
pub fn unknown(scheme: &str) -> Fault {
    Fault::missing(
        ErrorReason::SchemeUnknown.as_str_name(),
        format!("there is no scheme \"{scheme}\"; list the schemes with GET /grading/v1/schemes"),
        format!("不存在评价制度“{scheme}”；请通过 GET /grading/v1/schemes 查询"),
    )
    .with("scheme", scheme)
}

/// The versions of a scheme, the newest first, for who may know of it.
pub async fn shown(app: &Grading, context: &Context, scheme: &str) -> Answer<Vec<Scheme>> {
    app.days.reach(context.today()).await?;
    let mut versions = rows::versions(app.store.read(), scheme).await?;
    versions.retain(|version| rules::is_shown(version, audience(context)));
    if versions.is_empty() { Err(unknown(scheme)) } else { Ok(versions) }
}

/// The published version of a scheme, for who may see grades under it.
pub async fn published(app: &Grading, context: &Context, scheme: &str) -> Answer<Scheme> {
    let versions = shown(app, context, scheme).await?;
    rules::in_state(&versions, State::Published).cloned().ok_or_else(|| unpublished(scheme))
}

/// The same for who may see everybody's: what is told to a subject alone is no list for others.
pub async fn disclosed_whole(app: &Grading, context: &Context, scheme: &str) -> Answer<Scheme> {
    let published = published(app, context, scheme).await?;
    if rules::discloses(rules::disclosure(&published), audience(context), "") {
        Ok(published)
    } else {
        Err(unknown(scheme))
    }
}

/// The refusal of what only a published scheme can do.
pub fn unpublished(scheme: &str) -> Fault {
    Fault::precondition(
        ErrorReason::SchemeNotPublished.as_str_name(),
        format!("scheme \"{scheme}\" has no published version; publish it first"),
        format!("评价制度“{scheme}”没有已发布的版本；请先发布"),
    )
    .with("scheme", scheme)
}

/// A department changes only its own schemes; the credit office acts for all.
pub fn owned(context: &Context, scheme: &Scheme) -> Answer<()> {
    let caller = &context.caller;
    if caller.is_office() || (!caller.department().is_empty() && caller.department() == scheme.department) {
        return Ok(());
    }
    Err(Fault::denied(
        ErrorReason::SchemeOfOtherDepartment.as_str_name(),
        format!(
            "scheme \"{}\" is {}'s; only that department or the credit office changes it",
            scheme.scheme_id, scheme.department
        ),
        format!("评价制度“{}”属于{}；只有该部门或信用联办可以修改", scheme.scheme_id, scheme.department),
    ))
}

/// Lists schemes.
pub async fn list(
    app: &Arc<Grading>,
    context: &Context,
    request: api::ListSchemesRequest,
) -> Answer<api::ListSchemesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let domain = match request.domain.as_str() {
        "" => "",
        given => {
            let parsed = Domain::parse(given);
            parsed.map_err(|fault| Fault::field("domain", fault.message_en(), fault.message_zh()))?.code()
        }
    };
    let state = request.state();
    let outsider = audience(context) != Audience::Department;
    app.days.reach(context.today()).await?;
    let filter = rows::Filter { domain, department: &request.department, state, outsider };
    let db = app.store.read();
    let mut schemes = rows::list(db, &filter, &page).await?;
    let next_page_token = page.cut(&mut schemes, |scheme| scheme.scheme_id.clone());
    for scheme in &mut schemes {
        *scheme = told(db, context, std::mem::take(scheme)).await?;
    }
    Ok(api::ListSchemesResponse { schemes, next_page_token })
}

/// Gives a scheme.
pub async fn get(app: &Arc<Grading>, context: &Context, request: api::GetSchemeRequest) -> Answer<Scheme> {
    let db = app.store.read();
    app.days.reach(context.today()).await?;
    let versions = rows::versions(db, &request.scheme).await?;
    let chosen = match request.version {
        0 => rules::presented(&versions),
        number => versions.iter().find(|version| version.version == number),
    };
    let shown = |scheme: &&Scheme| rules::is_shown(scheme, audience(context));
    let scheme = match chosen.filter(shown) {
        Some(scheme) => scheme,
        None if versions.iter().any(|version| shown(&version)) && request.version != 0 => {
            return Err(Fault::not_found(
                "version",
                "版本",
                &format!("{}/{}", request.scheme, request.version),
            ));
        }
        None => return Err(unknown(&request.scheme)),
    };
    told(db, context, scheme.clone()).await
}

/// A version as it is told: with the measures in force today and its warnings in the caller's language. What departments have
/// to say to each other about a draft is nobody else's affair.
pub async fn told(
    db: &impl sea_orm::ConnectionTrait,
    context: &Context,
    mut scheme: Scheme,
) -> Answer<Scheme> {
    let in_force = measures::in_force(db, &scheme, context.today()).await?;
    (scheme.measures, scheme.measures_version) = (in_force.measures, in_force.version);
    scheme.set_direction(rules::direction(scheme.scale()));
    if audience(context) == Audience::Department {
        validation::in_language(&mut scheme.warnings, context.language);
    } else {
        scheme.warnings.clear();
        scheme.acknowledged_warnings.clear();
    }
    Ok(scheme)
}

/// Credit's catalogue, fetched before the transaction in which a version is judged against it.
pub async fn catalogue_now<Request>(
    app: &Arc<Grading>,
    _context: &Context,
    _request: &Request,
) -> Answer<Vec<CatalogueItem>> {
    catalogue::fetch(&app.credit).await
}

/// Drafts a new scheme.
pub async fn create(
    _app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::CreateSchemeRequest,
    items: Vec<CatalogueItem>,
) -> Answer<Scheme> {
    let mut scheme = request.scheme.unwrap_or_default();
    if !scheme.measures.is_empty() {
        return Err(Fault::field(
            "measures",
            "are put by PUT /grading/v1/schemes/{scheme}/measures, not with the scheme; leave them out here",
            "监管措施请通过 PUT /grading/v1/schemes/{scheme}/measures 提交，不随评价制度提交",
        ));
    }
    if scheme.department.is_empty() {
        scheme.department = context.caller.department().to_owned();
    }
    let example = match scheme.from_example.as_str() {
        "" => None,
        id => Some(examples::find(id)?),
    };
    if let Some(example) = &example {
        scheme = examples::begin(example, scheme)?;
    }
    let drafted = fresh(context, 1, scheme)?;
    if !drafted.department.is_empty() {
        owned(context, &drafted)?;
    }
    let (drafted, catalogue) = judged(drafted, items, context.today())?;
    rows::insert(tx, &drafted, &catalogue).await?;
    if let Some(example) = example {
        measures::begin(tx, context, &drafted, example).await?;
    }
    told(&**tx, context, drafted).await
}

/// A draft that nobody has published yet.
pub fn fresh(context: &Context, version: i32, scheme: Scheme) -> Answer<Scheme> {
    Ok(Scheme {
        version,
        state: State::Draft as i32,
        etag: ids::fresh(context.now)?,
        create_time: Some(clock::wire(context.now)),
        effective_from: String::new(),
        publish_time: None,
        retire_time: None,
        acknowledged_warnings: Vec::new(),
        measures: Vec::new(),
        measures_version: 0,
        ..scheme
    })
}

/// Changes the draft.
pub async fn update(
    _app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::UpdateSchemeRequest,
    items: Vec<CatalogueItem>,
) -> Answer<Scheme> {
    let sent = request.scheme.unwrap_or_default();
    let versions = rows::versions(&**tx, &sent.scheme_id).await?;
    let newest = versions.first().ok_or_else(|| unknown(&sent.scheme_id))?;
    owned(context, newest)?;
    let draft = rules::in_state(&versions, State::Draft).ok_or_else(|| immutable(newest))?;
    if !sent.etag.is_empty() && sent.etag != draft.etag {
        return Err(Fault::aborted(
            ErrorReason::EtagMismatch.as_str_name(),
            "the draft was changed since it was read; read it again and repeat",
            "草案在读取之后已被修改；请重新读取后再试",
        )
        .at("etag"));
    }
    if !sent.measures.is_empty() && sent.measures != measures::of(&**tx, draft, context.today()).await? {
        return Err(Fault::field(
            "measures",
            "are changed by PUT /grading/v1/schemes/{scheme}/measures, not with the scheme",
            "监管措施请通过 PUT /grading/v1/schemes/{scheme}/measures 修改",
        ));
    }
    let mask = request.update_mask.unwrap_or_default();
    let mut merged =
        mask::merge(draft, &sent, &mask.paths).map_err(|violation| Fault::fields(vec![violation]))?;
    merged.etag = ids::fresh(context.now)?;
    let (merged, catalogue) = judged(merged, items, context.today())?;
    owned(context, &merged)?;
    if merged.version > 1 && merged.domain != newest.domain {
        return Err(Fault::field(
            "domain",
            "does not change from version to version; draft a scheme of its own for another domain",
            "各版本的监管领域不能改变；其他领域请另行起草评价制度",
        ));
    }
    if let Some(before) = versions.iter().find(|version| version.state() != State::Draft)
        && let Some(mixed) = rules::judge_scale(before, &merged)
    {
        return Err(Fault::fields(vec![mixed]));
    }
    rows::replace(tx, &merged, &draft.etag, Some(&catalogue)).await?;
    told(&**tx, context, merged).await
}

fn immutable(scheme: &Scheme) -> Fault {
    let id = &scheme.scheme_id;
    Fault::precondition(
        ErrorReason::SchemeImmutable.as_str_name(),
        format!("scheme \"{id}\" is published and can't be changed; open a new version with :newVersion"),
        format!("评价制度“{id}”已发布，不能修改；请用 :newVersion 新建版本"),
    )
}
