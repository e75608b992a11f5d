//! The landing page and the product's sign.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::{HeaderValue, header};

use super::{PAGE_POLICY, Shared, page};

const HOME: &str = include_str!("assets/home.html");
const STYLE: &str = include_str!("assets/page.css");
const FAVICON: &str = include_str!("assets/favicon.svg");
const MAILBOX: &str = r#"<a class="card" href="/dev/mail"><strong>Mailbox</strong><span>Mails that were not sent, as no mail server is set</span></a>"#;

/// A page's frame filled in: its style, and the program's version.
pub(super) fn fill(template: &str, version: &str) -> String {
    template
        .replace("{{style}}", STYLE)
        .replace("{{version}}", version)
}

pub(super) async fn home(State(shared): State<Arc<Shared>>) -> Response {
    let mailbox = if shared.mailbox { MAILBOX } else { "" };
    let html = fill(HOME, shared.version)
        .replace("{{mailbox}}", mailbox)
        .replace("{{url}}", &escape(&shared.public_url));
    page(html, PAGE_POLICY)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

pub(super) async fn favicon() -> Response {
    let mut response = Response::new(FAVICON.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=86400"),
    );
    response
}
