//! The national evaluation 公共信用综合评价: lists handed in, exported, answered by results, fetched.
mod results;
mod rows;
mod rules;
mod upload;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{business_day, micros},
    decisions::{self, Decision},
    file::{File, tag_of},
    ids,
    page::Page,
};
use contract::{credit::v1 as api, r#type::v1::ErrorReason as Common};
use futures::{StreamExt, stream};
use identifiers::{Department, Domain};
use serde_json::json;

pub use results::import;
pub use upload::upload;

use crate::{
    Credit, accesses,
    files::{self, Format, Writer},
    outcomes::{self, Submitter},
    scales, subjects,
};
use rows::{Filter, List};

/// Hands a list in.
pub async fn create(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::CreateEvaluationListRequest,
) -> Answer<api::EvaluationList> {
    let department = Submitter::of(context)?.department;
    let codes = rules::codes(&request.uscc).map_err(Fault::fields)?;
    let asked: Vec<&str> = codes.keys().map(String::as_str).collect();
    let named = subjects::names(&**tx, &asked).await?;
    let strange = rules::unknown(&codes, |code| named.contains_key(code));
    if !strange.is_empty() {
        return Err(Fault::fields(strange));
    }
    let scale = match request.scale_id.trim() {
        "" => None,
        given => Some(scales::require(&**tx, given, &context.today().to_string()).await?),
    };
    let entries: BTreeMap<String, String> = named.into_iter().collect();
    let (taken, given) = (entries.len(), request.uscc.len());
    let list = List {
        list_id: ids::fresh(context.now)?,
        domain: domain(&request.domain)?,
        department,
        scale_id: scale.as_ref().map(|scale| scale.scale_id.clone()).unwrap_or_default(),
        scale_version: scale.map_or(0, |scale| scale.version),
        created_at: micros(context.now),
        created_by: context.caller.name().to_owned(),
        entries: i32::try_from(taken).map_err(Fault::internal)?,
        repeated: i32::try_from(given - taken).map_err(Fault::internal)?,
        answered: 0,
        answered_at: None,
        exported_at: None,
        exported_by: String::new(),
    };
    rows::insert(tx, &list, &entries).await?;
    let detail = json!({ "domain": list.domain, "entries": list.entries, "scale": list.scale_id });
    decide(context, tx, "evaluation-list.created", &list.list_id, detail).await?;
    Ok(list.wire())
}

// Into the record of decisions.
async fn decide(context: &Context, tx: &Tx, kind: &str, list: &str, detail: serde_json::Value) -> Answer<()> {
    let basis = "发改办财金〔2019〕885号";
    decisions::record(tx, context, Decision { kind, subject: list, basis, detail }).await
}

fn domain(given: &str) -> Answer<String> {
    let domain = Domain::parse(given)
        .map_err(|fault| Fault::field("domain", fault.message_en(), fault.message_zh()))?;
    Ok(domain.code().to_owned())
}

/// Refuses everybody but the office.
pub fn office_only(context: &Context) -> Answer<()> {
    if context.caller.is_office() && context.caller.enterprise().is_empty() {
        return Ok(());
    }
    Err(Fault::denied(
        Common::ScopeMissing.as_str_name(),
        "only the credit office keeps scales and imports results; hand them to it",
        "评价等级体系的维护和评价结果的导入由信用联办办理；请提交信用联办",
    ))
}

// A list, if the caller may see it: its department's own clients and the office's. Others do not learn that it is there.
async fn visible(app: &Credit, context: &Context, list: &str) -> Answer<List> {
    let caller = &context.caller;
    if !caller.enterprise().is_empty() {
        return Err(outcomes::not_for_enterprises());
    }
    let found = rows::get(app.store.read(), list).await?;
    let department = Submitter::of(context)?.department;
    found.filter(|found| caller.is_office() || found.department == department).ok_or_else(|| missing(list))
}

fn missing(list: &str) -> Fault {
    Fault::not_found("evaluation list", "评价主体名单", list).at("evaluationListId")
}

/// Gives a list.
pub async fn get(
    app: &Arc<Credit>,
    context: &Context,
    request: api::GetEvaluationListRequest,
) -> Answer<api::EvaluationList> {
    Ok(visible(app, context, &request.evaluation_list_id).await?.wire())
}

/// Lists lists.
pub async fn list(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListEvaluationListsRequest,
) -> Answer<api::ListEvaluationListsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let own = Submitter::of(context)?.department;
    let domain = if request.domain.is_empty() { String::new() } else { domain(&request.domain)? };
    let department = match request.department.trim() {
        given if context.caller.is_office() => given,
        given if given.is_empty() || given == own => own.as_str(),
        given => {
            return Err(Fault::denied(
                Common::ScopeMissing.as_str_name(),
                format!("the lists of {given} are its own and the credit office's; leave department out"),
                format!("{given}的名单仅限其自身和信用联办查看；请不要填写department"),
            ));
        }
    };
    let filter = Filter { department, domain: &domain, waiting: request.waiting };
    let mut lists = rows::list(app.store.read(), &filter, &page).await?;
    let next_page_token = page.cut(&mut lists, |list| list.list_id.clone());
    let evaluation_lists = lists.into_iter().map(List::wire).collect();
    Ok(api::ListEvaluationListsResponse { evaluation_lists, next_page_token })
}

/// Gives enterprises of a list with their results. Results are shared among departments, not public: the look is written down.
pub async fn entries(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListEvaluationEntriesRequest,
) -> Answer<api::ListEvaluationEntriesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let list = visible(app, context, &request.evaluation_list_id).await?;
    let purpose = context.purpose(&request.purpose)?;
    let db = app.store.read();
    let mut entries = rows::entries(db, &list.list_id, request.answered, &page.after, page.fetch()).await?;
    let next_page_token = page.cut(&mut entries, |entry| entry.uscc.clone());
    let with_results: BTreeSet<&str> =
        entries.iter().filter(|entry| entry.answered).map(|entry| entry.uscc.as_str()).collect();
    let codes: Vec<&str> = with_results.iter().copied().collect();
    let mut results = rows::results(db, &list.list_id, &codes).await?;
    accesses::log_all(app, context, purpose, with_results, &format!("evaluation:{}", list.list_id)).await?;
    let (waiting_since, answered) = (list.waiting_since(), list.answered);
    let entries = entries.into_iter().map(|entry| {
        let results = results.remove(&entry.uscc).unwrap_or_default();
        api::EvaluationEntry {
            answered: entry.answered,
            results: results.into_iter().map(api::EvaluationResult::from).collect(),
            waiting_since: waiting_since.filter(|_| !entry.answered),
            uscc: entry.uscc,
            name: entry.name,
        }
    });
    let entries = entries.collect();
    let unanswered = list.entries - answered;
    Ok(api::ListEvaluationEntriesResponse { entries, next_page_token, answered, unanswered })
}

// Enterprises a page of the file.
const PAGE: u64 = 5_000;

/// Exports a list as a file.
pub async fn export(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ExportEvaluationListRequest,
) -> Answer<File> {
    let list = visible(app, context, &request.evaluation_list_id).await?;
    let tx = app.store.begin().await?;
    if rows::exported(&tx, context.now, &list.list_id, context.caller.name()).await? {
        let detail = json!({ "entries": list.entries, "department": list.department });
        decide(context, &tx, "evaluation-list.exported", &list.list_id, detail).await?;
    }
    tx.commit().await?;
    // The exchange's front-end machine receives lists under this name (发改办财金〔2019〕885号).
    let day = business_day(chassis::clock::from_micros(list.created_at)).strftime("%Y%m%d").to_string();
    let name = format!("ggxypj-{day}-{}.csv", list.list_id);
    let tagged = list.list_id.clone();
    let headings = ["序号", "统一社会信用代码", "主体名称", "所属领域", "报送单位"];
    let mut writer = Writer::begin(Format::Csv, "")?;
    let first = writer.head(&headings.map(str::to_owned))?;
    let (app, language) = (app.clone(), context.language);
    let from = Department::parse(&list.department)
        .map_or_else(|_| list.department.clone(), |known| known.name().to_owned());
    let domain =
        Domain::parse(&list.domain).map_or_else(|_| list.domain.clone(), |known| known.name().to_owned());
    let pages = stream::unfold(Some((writer, String::new(), 0_usize)), move |state| {
        let (app, list, from, domain) = (app.clone(), list.list_id.clone(), from.clone(), domain.clone());
        async move {
            let (mut writer, after, before) = state?;
            let page = async {
                let entries = rows::entries(app.store.read(), &list, None, &after, PAGE).await?;
                let last = entries.last().map(|entry| entry.uscc.clone());
                let count = entries.len();
                let row = |(number, entry): (usize, rows::Entry)| {
                    vec![
                        (before + number + 1).to_string(),
                        entry.uscc,
                        entry.name,
                        domain.clone(),
                        from.clone(),
                    ]
                };
                let bytes = writer.rows(&entries.into_iter().enumerate().map(row).collect::<Vec<_>>())?;
                Ok((bytes, last.map(|last| (writer, last, before + count))))
            };
            match page.await {
                Ok((_, None)) => None,
                Ok((bytes, next)) => Some((Ok(bytes), next)),
                Err(fault) => Some((Err(Fault::into_status(fault, language)), None)),
            }
        }
    });
    // Who stands on a list, under which name, does not change any more.
    let tag = tag_of(&["evaluation-list", &tagged]);
    Ok(files::file(name, Format::Csv, stream::iter([Ok(first)]).chain(pages)).tagged(&tag))
}
