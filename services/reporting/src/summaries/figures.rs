//! The figures of a summary, asked of the services that own them, and kept with it.
use std::sync::Arc;

use chassis::{
    Answer, Context,
    clock::wire,
    language::{Language, Text},
};
use contract::{
    grading::v1 as grading,
    reporting::v1 as api,
    sampling::v1::{self as sampling, draw},
};
use futures::future::{OptionFuture, try_join, try_join4};
use identifiers::Domain;
use jiff::Timestamp;
use prost::Message;
use sha2::{Digest as _, Sha256};

use crate::{Reporting, coverage};

/// Reads the figures of a domain and period; grades and measures as they were at the end of its last day, or are today.
pub async fn read(
    app: &Arc<Reporting>,
    context: &Context,
    domain: Domain,
    from: &str,
    to: &str,
) -> Answer<api::Summary> {
    let (code, sources) = (domain.code(), &app.sources);
    let schemes = sources.schemes().await?;
    let speaking = coverage::rules::speaking(&schemes, domain, to);
    let id = speaking.map(|scheme| scheme.scheme_id.as_str());
    let today = context.today().to_string();
    let on = to.min(today.as_str());
    let of_scheme = try_join(
        async {
            OptionFuture::from(id.map(|id| try_join(sources.distribution(id, on), sources.measures(id, on))))
                .await
                .transpose()
        },
        async { OptionFuture::from(id.map(|id| sources.effect(id, from, to))).await.transpose() },
    );
    let (credit, draws, discipline, (graded, effect)) = try_join4(
        sources.of_credit(code, from, to),
        sources.draws(from, to),
        sources.of_discipline(code, from, to),
        of_scheme,
    )
    .await?;
    let (grades, measures) = graded.unwrap_or_default();
    let drawn = coverage::rules::drawn(&draws, &schemes, domain);
    let figures = [
        ("credit", "subjects", credit.subjects),
        ("credit", "records", credit.records),
        ("grading", "graded", grades.graded),
        ("sampling", "drawn", drawn.drawn),
        ("sampling", "visited", drawn.visited),
        ("sampling", "found", drawn.found),
        ("discipline", "proposed", discipline.proposed),
        ("discipline", "dropped", discipline.dropped),
        ("discipline", "listed", discipline.listed),
        ("discipline", "active", discipline.active),
        ("discipline", "applied", discipline.applied),
    ];
    let figure = |(source, key, value): (&str, &str, i32)| api::Figure {
        key: key.to_owned(),
        name: String::new(),
        value,
        source: source.to_owned(),
    };
    let by_item = credit.items.into_iter().map(|item| api::Figure {
        key: format!("records.{}", item.item),
        name: item.name,
        value: item.records,
        source: String::from("credit"),
    });
    let effect = effect.unwrap_or_default();
    let basis = speaking.and_then(|scheme| scheme.basis.as_ref());
    Ok(api::Summary {
        domain: code.to_owned(),
        name: domain.name().to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        scheme: id.unwrap_or_default().to_owned(),
        scheme_version: grades.version,
        scheme_title: speaking.map(title).unwrap_or_default(),
        scheme_document: basis.map(|basis| basis.document_number.clone()).unwrap_or_default(),
        figures: figures.into_iter().map(figure).chain(by_item).collect(),
        inputs: inputs(context.now, &credit.position, &grades, &measures),
        distribution: grades.distribution,
        measures: measures.measures.into_iter().map(measure).collect(),
        effects: effect.strata.into_iter().map(stratum).collect(),
        effect: effect.total.map(total),
        draws: of_domain(draws, &schemes, domain),
        figures_time: Some(wire(context.now)),
        ..Default::default()
    })
}

fn title(scheme: &grading::Scheme) -> String {
    let of_basis = || scheme.basis.as_ref().map(|basis| basis.title.clone()).unwrap_or_default();
    if scheme.title.is_empty() { of_basis() } else { scheme.title.clone() }
}

// Credit counts up to the change that it names, grading by the versions that it names; the others count what they have at the instant.
fn inputs(
    now: Timestamp,
    collected: &str,
    grades: &grading::Distribution,
    measures: &grading::SchemeMeasures,
) -> Vec<api::FigureSource> {
    let version = match grades.scheme.as_str() {
        "" => String::new(),
        scheme => format!("{scheme}@{}, measures@{}", grades.version, measures.version),
    };
    let input = |source: &str, version: &str| api::FigureSource {
        source: source.to_owned(),
        as_of: Some(wire(now)),
        version: version.to_owned(),
    };
    vec![
        input("credit", collected),
        input("grading", &version),
        input("sampling", ""),
        input("discipline", ""),
    ]
}

fn measure(of: grading::Measure) -> api::GradeMeasure {
    api::GradeMeasure {
        grade: of.grade,
        sampling_percent: of.sampling_percent,
        min_per_year: of.min_per_year,
        max_per_year: of.max_per_year,
        method: of.method,
        text: of.text,
    }
}

fn stratum(of: sampling::StratumEffect) -> api::GradeEffect {
    api::GradeEffect {
        grade: of.grade,
        members: of.members,
        visited: of.visited,
        found: of.found,
        rate: of.rate,
        lift: of.lift,
    }
}

fn total(of: sampling::EffectTotal) -> api::EffectFigures {
    api::EffectFigures {
        visited: of.visited,
        found: of.found,
        rate: of.rate,
        uniform_rate: of.uniform_rate,
        lift: of.lift,
        visits_saved: of.visits_saved,
    }
}

// The draws of the domain that were revealed, the earliest first.
fn of_domain(
    draws: Vec<sampling::Draw>,
    schemes: &[grading::Scheme],
    domain: Domain,
) -> Vec<api::DrawFigures> {
    // Grading takes a domain by its code or slug.
    let by_grades = |id: &str| {
        schemes.iter().any(|scheme| scheme.scheme_id == id && Domain::parse(&scheme.domain) == Ok(domain))
    };
    let own =
        draws.into_iter().filter(|draw| draw.state() == draw::State::Revealed && by_grades(&draw.scheme));
    let mut own: Vec<api::DrawFigures> = own
        .map(|draw| api::DrawFigures {
            draw_id: draw.draw_id,
            committed_on: draw.committed_at.map(day).unwrap_or_default(),
            roster_size: draw.roster_size,
            drawn: draw.drawn,
            visited: draw.visited,
            found: draw.found,
            scheme_version: draw.scheme_version,
            roster_digest: draw.roster_digest,
        })
        .collect();
    own.sort_by(|a, b| a.committed_on.cmp(&b.committed_on).then_with(|| a.draw_id.cmp(&b.draw_id)));
    own
}

/// The business day of an instant of the contract, YYYY-MM-DD.
pub fn day(at: prost_types::Timestamp) -> String {
    let instant = Timestamp::from_second(at.seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    chassis::clock::business_day(instant).to_string()
}

/// The hash of all that was counted: the texts, the states and the instants are not in it.
pub fn digest(summary: &api::Summary) -> String {
    let counted = api::Summary {
        domain: summary.domain.clone(),
        from: summary.from.clone(),
        to: summary.to.clone(),
        scheme: summary.scheme.clone(),
        scheme_version: summary.scheme_version,
        figures: summary.figures.clone(),
        distribution: summary.distribution.clone(),
        measures: summary.measures.clone(),
        effects: summary.effects.clone(),
        effect: summary.effect,
        draws: summary.draws.clone(),
        effect_cases: summary.effect_cases.clone(),
        ..Default::default()
    };
    hex::encode(Sha256::digest(counted.encode_to_vec()))
}

/// Figures are kept by their keys and named when they are read, in the reader's language.
pub fn named(mut summary: api::Summary, language: Language) -> api::Summary {
    for figure in &mut summary.figures {
        let (en, zh) = match figure.key.as_str() {
            "subjects" => ("Subjects in the domain", "领域主体数"),
            "records" => ("Records of the period", "期间信用记录数"),
            "graded" => ("Subjects graded", "已评价主体数"),
            "drawn" => ("Subjects drawn for inspection", "抽中主体数"),
            "visited" => ("Subjects inspected", "已检查主体数"),
            "found" => ("Inspections with findings", "发现问题数"),
            "proposed" => ("Cases proposed", "提出案件数"),
            "dropped" => ("Cases dropped", "终止案件数"),
            "listed" => ("Subjects listed", "列入名单数"),
            "active" => ("Listings active on the last day", "期末有效名单数"),
            "applied" => ("Measures applied", "实施措施数"),
            // An item has its name from the catalogue.
            _ => continue,
        };
        figure.name = Text::new(en, zh).get(language).to_owned();
    }
    summary
}
