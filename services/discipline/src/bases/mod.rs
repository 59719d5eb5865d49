//! What lists and measures rest on 法律依据: the built-in ones, their confirmation, and what lost its basis.
mod built_in;
mod rules;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    decisions::{self, Decision},
    storage::sql,
};
use contract::discipline::v1::{self as api, BasisStatus, ErrorReason};
use jiff::civil::Date;
use sea_orm::FromQueryResult;
use serde_json::json;

pub use built_in::seed;

use self::rules::Unusable;
use crate::{
    Discipline, changes,
    directory::{self, Wording},
    listings,
};

/// Whether a wording may be used on a day.
pub fn usable(wording: &impl Wording, on: Date) -> bool {
    rules::judge(wording.status(), wording.unknown(), wording.bases(), on).is_ok()
}

/// Refuses a wording that may not be used on a day.
pub fn refuse_unusable<W: Wording>(wording: &W, on: Date) -> Answer<()> {
    let (shelf, id) = (W::SHELF, wording.id());
    let Err(why) = rules::judge(wording.status(), wording.unknown(), wording.bases(), on) else {
        return Ok(());
    };
    Err(match why {
        Unusable::Unconfirmed => Fault::precondition(
            ErrorReason::BasisUnconfirmed.as_str_name(),
            format!(
                "{shelf} \"{id}\" is built in and {}: it can't be used until the credit office confirms it or puts a wording of its own",
                wording.status().as_str_name()
            ),
            format!("“{id}”为内置内容，尚未核实（{}）；须经信用联办核实确认或另行登记后方可使用", wording.status().as_str_name()),
        )
        .with("unknown", wording.unknown().join(", ")),
        Unusable::NotInForce { ended_on } => {
            let ended = ended_on.map(|day| day.to_string()).unwrap_or_default();
            Fault::precondition(
                ErrorReason::BasisNotInForce.as_str_name(),
                format!("none of the rules that {shelf} \"{id}\" rests on is in force on {on}; name the one that is"),
                format!("“{id}”的依据在{on}均未施行或已失效；请登记现行有效的依据"),
            )
            .with("endedOn", ended)
        }
    })
}

/// Refuses rules that end before they begin.
pub fn refuse_backwards<W: Wording>(wording: &W) -> Answer<()> {
    let Some(index) = rules::backwards(wording.bases()) else { return Ok(()) };
    Err(Fault::invalid(
        ErrorReason::BasisDatesInvalid.as_str_name(),
        "the rule ends before it begins; correct from or until",
        "依据的失效日期早于施行日期；请改正",
    )
    .at(format!("{}.bases[{index}].until", W::SHELF)))
}

/// Confirms a built-in list.
pub async fn confirm_list(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::ConfirmListRequest,
) -> Answer<api::List> {
    let entry = directory::held::<api::List>(tx, &request.list).await?;
    let entry = entry.ok_or_else(|| Fault::not_found("list", "名单", &request.list))?;
    let mut list = refuse_confirmed(entry.wording)?;
    list.answer_for(BasisStatus::Confirmed);
    list.confirmation = Some(confirmation(context, request.document));
    confirm(tx, context, list, entry.version).await
}

/// Confirms a built-in measure.
pub async fn confirm_measure(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::ConfirmMeasureRequest,
) -> Answer<api::Measure> {
    let entry = directory::held::<api::Measure>(tx, &request.measure).await?;
    let entry = entry.ok_or_else(|| Fault::not_found("measure", "措施", &request.measure))?;
    let mut measure = refuse_confirmed(entry.wording)?;
    measure.answer_for(BasisStatus::Confirmed);
    measure.confirmation = Some(confirmation(context, request.document));
    confirm(tx, context, measure, entry.version).await
}

fn confirmation(context: &Context, document: String) -> api::Confirmation {
    api::Confirmation { by: context.caller.name().to_owned(), at: Some(wire(context.now)), document }
}

fn refuse_confirmed<W: Wording>(wording: W) -> Answer<W> {
    if !wording.unknown().is_empty() {
        let unknown = wording.unknown().join(", ");
        return Err(Fault::precondition(
            ErrorReason::BasisIncomplete.as_str_name(),
            format!("of \"{}\" these are not known: {unknown}; put the wording with them", wording.id()),
            format!("“{}”尚缺：{unknown}；请补全后登记", wording.id()),
        )
        .with("unknown", unknown));
    }
    if !matches!(wording.status(), BasisStatus::Secondary | BasisStatus::Unverified) {
        let status = wording.status().as_str_name();
        return Err(Fault::precondition(
            ErrorReason::ConfirmedAlready.as_str_name(),
            format!("\"{}\" is {status} and needs no confirmation", wording.id()),
            format!("“{}”的状态为{status}，无需核实", wording.id()),
        ));
    }
    Ok(wording)
}

async fn confirm<W: Wording>(tx: &Tx, context: &Context, mut wording: W, version: i32) -> Answer<W> {
    *wording.update_time() = Some(wire(context.now));
    directory::write(tx, context, &wording, version + 1).await?;
    let document =
        wording.confirmation().map(|confirmation| confirmation.document.as_str()).unwrap_or_default();
    let detail = json!({ "id": wording.id(), "version": version + 1, "document": document });
    let kind = format!("{}.confirmed", W::SHELF);
    let decision = Decision { kind: &kind, subject: wording.id(), basis: wording.legal_basis(), detail };
    decisions::record(tx, context, decision).await?;
    changes::append_wording(tx).await?;
    Ok(wording)
}

#[derive(FromQueryResult)]
struct Live {
    list_id: String,
    list_version: i32,
    consequences: Option<Vec<u8>>,
    listings: i64,
}

/// Lists what lost its basis, and how many live listings rest on it.
pub async fn lapses(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::GetLapsesRequest,
) -> Answer<api::GetLapsesResponse> {
    let on =
        if request.on.is_empty() { context.today() } else { request.on.parse().map_err(Fault::internal)? };
    let db = app.store.read();
    let text = "SELECT list_id, list_version, consequences, COUNT(*) AS listings FROM listings WHERE state IN (1, 2) \
                AND (until_on = '' OR until_on >= $1) GROUP BY list_id, list_version, consequences";
    let live = Live::find_by_statement(sql(db, text, [on.to_string().into()])).all(db).await?;
    let (mut of_list, mut of_measure) =
        (BTreeMap::<String, i64>::new(), BTreeMap::<String, (i64, Vec<String>)>::new());
    let wordings = directory::every_version::<api::List>(db).await?;
    for row in live {
        *of_list.entry(row.list_id.clone()).or_default() += row.listings;
        // A listing keeps the wording that it was decided under, and the measures that this named, or fewer where less was decided.
        let wording = wordings.get(&(row.list_id.clone(), row.list_version));
        let decided = listings::decided(row.consequences.as_deref());
        let follows =
            |measure: &&String| decided.as_ref().is_none_or(|decided| decided.measures.contains(measure));
        for measure in wording.into_iter().flat_map(|list| &list.measures).filter(follows) {
            let (count, lists) = of_measure.entry(measure.clone()).or_default();
            *count += row.listings;
            if !lists.contains(&row.list_id) {
                lists.push(row.list_id.clone());
            }
        }
    }
    let mut lapses = Vec::new();
    for list in directory::all::<api::List>(db, "").await? {
        if rules::in_force(&list.bases, on) {
            continue;
        }
        let listings = of_list.get(&list.list_id).copied().unwrap_or_default();
        let lists = if listings > 0 { vec![list.list_id.clone()] } else { vec![] };
        lapses.push(api::Lapse {
            list_id: list.list_id.clone(),
            ..lapse(&list, &list.name, on, listings, lists)?
        });
    }
    for measure in directory::all::<api::Measure>(db, "").await? {
        if rules::in_force(&measure.bases, on) {
            continue;
        }
        let (listings, lists) = of_measure.get(&measure.measure_id).cloned().unwrap_or_default();
        let told = lapse(&measure, &measure.name, on, listings, lists)?;
        lapses.push(api::Lapse { measure_id: measure.measure_id.clone(), ..told });
    }
    Ok(api::GetLapsesResponse { lapses })
}

fn lapse(
    wording: &impl Wording,
    name: &str,
    on: Date,
    listings: i64,
    lists: Vec<String>,
) -> Answer<api::Lapse> {
    Ok(api::Lapse {
        name: name.to_owned(),
        ended_on: rules::ended_on(wording.bases(), on).map(|day| day.to_string()).unwrap_or_default(),
        bases: wording.bases().to_vec(),
        listings: i32::try_from(listings).map_err(Fault::internal)?,
        lists,
        ..Default::default()
    })
}
