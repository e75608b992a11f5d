//! The pages that mails about organizations lead to: to answer an invitation, and to let the people of a domain in.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use minijinja::{Value, context};
use stoa_http::RequestInfo;
use stoa_kernel::{Actor, Principal, PrincipalKind, UserId};
use utoipa_axum::router::OpenApiRouter;

use super::{bounded, field, page, signed_in, told};
use crate::{
    config::Registration,
    ctx::Ctx,
    email::Email,
    error::{Error, INVITATION_INVALID, Result},
    notifications::MailKind,
    ops::{
        organizations::{
            domains,
            invitations::{self, Offer},
        },
        origin::Origin,
        password,
        prove_again::prove_again,
        register::{NewAccount, register},
        sessions::Mode,
    },
    password::Password,
    store::accounts::{self, Account},
    words::with_article,
};

const INVITATION: &str = "Join an organization";
const DOMAIN: &str = "Let people of your domain join";

/// `/auth/invitation` and `/auth/domain`.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .route("/auth/invitation", get(ask_invitation).post(answer_invitation))
        .route("/auth/domain", get(ask_domain).post(answer_domain))
}

/// An invitation, and who opens its page.
struct Visit {
    offer: Offer,
    /// The account of the address that was invited.
    account: Option<Account>,
    signed_in: Option<UserId>,
}

impl Visit {
    async fn of(ctx: &Ctx, token: &str, headers: &HeaderMap, secure: bool) -> Result<Self> {
        let offer = invitations::offer(ctx, token).await?;
        Ok(Self {
            account: accounts::by_email_key(&ctx.db, &offer.invitation.email_key).await?,
            signed_in: signed_in(ctx, headers, secure),
            offer,
        })
    }

    /// Whether it is the invited person's session that the browser keeps.
    fn is_theirs(&self) -> bool {
        let account = self.account.as_ref().map(|account| account.id);
        account.is_some() && account == self.signed_in
    }

    async fn form(&self, ctx: &Ctx, token: &str) -> Result<Value> {
        let inviter = accounts::by_id(&ctx.db, self.offer.invitation.invited_by).await?;
        let proof = match &self.account {
            _ if self.is_theirs() => "session",
            Some(_) => "password",
            None if ctx.config.registration == Registration::Closed => "closed",
            None => "registration",
        };
        Ok(context! {
            title => INVITATION,
            form => "invitation",
            token,
            proof,
            organization => &*self.offer.organization.name,
            inviter => inviter.map(|account| account.email).unwrap_or_default(),
            role_with_article => with_article(self.offer.invitation.role),
            email => &*self.offer.invitation.email,
            min => ctx.config.password.min_length,
            max => ctx.config.password.max_length,
        })
    }
}

async fn ask_invitation(
    State(ctx): State<Ctx>,
    info: RequestInfo,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let token = field(query.unwrap_or_default().as_bytes(), "token");
    let form = async {
        let visit = Visit::of(&ctx, &token, &headers, info.secure).await?;
        visit.form(&ctx, &token).await
    };
    match form.await {
        Ok(form) => page(&ctx, StatusCode::OK, form),
        Err(error) => told(&ctx, Err(error), INVITATION, "", Value::UNDEFINED),
    }
}

async fn answer_invitation(
    State(ctx): State<Ctx>,
    info: RequestInfo,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = field(&body, "token");
    let visit = match Visit::of(&ctx, &token, &headers, info.secure).await {
        Ok(visit) => visit,
        Err(error) => return told(&ctx, Err(error), INVITATION, "", Value::UNDEFINED),
    };
    match &*field(&body, "answer") {
        "accept" => {}
        "decline" => {
            let done = invitations::decline_by_link(&ctx, &token, &info).await;
            let good = "The invitation is declined. You may close this page.";
            return told(&ctx, done, INVITATION, good, Value::UNDEFINED);
        }
        _ => {
            let form = visit.form(&ctx, &token).await.unwrap_or_default();
            return told(&ctx, Err(unanswered()), INVITATION, "", form);
        }
    }
    let done = accept(&ctx, &visit, &token, &body, &info).await;
    let again = match &done {
        // Another password or code may help.
        Err(Error::Field(..)) => visit.form(&ctx, &token).await.unwrap_or_default(),
        _ => Value::UNDEFINED,
    };
    let good = format!(
        "You are a member of {} now. You may close this page.",
        visit.offer.organization.name
    );
    told(&ctx, done, INVITATION, &good, again)
}

/// Accepts for the person who was invited: by their session, by their password, or with a new account.
async fn accept(ctx: &Ctx, visit: &Visit, token: &str, body: &Bytes, info: &RequestInfo) -> Result<()> {
    let origin = Origin::of(info);
    let password = Password::new(field(body, "password"));
    let (mut proven, mut is_new) = (None, false);
    let user = match &visit.account {
        Some(account) if visit.is_theirs() => account.id,
        Some(account) => {
            let code = Some(field(body, "totp")).filter(|code| !code.is_empty());
            bounded(&password)?;
            let code = code.as_deref();
            proven = Some(prove_again(ctx, account.id, &password, code, "totp", &origin).await?);
            account.id
        }
        None => {
            bounded(&password)?;
            let new = NewAccount {
                email: Email::parse(&visit.offer.invitation.email).ok_or(INVITATION_INVALID)?,
                password,
                first_name: None,
                last_name: None,
                is_invited: true,
            };
            is_new = true;
            register(ctx, new, Mode::Bearer, &origin).await?.account.id
        }
    };
    let principal = Principal::new(PrincipalKind::User, user);
    let actor = Actor {
        principal: Arc::new(principal),
        request: Arc::clone(&info.0),
    };
    let accepted = invitations::accept(ctx, &actor, token, proven).await;
    if accepted.is_err() && is_new {
        // The account stays, so its address is verified as that of any other.
        let email = &visit.offer.invitation.email;
        password::send_link(ctx, email, MailKind::VerifyEmail, &origin).await?;
    }
    accepted.map(drop)
}

/// A form without one of its buttons: a program may have sent it.
fn unanswered() -> Error {
    Error::Field("answer", "required", "Choose one of the two".to_owned())
}

async fn ask_domain(State(ctx): State<Ctx>, RawQuery(query): RawQuery) -> Response {
    let token = field(query.unwrap_or_default().as_bytes(), "token");
    match domain_form(&ctx, &token).await {
        Ok(form) => page(&ctx, StatusCode::OK, form),
        Err(error) => told(&ctx, Err(error), DOMAIN, "", Value::UNDEFINED),
    }
}

async fn domain_form(ctx: &Ctx, token: &str) -> Result<Value> {
    let (domain, organization) = domains::asked(ctx, token).await?;
    Ok(context! {
        title => DOMAIN,
        form => "domain",
        token,
        organization => organization.name,
        domain => domain.domain,
        role_with_article => with_article(domain.role),
        is_allowed => domain.verified_at.is_some(),
    })
}

async fn answer_domain(State(ctx): State<Ctx>, info: RequestInfo, body: Bytes) -> Response {
    let token = field(&body, "token");
    match &*field(&body, "answer") {
        "allow" => {
            let done = domains::verify(&ctx, &token, &info).await.map(drop);
            let good = "People with a verified address at your domain can join now. You may close this page.";
            told(&ctx, done, DOMAIN, good, Value::UNDEFINED)
        }
        "refuse" => {
            let done = domains::refuse(&ctx, &token, &info).await;
            let good = "People of your domain cannot join without an invitation. You may close this page.";
            told(&ctx, done, DOMAIN, good, Value::UNDEFINED)
        }
        _ => {
            let form = domain_form(&ctx, &token).await.unwrap_or_default();
            told(&ctx, Err(unanswered()), DOMAIN, "", form)
        }
    }
}
