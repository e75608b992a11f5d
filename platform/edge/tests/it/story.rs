//! A small product behind an edge, to call in memory or over a socket.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stoa_cache::Cache;
use stoa_edge::{Draining, Edge, EdgeParts, Tunnels};
use stoa_http::{Actor, AsIs, Claims, Failure, RequestInfo, SignedIn, TokenSigner, Verifier};
use stoa_kernel::{Clock, Id, SessionId, UserId};
use tower::ServiceExt;
use utoipa::openapi::{OpenApi, PathItem, path::Operation};

/// The peer of requests made in memory.
pub(crate) const PEER: &str = "192.0.2.1:4711";

pub(crate) struct Story {
    pub(crate) edge: Edge,
    pub(crate) clock: Clock,
    signer: TokenSigner,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    /// Code of a problem, checked to be a whole one.
    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{:?}",
            self.body
        );
        let json = self.json();
        assert_eq!(json["status"], self.status);
        assert_eq!(json["request_id"], self.header("x-request-id"));
        assert_eq!(
            json["type"],
            format!("/problems/{}", json["code"].as_str().unwrap())
        );
        json["code"].as_str().unwrap().to_owned()
    }
}

/// The product's default settings with further lines, such as `max_body = 10` or `rate_limit.per_user = "1/s"`.
pub(crate) fn config<T: DeserializeOwned>(lines: &str) -> T {
    let file: toml::Table = include_str!("../../../../stoa.default.toml").parse().unwrap();
    let mut section = file["gateway"].as_table().unwrap().clone();
    for (key, value) in lines.parse::<toml::Table>().unwrap() {
        match (section.get_mut(&key).and_then(toml::Value::as_table_mut), value) {
            (Some(table), toml::Value::Table(more)) => table.extend(more),
            (_, value) => _ = section.insert(key, value),
        }
    }
    section.try_into().unwrap()
}

pub(crate) fn story(settings: &str) -> Story {
    story_with(settings, |_| {})
}

pub(crate) fn story_with(settings: &str, change: impl FnOnce(&mut EdgeParts)) -> Story {
    let clock = Clock::adjustable();
    let verifier = Verifier::new("stoa", clock.clone());
    let signer = TokenSigner::new("test", &[7; 32]);
    verifier.set_keys(vec![signer.verifying_key()]);
    let mut parts = EdgeParts {
        config: config(settings),
        router: product(),
        openapi: described(),
        unlisted: Vec::new(),
        protocols: Vec::new(),
        verifier,
        keys: None,
        cache: Cache::local(1024 * 1024),
        clock: clock.clone(),
        access_log: None,
        traces: None,
        public_url: "http://localhost:3000".into(),
        forwarded: Vec::new(),
        tunnels: Tunnels::default(),
        behind_gateway: false,
        draining: Draining::default(),
    };
    change(&mut parts);
    Story {
        edge: Edge::new(parts),
        clock,
        signer,
    }
}

fn described() -> OpenApi {
    let mut openapi = OpenApi::default();
    for path in [
        "/plain",
        "/things/{id}",
        "/offers/{token}",
        "/echo",
        "/slow",
        "/me",
    ] {
        openapi.paths.paths.insert(
            path.into(),
            PathItem::new(utoipa::openapi::HttpMethod::Get, Operation::new()),
        );
    }
    openapi
}

fn product() -> Router {
    let counter = Arc::new(AtomicUsize::new(0));
    Router::new()
        .route("/plain", get(async || "plain"))
        .route("/things/{id}", get(async || "thing"))
        .route("/offers/{token}", get(async || "offer"))
        .route(
            "/echo",
            post(async |body: Bytes| body).put(async |body: Bytes| body),
        )
        .route(
            "/stream",
            post(async |body: Body| {
                body.collect()
                    .await
                    .map(|_| "read")
                    .map_err(|_| StatusCode::IM_A_TEAPOT)
            }),
        )
        .route("/long", get(async || Json(json!({"text": "word ".repeat(1000)}))))
        .route(
            "/tagged",
            get(async || {
                (
                    [(header::ETAG, "\"7\"")],
                    Json(json!({"text": "word ".repeat(1000)})),
                )
            }),
        )
        .route(
            "/image",
            get(async || ([(header::CONTENT_TYPE, "image/png")], vec![7_u8; 4096])),
        )
        .route(
            "/slow",
            get(async || tokio::time::sleep(Duration::from_millis(300)).await),
        )
        .route("/panic", get(panics))
        .route("/broken", get(async || Failure::internal("the secret reason")))
        .route("/bare/{status}", get(bare))
        .route(
            "/own",
            get(async || {
                (
                    StatusCode::BAD_REQUEST,
                    axum::Extension(AsIs),
                    Json(json!({"error": "own"})),
                )
            }),
        )
        .route(
            "/me",
            get(async |caller: Actor<SignedIn>| caller.user_id.to_string()),
        )
        .route("/facts", get(facts))
        .route("/trace", put(trace).post(trace).get(trace))
        .route(
            "/count",
            post(async move || counter.fetch_add(1, Ordering::SeqCst).to_string()),
        )
        .route(
            "/page",
            get(async || {
                (
                    [
                        (header::CONTENT_SECURITY_POLICY, "default-src 'self'"),
                        (header::CACHE_CONTROL, "public"),
                    ],
                    "page",
                )
            }),
        )
}

async fn panics() -> Response {
    panic!("the secret reason");
}

async fn bare(axum::extract::Path(status): axum::extract::Path<u16>) -> Response {
    (
        StatusCode::from_u16(status).unwrap(),
        [(header::ALLOW, "GET")],
        "the secret reason",
    )
        .into_response()
}

async fn facts(info: RequestInfo, ConnectInfo(peer): ConnectInfo<SocketAddr>) -> Json<Value> {
    Json(json!({
        "request_id": info.request_id, "traceparent": info.traceparent, "address": info.address,
        "user_agent": info.user_agent, "secure": info.secure, "peer": peer.to_string(),
    }))
}

async fn trace() -> String {
    stoa_events::TRACEPARENT
        .try_with(Clone::clone)
        .unwrap_or_else(|_| "none".into())
}

impl Story {
    /// An access token of a new user's, and the user.
    pub(crate) fn token(&self) -> (String, UserId) {
        self.token_with(&[])
    }

    pub(crate) fn token_with(&self, permissions: &[&str]) -> (String, UserId) {
        let user: UserId = Id::new(&self.clock);
        let now = self.clock.now().as_second();
        let claims = Claims {
            iss: "stoa".into(),
            aud: Some("stoa".into()),
            sub: user,
            sid: SessionId::new(&self.clock),
            iat: now,
            exp: now + 3600,
            ver: 1,
            roles: Vec::new(),
            role_vers: Vec::new(),
            perms: permissions.iter().map(|&name| name.to_owned()).collect(),
            orgs: Vec::new(),
            more_orgs: false,
            csrf: None,
        };
        (self.signer.sign(&claims), user)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path)).await
    }

    pub(crate) async fn send(&self, request: http::request::Builder) -> Answer {
        self.send_body(request, Body::empty()).await
    }

    /// Sends from [`PEER`], unless the request names another.
    pub(crate) async fn send_body(&self, request: http::request::Builder, body: impl Into<Body>) -> Answer {
        let mut request = request.body(body.into()).unwrap();
        if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
            request
                .extensions_mut()
                .insert(ConnectInfo(PEER.parse::<SocketAddr>().unwrap()));
        }
        self.ask(request).await
    }

    pub(crate) async fn ask(&self, request: Request) -> Answer {
        let (parts, body) = self.edge.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }
}

pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    http::Request::builder().method(method).uri(path)
}

/// A request from another peer.
pub(crate) fn from(peer: &str, method: &str, path: &str) -> http::request::Builder {
    request(method, path).extension(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711)))
}
