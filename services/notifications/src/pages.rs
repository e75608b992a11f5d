//! The page that the link to unsubscribe leads to. It works without scripts, and opening it changes nothing: programs that look at mails
//! follow links too. Mail programs send it a POST by themselves (RFC 8058).

use axum::{
    extract::{RawQuery, State},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use stoa_http::{AsIs, Failure};
use stoa_kernel::random;
use utoipa_axum::router::OpenApiRouter;

use crate::{ctx::Ctx, error::Error, ops::unsubscribe, store::links::LinkRow};

/// Longest query that is looked into, in bytes.
const QUERY_MAX: usize = 256;

/// `/notifications/unsubscribe`: a page, and so not in the description of the API.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().route("/notifications/unsubscribe", get(ask).post(unsubscribe))
}

async fn ask(State(ctx): State<Ctx>, RawQuery(query): RawQuery) -> Response {
    let token = token(query.as_deref());
    match unsubscribe::find(&ctx, &token).await {
        Ok(link) => {
            let question = format!("Do you want no more mails about {}?", about(&link));
            page(
                &ctx,
                StatusCode::OK,
                json!({ "question": question, "token": token }),
            )
        }
        Err(error) => refused(&ctx, error),
    }
}

async fn unsubscribe(State(ctx): State<Ctx>, RawQuery(query): RawQuery) -> Response {
    match unsubscribe::unsubscribe(&ctx, &token(query.as_deref())).await {
        Ok(link) => {
            let good = format!(
                "You get no more mails about {}. You may close this page.",
                about(&link)
            );
            page(&ctx, StatusCode::OK, json!({ "good": good }))
        }
        Err(error) => refused(&ctx, error),
    }
}

fn about(link: &LinkRow) -> &str {
    match link.category.as_str() {
        "" => "anything that is not critical",
        category => category,
    }
}

fn refused(ctx: &Ctx, error: Error) -> Response {
    if matches!(error, Error::NotFound) {
        let bad = "This link is not valid any more. Sign in to choose which mails you get.";
        return page(ctx, StatusCode::NOT_FOUND, json!({ "bad": bad }));
    }
    let failure = Failure::from(error);
    if let Some(cause) = &failure.internal {
        tracing::error!(cause, "a page failed");
    }
    let bad = failure.problem.title.clone();
    page(ctx, failure.status(), json!({ "bad": bad }))
}

fn page(ctx: &Ctx, status: StatusCode, content: Value) -> Response {
    let nonce = random::token::<16>();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let mut context: Map<String, Value> = ["question", "token", "good", "bad"]
        .map(|name| (name.to_owned(), content[name].clone()))
        .into_iter()
        .collect();
    context.insert("nonce".to_owned(), nonce.into());
    context.insert("product".to_owned(), ctx.product_name.clone().into());
    let html = match ctx.texts.page(&context) {
        Ok(html) => html,
        Err(cause) => return Failure::internal(cause).into_response(),
    };
    let mut response = (status, Html(html)).into_response();
    response.extensions_mut().insert(AsIs);
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // The address of the page holds the token.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The token of a link: letters, digits, `-` and `_`; empty if there is none.
fn token(query: Option<&str>) -> String {
    let query = query.filter(|query| query.len() <= QUERY_MAX).unwrap_or_default();
    let token = query.split('&').find_map(|part| part.strip_prefix("token="));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    token
        .filter(|token| token.chars().all(plain))
        .unwrap_or_default()
        .to_owned()
}
