//! The page on which somebody with a browser gives the password of a link. It works without scripts.

use std::sync::LazyLock;

use axum::{
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use minijinja::{Environment, context};
use stoa_http::{Failure, codes, html_page};
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
    match render(ctx, &nonce, bad) {
        // With the headers of the refusal, such as when another try may be made.
        Ok(html) => {
            let page = html_page(failure.status(), &nonce, html);
            (*failure.headers, page).into_response()
        }
        Err(cause) => Failure::internal(cause).into_response(),
    }
}

/// The template, read once.
static PAGE: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.add_template("link.html", include_str!("../../templates/link.html"))?;
    Ok(env)
});

fn render(ctx: &Ctx, nonce: &str, bad: Option<&str>) -> Result<String, String> {
    let product = ctx.product_name.as_str();
    let content = context! { product, nonce, title => TITLE, bad };
    let page = PAGE.as_ref().map_err(ToString::to_string)?;
    let page = page
        .get_template("link.html")
        .and_then(|page| page.render(content));
    page.map_err(|e| e.to_string())
}
