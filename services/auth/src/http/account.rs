//! One's account as a whole: taken along, and erased.

use axum::{extract::State, response::Response};
use garde::Validate;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};
use stoa_http::{Json, Person, Problems, RequestInfo, Result};
use stoa_kernel::{SessionId, Timestamp};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{api_keys::AuthApiKey, audit::AuthAuditEntry, grants::AuthGrant, sessions, signed_in::AuthUser};
use crate::{
    ctx::Ctx,
    ops::{
        erase,
        export::{self, Held},
        origin::Origin,
    },
    password::Password,
    store::sessions::Session,
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(export))
        .routes(routes!(remove))
}

/// Everything that auth holds on a person. Of passwords, tokens and codes it holds hashes alone.
#[derive(Serialize, ToSchema)]
pub(super) struct AuthExport {
    #[schema(value_type = String, format = DateTime)]
    exported_at: Timestamp,
    account: AuthUser,
    sessions: Vec<ExportedSession>,
    api_keys: Vec<AuthApiKey>,
    /// What they were granted on single things.
    grants: Vec<AuthGrant>,
    /// Since when a second factor is asked for.
    #[schema(value_type = Option<String>, format = DateTime)]
    totp_since: Option<Timestamp>,
    #[schema(minimum = 0)]
    recovery_codes_left: i64,
    /// When each known network was last signed in from; of the networks only hashes are held.
    #[schema(value_type = Vec<String>)]
    known_networks: Vec<Timestamp>,
    mail_links: Vec<ExportedLink>,
    /// What they did, and what was done to their account; newest first.
    audit: Vec<AuthAuditEntry>,
}

/// A sign-in that has not ended.
#[derive(Serialize, ToSchema)]
pub(super) struct ExportedSession {
    #[schema(value_type = String, format = Uuid)]
    id: SessionId,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    address: String,
    user_agent: Option<String>,
}

impl From<Session> for ExportedSession {
    fn from(session: Session) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            address: session.address,
            user_agent: session.user_agent,
        }
    }
}

/// A link in a mail that still works.
#[derive(Serialize, ToSchema)]
pub(super) struct ExportedLink {
    #[schema(example = "verify")]
    purpose: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl AuthExport {
    fn new(exported_at: Timestamp, held: Held) -> Self {
        Self {
            exported_at,
            account: AuthUser::new(held.account, held.roles),
            sessions: held.sessions.into_iter().map(Into::into).collect(),
            api_keys: held.api_keys.into_iter().map(Into::into).collect(),
            grants: held.grants.into_iter().map(Into::into).collect(),
            totp_since: held.totp_since,
            recovery_codes_left: held.recovery_codes_left,
            known_networks: held.known_networks,
            mail_links: held
                .mail_links
                .into_iter()
                .map(|(purpose, expires_at)| ExportedLink { purpose, expires_at })
                .collect(),
            audit: held.audit.into_iter().map(Into::into).collect(),
        }
    }
}

/// Everything that is held on you here.
///
/// What the other services hold is to be had from them: profile and activity at `/api/v1/users/me/export`.
#[utoipa::path(
    get, path = "/api/v1/auth/export", tags = ["auth"], operation_id = "auth_export",
    security(("bearer" = [])),
    responses((status = 200, description = "All there is, as a download", body = AuthExport), Problems)
)]
async fn export(
    State(ctx): State<Ctx>,
    person: Person,
) -> Result<([(HeaderName, HeaderValue); 2], Json<AuthExport>)> {
    let held = export::export(&ctx, person.user_id).await?;
    let headers = [
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"stoa-auth.json\""),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Json(AuthExport::new(ctx.clock.now(), held))))
}

/// Proof of who asks.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EraseAccountRequest {
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    password: Password,
    /// The code of the authenticator app, or a recovery code, if the account asks for one.
    #[garde(inner(length(chars, max = 64)))]
    #[schema(max_length = 64)]
    totp: Option<String>,
}

/// Erase your account.
///
/// All that is held on you is erased here, and by every other service as it hears of it. It cannot be undone. `409 last_admin`: you
/// are the last administrator.
#[utoipa::path(
    delete, path = "/api/v1/auth/account", tags = ["auth"], operation_id = "auth_erase_account",
    security(("bearer" = [])), request_body = EraseAccountRequest,
    responses((status = 204, description = "The account is gone"), Problems)
)]
async fn remove(
    State(ctx): State<Ctx>,
    info: RequestInfo,
    person: Person,
    headers: HeaderMap,
    Json(body): Json<EraseAccountRequest>,
) -> Result<Response> {
    let code = body.totp.as_deref();
    erase::erase(&ctx, person.user_id, &body.password, code, &Origin::from(&info)).await?;
    Ok(sessions::gone(&ctx, &info, &headers))
}
