//! What somebody is answered who has signed in.

use axum::response::{IntoResponse, Response};
use garde::Validate;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use stoa_http::{Json, RequestFacts};
use stoa_kernel::{Timestamp, UserId};
use utoipa::{IntoParams, ToSchema};

use super::cookies;
use crate::{
    config::AuthConfig,
    ops::sessions::{Mode, SignedIn, Tokens},
    store::accounts::Account,
};

/// How the session is kept.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ModeQuery {
    /// `bearer` (if absent): tokens in the answer, for programs. `cookie`: tokens in cookies, for browsers; unsafe requests then
    /// need the header `x-csrf-token` with the answer's `csrf_token`.
    #[serde(default)]
    #[garde(skip)]
    #[param(inline, required = false)]
    pub(super) mode: Mode,
}

/// An account, as its owner sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AuthUser {
    #[schema(value_type = String, format = Uuid)]
    pub(super) id: UserId,
    #[schema(example = "ada@example.org")]
    pub(super) email: String,
    pub(super) email_verified: bool,
    #[schema(example = json!(["user"]))]
    pub(super) roles: Vec<String>,
    pub(super) created_at: Timestamp,
}

impl AuthUser {
    pub(super) fn new(account: Account, roles: Vec<String>) -> Self {
        Self {
            id: account.id,
            email: account.email,
            email_verified: account.email_verified_at.is_some(),
            roles,
            created_at: account.created_at,
        }
    }
}

/// How tokens are presented.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(super) enum AuthTokenType {
    /// `Authorization: Bearer <access_token>`.
    Bearer,
    /// By cookies.
    Cookie,
}

/// Who signed in, and what they are given. In mode `bearer` `access_token` and `refresh_token` are there, in mode `cookie`
/// `csrf_token`; where an address has to be verified before signing in, registering gives none of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthSession {
    pub(super) user: AuthUser,
    /// Sent as `Authorization: Bearer …`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    access_token: Option<String>,
    /// Good once, for new tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// Sent as `x-csrf-token` with unsafe requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    csrf_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<AuthTokenType>,
    /// Seconds until the access token expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3600)]
    expires_in: Option<u64>,
}

/// The answer: in the body, in cookies, or neither while the address is not verified.
pub(super) fn answer(
    status: StatusCode,
    signed_in: SignedIn,
    config: &AuthConfig,
    info: &RequestFacts,
) -> Response {
    let user = AuthUser::new(signed_in.account, signed_in.access.roles);
    let mut session = AuthSession {
        user,
        access_token: None,
        refresh_token: None,
        csrf_token: None,
        token_type: None,
        expires_in: None,
    };
    let mut cookie = None;
    if let Some(tokens) = signed_in.tokens {
        session.expires_in = Some(config.access_token_lifetime.0.as_secs());
        match tokens {
            Tokens {
                csrf: Some(ref csrf), ..
            } => {
                session.csrf_token = Some(csrf.clone());
                session.token_type = Some(AuthTokenType::Cookie);
                cookie = Some(tokens);
            }
            Tokens {
                access,
                refresh,
                csrf: None,
            } => {
                session.access_token = Some(access);
                session.refresh_token = Some(refresh);
                session.token_type = Some(AuthTokenType::Bearer);
            }
        }
    }
    let mut response = (status, Json(session)).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(tokens) = &cookie {
        cookies::set(response.headers_mut(), config, tokens, info.secure);
    }
    response
}
