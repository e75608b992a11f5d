//! The pages that links in mails lead to. They work without scripts, and opening one uses nothing up: programs that look at
//! mails follow links too.

mod organizations;

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use minijinja::{Value, context};
use stoa_http::{Failure, RequestInfo, html_page, names, session_cookie};
use stoa_kernel::{UserId, random};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    ctx::Ctx,
    email::Email,
    error::{Error, Result},
    notifications::MailKind,
    ops::{credentials::ApiKeys, origin::Origin, password, verify_email},
    password::Password,
};

/// `/auth/verify`, `/auth/forgotten`, `/auth/reset`, `/auth/invitation` and `/auth/domain`; pages, and so not in the description of the API.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .route("/auth/verify", get(ask_verify).post(verify))
        .route("/auth/forgotten", get(ask_forgotten).post(forgotten))
        .route("/auth/reset", get(ask_reset).post(reset))
        .merge(organizations::routes())
}

const VERIFY: &str = "Verify your e-mail address";
const FORGOTTEN: &str = "Forgotten your password?";
const RESET: &str = "Choose a new password";

async fn ask_verify(
    State(ctx): State<Ctx>,
    info: RequestInfo,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let token = field(query.unwrap_or_default().as_bytes(), "token");
    let signed_in = signed_in(&ctx, &headers, info.secure);
    match verify_form(&ctx, &token, signed_in).await {
        Ok(form) => page(&ctx, StatusCode::OK, form),
        Err(error) => told(&ctx, Err(error), VERIFY, "", Value::UNDEFINED),
    }
}

/// Asks for the password where the browser keeps no session of the account.
async fn verify_form(ctx: &Ctx, token: &str, signed_in: Option<UserId>) -> Result<Value> {
    let account = verify_email::account_of(ctx, token).await?;
    let proof = if signed_in == Some(account.id) {
        "session"
    } else {
        "password"
    };
    Ok(context! { title => VERIFY, form => "verify", token, proof, email => account.email })
}

async fn verify(State(ctx): State<Ctx>, info: RequestInfo, headers: HeaderMap, body: Bytes) -> Response {
    let token = field(&body, "token");
    let signed_in = signed_in(&ctx, &headers, info.secure);
    let password = Some(field(&body, "password")).filter(|password| !password.is_empty());
    let password = password.map(Password::new);
    let done = match password.as_ref().map_or(Ok(()), bounded) {
        Ok(()) => {
            let password = password.as_ref();
            let proof = verify_email::Proof { signed_in, password };
            verify_email::verify(&ctx, &token, proof, &Origin::of(&info)).await
        }
        Err(error) => Err(error),
    };
    let again = match &done {
        // Another password may help.
        Err(Error::Field(..)) => verify_form(&ctx, &token, signed_in).await.unwrap_or_default(),
        _ => Value::UNDEFINED,
    };
    let good = "Thank you. Your address is verified. You may close this page.";
    told(&ctx, done, VERIFY, good, again)
}

fn bounded(password: &Password) -> Result<()> {
    if password.is_bounded() {
        return Ok(());
    }
    let message = "This password is too long".to_owned();
    Err(Error::Field("password", "too_long", message))
}

/// Whose session the browser keeps. No CSRF token is needed: whoever sends the form knows the link.
fn signed_in(ctx: &Ctx, headers: &HeaderMap, secure: bool) -> Option<UserId> {
    let token = session_cookie(headers, names::ACCESS_COOKIE, secure)?;
    let principal = ctx.verifier.verify_cookie(token).ok()?;
    Some(principal.user_id)
}

async fn ask_forgotten(State(ctx): State<Ctx>) -> Response {
    page(&ctx, StatusCode::OK, forgotten_form())
}

fn forgotten_form() -> Value {
    context! { title => FORGOTTEN, form => "forgotten" }
}

async fn forgotten(State(ctx): State<Ctx>, info: RequestInfo, body: Bytes) -> Response {
    let email = field(&body, "email");
    let done = if Email::parse(&email).is_some() {
        password::send_link(&ctx, &email, MailKind::ResetPassword, &Origin::of(&info)).await
    } else {
        let message = "This is not an e-mail address".to_owned();
        Err(Error::Field("email", "format", message))
    };
    let good = "If this address has an account, a mail with a link is on its way. You may close this page.";
    told(&ctx, done, FORGOTTEN, good, forgotten_form())
}

async fn ask_reset(State(ctx): State<Ctx>, RawQuery(query): RawQuery) -> Response {
    let token = field(query.unwrap_or_default().as_bytes(), "token");
    match password::check_link(&ctx, &token).await {
        Ok(()) => page(&ctx, StatusCode::OK, reset_form(&ctx, &token)),
        Err(error) => told(&ctx, Err(error), RESET, "", Value::UNDEFINED),
    }
}

async fn reset(State(ctx): State<Ctx>, info: RequestInfo, body: Bytes) -> Response {
    let (token, new) = (field(&body, "token"), Password::new(field(&body, "new_password")));
    let done = if new.is_bounded() {
        let keys = ApiKeys::end_if(field(&body, "keep_api_keys").is_empty());
        password::reset(&ctx, &token, &new, keys, &Origin::of(&info)).await
    } else {
        Err(Error::Field(
            "new_password",
            "too_long",
            "This password is too long".to_owned(),
        ))
    };
    let again = if matches!(done, Err(Error::Field(..))) {
        reset_form(&ctx, &token)
    } else {
        Value::UNDEFINED
    };
    told(
        &ctx,
        done,
        RESET,
        "Your password is changed, and you are signed out everywhere. Sign in with the new one.",
        again,
    )
}

fn reset_form(ctx: &Ctx, token: &str) -> Value {
    let rules = &ctx.config.password;
    context! { title => RESET, form => "reset", token, min => rules.min_length, max => rules.max_length }
}

/// What came of it: the good news, or what is wrong, with the form `again` if another try may help.
fn told(ctx: &Ctx, done: Result<()>, title: &str, good: &str, again: Value) -> Response {
    let failure = match done {
        Ok(()) => return page(ctx, StatusCode::OK, context! { title, good }),
        Err(error) => Failure::from(error),
    };
    let problem = &failure.problem;
    let wrong = problem.errors.first();
    let bad = wrong.map_or(&problem.title, |wrong| &wrong.message);
    let wrong_field = wrong.map_or("", |wrong| &wrong.field);
    let mut response = page(
        ctx,
        failure.status(),
        context! { title, bad, wrong_field, ..again },
    );
    if let Some(cause) = &failure.internal {
        tracing::error!(cause, "a page failed");
    }
    if let Some(wait) = failure.headers.get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    response
}

fn page(ctx: &Ctx, status: StatusCode, content: Value) -> Response {
    let nonce = random::token::<16>();
    let content = context! { product => ctx.product_name.as_str(), nonce => nonce.as_str(), ..content };
    match ctx.page.render(content) {
        Ok(html) => html_page(status, &nonce, html),
        Err(cause) => Failure::internal(cause).into_response(),
    }
}

/// A field of a form or a query; empty if it is not there.
fn field(form: &[u8], name: &str) -> String {
    let mut fields = url::form_urlencoded::parse(form);
    fields
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
