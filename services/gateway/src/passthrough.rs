//! Native gRPC and gRPC-Web on the same port: passed on as they come, to the service of the method's package.
use axum::{body::Body, extract::Request, response::Response};
use chassis::{Fault, health::Health, language::Language, upstream::Upstream};
use contract::r#type::v1::ErrorReason as Common;
use http::{HeaderMap, header};
use prost_reflect::DescriptorPool;
use tonic::{Status, body::Body as GrpcBody, service::Routes};
use tower::{Layer, ServiceExt, service_fn};

use crate::{Gateway, limits::Running};

const GRPC: &[u8] = b"application/grpc";
const GRPC_WEB: &[u8] = b"application/grpc-web";

/// Whether a request is gRPC or gRPC-Web.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|given| given.as_bytes().starts_with(GRPC))
}

/// Answers a gRPC or gRPC-Web request.
pub async fn answer(gateway: &Gateway, request: Request, language: Language) -> Response {
    let web = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|given| given.as_bytes().starts_with(GRPC_WEB));
    let request = request.map(GrpcBody::new);
    let forwarded = |request| {
        let gateway = gateway.clone();
        async move { Ok::<_, std::convert::Infallible>(forward(&gateway, request, language).await) }
    };
    let answered = if web {
        tonic_web::GrpcWebLayer::new().layer(service_fn(forwarded)).oneshot(request).await
    } else {
        forwarded(request).await
    };
    match answered {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

async fn forward(
    gateway: &Gateway,
    request: http::Request<GrpcBody>,
    language: Language,
) -> http::Response<GrpcBody> {
    match passed_on(gateway, request).await {
        Ok(response) => response,
        Err(fault) => fault.into_status(language).into_http(),
    }
}

async fn passed_on(
    gateway: &Gateway,
    request: http::Request<GrpcBody>,
) -> Result<http::Response<GrpcBody>, Fault> {
    let path = request.uri().path().to_owned();
    let path = path.as_str();
    // "/package.Service/Method"
    let package = path.trim_start_matches('/').split('/').next().and_then(|service| service.rsplit_once('.'));
    let package = package.map_or("", |(package, _)| package);
    let (mut pass, peer) = (None, request.extensions().get().copied());
    // Health answers while all else is refused.
    let upstream = if matches!(package, "grpc.health.v1" | "grpc.reflection.v1" | "grpc.reflection.v1alpha") {
        gateway.own.clone()
    } else {
        let caller = gateway.authorize(path, request.headers(), peer).await?;
        let class = gateway.transcoder.class_of(path);
        pass = Some((gateway.gate.admit(&caller, peer, class).1?, caller));
        gateway.upstream(package).ok_or_else(|| {
            let path: String = path.chars().take(200).collect();
            Fault::missing(
                Common::RouteUnknown.as_str_name(),
                format!("there is no method {path}; reflection lists what there is"),
                format!("不存在方法{path}；可通过反射服务查询"),
            )
        })?
    };
    let answered = upstream.oneshot(request).await;
    let answered =
        answered.map_err(|error| Fault::from(Status::unavailable(format!("{package}: {error}"))))?;
    Ok(match pass {
        Some((pass, caller)) => {
            // A refusal without a message stands in the headers.
            if let Some(status) = Status::from_header_map(answered.headers()) {
                gateway.note_refused(path, &caller, peer, &status);
            }
            answered.map(|body| GrpcBody::new(Running::new(body, pass)))
        }
        None => answered,
    })
}

/// Health and reflection of all services, as they are seen from outside.
pub fn own_services(pool: &DescriptorPool, health: Health) -> anyhow::Result<Upstream> {
    let set = pool.encode_to_vec();
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(&set)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = Routes::new(tonic_health::pb::health_server::HealthServer::new(health))
        .add_service(builder().build_v1()?)
        .add_service(builder().build_v1alpha()?);
    Ok(Upstream::local(routes.into_axum_router()))
}
