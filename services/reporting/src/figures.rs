//! What the other services count. A service that does not answer is named; no report is made of half the figures.
use chassis::{Answer, Fault, serve::MESSAGE_MAX};
use contract::{credit::v1 as credit, discipline::v1 as discipline, grading::v1 as grading, r#type::v1::ErrorReason as Common, sampling::v1 as sampling};
use identifiers::Domain;
use tonic::Status;

use crate::Reporting;

fn silent(service_en: &'static str, service_zh: &'static str) -> impl Fn(Status) -> Fault {
    move |status| match status.code() {
        tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Fault::unavailable(
            Common::UpstreamUnavailable.as_str_name(),
            format!("the service {service_en} does not answer, and a report without its figures would mislead; try again shortly"),
            format!("{service_zh}服务暂无响应，缺少其数据的报告会产生误导；请稍后重试"),
        )
        .with("service", service_en),
        _ => Fault::from(status),
    }
}

/// The published schemes, in the order of their ids.
pub async fn schemes(app: &Reporting) -> Answer<Vec<grading::Scheme>> {
    let mut client = grading::schemes_client::SchemesClient::new(app.grading.clone()).max_decoding_message_size(MESSAGE_MAX);
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let state = grading::scheme::State::Published as i32;
        let request = grading::ListSchemesRequest { state, page_size: 1_000, page_token, ..Default::default() };
        let page = client.list_schemes(request).await.map_err(silent("grading", "分级分类"))?.into_inner();
        all.extend(page.schemes);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// How many subjects have each grade under a scheme.
pub async fn distribution(app: &Reporting, scheme: &str) -> Answer<grading::Distribution> {
    let mut client = grading::grades_client::GradesClient::new(app.grading.clone());
    let request = grading::GetDistributionRequest { scheme: scheme.to_owned(), ..Default::default() };
    Ok(client.get_distribution(request).await.map_err(silent("grading", "分级分类"))?.into_inner())
}

/// The draws of a scheme that were committed between two days; an empty day is open.
pub async fn draws(app: &Reporting, scheme: &str, from: &str, to: &str) -> Answer<Vec<sampling::Draw>> {
    let mut client = sampling::draws_client::DrawsClient::new(app.sampling.clone()).max_decoding_message_size(MESSAGE_MAX);
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = sampling::ListDrawsRequest {
            scheme: scheme.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            page_size: 100,
            page_token,
            ..Default::default()
        };
        let page = client.list_draws(request).await.map_err(silent("sampling", "双随机抽查"))?.into_inner();
        all.extend(page.draws);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// The subjects of a domain and their records between two days.
pub async fn collected(app: &Reporting, domain: Domain, from: &str, to: &str) -> Answer<credit::GetFiguresResponse> {
    let mut client = credit::figures_client::FiguresClient::new(app.credit.clone());
    let request =
        credit::GetFiguresRequest { domain: domain.code().to_owned(), from: from.to_owned(), to: to.to_owned() };
    Ok(client.get_figures(request).await.map_err(silent("credit", "信用信息"))?.into_inner())
}

/// The cases and listings of a domain between two days.
pub async fn listed(app: &Reporting, domain: Domain, from: &str, to: &str) -> Answer<discipline::GetFiguresResponse> {
    let mut client = discipline::figures_client::FiguresClient::new(app.discipline.clone());
    let request =
        discipline::GetFiguresRequest { domain: domain.code().to_owned(), from: from.to_owned(), to: to.to_owned() };
    Ok(client.get_figures(request).await.map_err(silent("discipline", "信用奖惩名单"))?.into_inner())
}

/// A domain by its code or slug.
pub fn domain(given: &str) -> Answer<Domain> {
    Domain::parse(given).map_err(|fault| {
        Fault::invalid(
            contract::reporting::v1::ErrorReason::DomainUnknown.as_str_name(),
            fault.message_en(),
            fault.message_zh(),
        )
        .at("domain")
    })
}

/// For whom a caller reports: its own department, or for the office any that it names.
pub fn department(context: &chassis::Context, given: &str) -> Answer<String> {
    let own = context.caller.department();
    let wanted = if given.is_empty() { own } else { given };
    if wanted == own || context.caller.is_office() {
        return Ok(wanted.to_owned());
    }
    Err(Fault::denied(
        Common::ScopeMissing.as_str_name(),
        format!("a department reports for itself; your token is of \"{own}\", not of \"{wanted}\""),
        format!("部门只能以本部门名义报送；当前令牌属于“{own}”，不是“{wanted}”"),
    )
    .with("department", wanted))
}
