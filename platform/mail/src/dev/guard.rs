//! Who may see the mailbox. It shows links that reset passwords, so: nobody but callers on this machine.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// A proxy on this machine passes others' requests on; these headers give it away.
const FORWARDING: [HeaderName; 4] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
    header::FORWARDED,
];

/// Answers others as if there were nothing here.
pub(super) async fn this_machine_only(request: Request, next: Next) -> Response {
    if !(is_local_peer(&request) && !is_forwarded(request.headers()) && is_local_name(&request)) {
        return not_found();
    }
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn is_local_peer(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|ConnectInfo(address)| address.ip().to_canonical().is_loopback())
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    FORWARDING.iter().any(|name| headers.contains_key(name))
}

/// The name by which the caller asked: any other than this machine's own may be one that an attacker's DNS points here,
/// so that a page of theirs, in a browser on this machine, could read the mails.
fn is_local_name(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let authority = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
        (None, None) => request.uri().authority().cloned(),
        _ => None,
    };
    authority.is_some_and(|name| {
        let bare = !name.as_str().contains('@');
        bare && (name.host().eq_ignore_ascii_case("localhost")
            || matches!(name.host(), "127.0.0.1" | "[::1]"))
    })
}

pub(super) fn not_found() -> Response {
    let body =
        r#"{"type":"/problems/not_found","title":"There is no such thing","status":404,"code":"not_found"}"#;
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body,
    )
        .into_response()
}
