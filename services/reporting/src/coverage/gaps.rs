//! What a domain does not have, in words, with who owes it; and the calls that prove each figure. Pure.
use chassis::language::{Language, Text};
use contract::reporting::v1::{DomainCoverage, DomainDepartment, Gap, Proof, gap::Missing};
use identifiers::Department;

/// The gap of a domain.
pub fn gap(covered: &DomainCoverage, missing: Missing, day: &str, language: Language) -> Gap {
    let field = match missing {
        Missing::Unspecified | Missing::Scheme => "scheme",
        Missing::Measures => "measures",
        Missing::Grades => "graded",
        Missing::Draws => "drawn",
        Missing::Summary => "summarized",
    };
    let proof = proofs(covered, day).into_iter().find(|proof| proof.field == field);
    Gap {
        domain: covered.domain.clone(),
        name: covered.name.clone(),
        missing: missing.into(),
        owners: owners(covered),
        text: text(covered, missing).get(language).to_owned(),
        proof: proof.map(|proof| proof.path).unwrap_or_default(),
    }
}

// Whose scheme is in force owes what is missing of it; else who is at home in the domain.
fn owners(covered: &DomainCoverage) -> Vec<DomainDepartment> {
    let own: Vec<_> = covered.departments.iter().filter(|one| !one.inferred).cloned().collect();
    if !own.is_empty() {
        return own;
    }
    if !covered.departments.is_empty() {
        return covered.departments.clone();
    }
    let office = Department::CREDIT_OFFICE;
    vec![DomainDepartment {
        department: office.slug().to_owned(),
        name: office.name().to_owned(),
        inferred: true,
    }]
}

fn text(covered: &DomainCoverage, missing: Missing) -> Text {
    let (domain, name, scheme) = (&covered.domain, &covered.name, &covered.scheme);
    match missing {
        Missing::Unspecified | Missing::Scheme => Text::new(
            format!("{domain} has no scheme in force; draft one (POST /grading/v1/schemes) and publish it"),
            format!("{name}没有施行中的评价制度；请通过 POST /grading/v1/schemes 起草并发布"),
        ),
        Missing::Measures => Text::new(
            format!(
                "no measures follow from the grades of \"{scheme}\"; put them (PUT /grading/v1/schemes/{scheme}/measures)"
            ),
            format!(
                "评价制度“{scheme}”没有分级分类监管措施；请通过 PUT /grading/v1/schemes/{scheme}/measures 设定"
            ),
        ),
        Missing::Grades => Text::new(
            format!(
                "\"{scheme}\" has graded nobody; register subjects of {domain} at credit, or run the scheme (POST /grading/v1/runs)"
            ),
            format!(
                "评价制度“{scheme}”尚无评价结果；请归集{name}的主体信息，或通过 POST /grading/v1/runs 开展评价"
            ),
        ),
        Missing::Draws => Text::new(
            format!(
                "nobody was drawn by the grades of {domain}; plan and commit a draw (POST /sampling/v1/plans)"
            ),
            format!("{name}尚未按信用等级开展抽查；请通过 POST /sampling/v1/plans 制定计划并抽取"),
        ),
        Missing::Summary if covered.summarized => Text::new(
            format!(
                "the summary of {domain} was composed and is not handed in; complete and submit it (POST /reporting/v1/summaries/{{id}}:submit)"
            ),
            format!(
                "{name}本年度工作总结已编制，尚未报送；请完善后通过 POST /reporting/v1/summaries/{{id}}:submit 报送"
            ),
        ),
        Missing::Summary => Text::new(
            format!(
                "no summary covers a period of the year in {domain}; compose one (POST /reporting/v1/summaries)"
            ),
            format!("{name}本年度没有工作总结；请通过 POST /reporting/v1/summaries 编制"),
        ),
    }
}

/// The calls that give a domain's figures of a day.
pub fn proofs(covered: &DomainCoverage, day: &str) -> Vec<Proof> {
    let schemes = format!("/grading/v1/figures/schemes?asOf={day}");
    let scheme = &covered.scheme;
    let (of_scheme, measures) = match scheme.as_str() {
        "" => (schemes.clone(), schemes.clone()),
        id => (
            format!("/grading/v1/schemes/{id}?version={}", covered.scheme_version),
            format!("/grading/v1/schemes/{id}/measures?asOf={day}"),
        ),
    };
    let inspections = match scheme.as_str() {
        "" => format!("/sampling/v1/figures/inspections?to={day}"),
        id => format!("/sampling/v1/figures/inspections?scheme={id}&to={day}"),
    };
    let summaries = match covered.summaries.last() {
        Some(summary) => format!("/reporting/v1/summaries/{summary}"),
        None => format!("/reporting/v1/deadlines?asOf={day}"),
    };
    let proof = |field: &str, path: &str| Proof { field: field.to_owned(), path: path.to_owned() };
    vec![
        proof("scheme", &of_scheme),
        proof("measures", &measures),
        proof("graded", &schemes),
        proof("subjects", &format!("/grading/v1/figures/population?asOf={day}")),
        proof("drawn", &inspections),
        proof("visited", &inspections),
        proof("summarized", &summaries),
    ]
}
