//! The page on which somebody with a browser gives the password of a link. It works without scripts.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use minijinja::{Environment, context};
use stoa_http::{AsIs, Failure, codes};
use stoa_kernel::random;

use crate::{
    ctx::Ctx,
    error::{LINK_PASSWORD_REQUIRED, LINK_PASSWORD_WRONG},
};

const TITLE: &str = "This file has a password";

/// Whether a browser asks, to show the answer to somebody.
fn is_browser(headers: &HeaderMap) -> bool {
    let mut kinds = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    kinds.any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("text/html")
    })
}

/// What is wrong with the password of a link, as a page with a form for those with a browser; all other failures as they are.
pub(super) fn explained(ctx: &Ctx, headers: &HeaderMap, failure: Failure) -> Response {
    let code = &*failure.problem.code;
    let bad = if code == LINK_PASSWORD_REQUIRED.code {
        None
    } else if code == LINK_PASSWORD_WRONG.code {
        Some("This is not the password. Try again.")
    } else if code == codes::RATE_LIMITED.code {
        Some("Too many wrong passwords were given. Try again later.")
    } else {
        return failure.into_response();
    };
    if !is_browser(headers) {
        return failure.into_response();
    }
    let nonce = random::token::<16>();
    let html = match render(ctx, &nonce, bad) {
        Ok(html) => html,
        Err(cause) => return Failure::internal(cause).into_response(),
    };
    let mut response = (failure.status(), *failure.headers, Html(html)).into_response();
    response.extensions_mut().insert(AsIs);
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // The address of the page is the link.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn render(ctx: &Ctx, nonce: &str, bad: Option<&str>) -> Result<String, minijinja::Error> {
    let product = ctx.product_name.as_str();
    let content = context! { product, nonce, title => TITLE, bad };
    let mut env = Environment::new();
    env.add_template("link.html", include_str!("../../templates/link.html"))?;
    env.get_template("link.html")?.render(content)
}
