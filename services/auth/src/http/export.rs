//! All of one's data, to take along.

use axum::{body::Body, extract::State};
use bytes::Bytes;
use futures::stream;
use http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use stoa_http::{Actor, Person, Result, endpoints};
use stoa_kernel::{SessionId, Timestamp};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::{
    api_keys::AuthApiKey,
    audit::AuthAuditEntry,
    grants::AuthGrant,
    organizations::{AuthInvitation, AuthOrganization},
    signed_in::AuthUser,
};
use crate::{
    ctx::Ctx,
    error::{Error, Result as Outcome},
    ops::export::{self, Held, Page, Pages},
    store::sessions::Session,
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(export)
}

/// Everything that auth holds on a person. Of passwords, tokens and codes it holds hashes alone.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only describes what is written piece by piece")]
pub(super) struct AuthExport {
    exported_at: Timestamp,
    account: AuthUser,
    /// As given at registration; kept here for a month.
    first_name: Option<String>,
    last_name: Option<String>,
    sessions: Vec<AuthExportedSession>,
    api_keys: Vec<AuthApiKey>,
    /// What they were granted on single things.
    grants: Vec<AuthGrant>,
    /// Since when a second factor is asked for.
    totp_since: Option<Timestamp>,
    #[schema(minimum = 0)]
    recovery_codes_left: i64,
    /// When each known network was last signed in from; of the networks only hashes are held.
    #[schema(value_type = Vec<String>)]
    known_networks: Vec<Timestamp>,
    mail_links: Vec<AuthExportedLink>,
    /// Those that they are a member of.
    organizations: Vec<AuthOrganization>,
    /// Invitations that wait: those that they have sent, and those to their address once it is verified.
    invitations: Vec<AuthInvitation>,
    /// What they did, and what was done to their account; newest first.
    audit: Vec<AuthAuditEntry>,
}

/// A sign-in that has not ended.
#[derive(Serialize, ToSchema)]
pub(super) struct AuthExportedSession {
    #[schema(value_type = String, format = Uuid)]
    id: SessionId,
    created_at: Timestamp,
    last_used_at: Timestamp,
    address: String,
    user_agent: Option<String>,
}

impl From<Session> for AuthExportedSession {
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
pub(super) struct AuthExportedLink {
    #[schema(example = "verify")]
    purpose: String,
    expires_at: Timestamp,
}

/// The part of an export that is not written piece by piece.
#[derive(Serialize)]
struct Head {
    exported_at: Timestamp,
    account: AuthUser,
    first_name: Option<String>,
    last_name: Option<String>,
    totp_since: Option<Timestamp>,
    recovery_codes_left: i64,
    known_networks: Vec<Timestamp>,
    mail_links: Vec<AuthExportedLink>,
    organizations: Vec<AuthOrganization>,
    invitations: Vec<AuthInvitation>,
}

impl Head {
    fn new(exported_at: Timestamp, held: Held) -> Self {
        let (first_name, last_name) = held
            .names
            .map_or((None, None), |names| (names.first_name, names.last_name));
        let link = |(purpose, expires_at)| AuthExportedLink { purpose, expires_at };
        Self {
            exported_at,
            account: AuthUser::new(held.account, held.roles),
            first_name,
            last_name,
            totp_since: held.totp_since,
            recovery_codes_left: held.recovery_codes_left,
            known_networks: held.known_networks,
            mail_links: held.mail_links.into_iter().map(link).collect(),
            organizations: held
                .organizations
                .into_iter()
                .map(AuthOrganization::from)
                .collect(),
            invitations: held.invitations.into_iter().map(AuthInvitation::from).collect(),
        }
    }
}

/// Everything that is held on you here.
///
/// What the other services hold is to be had from them: profile and activity at `/api/v1/users/me/export`.
#[utoipa::path(
    get, path = "/api/v1/auth/export", tags = ["auth"], operation_id = "auth_export",
    responses((status = 200, description = "All there is, as a download", body = AuthExport, content_type = "application/json"))
)]
async fn export(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
) -> Result<([(HeaderName, HeaderValue); 3], Body)> {
    let held = export::held(&ctx, actor.user_id).await?;
    let mut head = to_json(&Head::new(ctx.clock.now(), held))?;
    // What follows is written into the same object.
    head.pop();
    let writing = Writing {
        pages: Pages::new(ctx, actor.user_id),
        head: Some(head.into()),
        list: "",
        empty: true,
    };
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"stoa-auth.json\"",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let pieces = stream::try_unfold(Some(writing), Writing::piece);
    Ok((headers, Body::from_stream(pieces)))
}

/// An export on its way.
struct Writing {
    pages: Pages,
    head: Option<Bytes>,
    /// The list that is being written, and whether nothing is in it yet.
    list: &'static str,
    empty: bool,
}

impl Writing {
    /// The next piece, and what is to be written then.
    async fn piece(writing: Option<Self>) -> Outcome<Option<(Bytes, Option<Self>)>> {
        let Some(mut writing) = writing else {
            return Ok(None);
        };
        if let Some(head) = writing.head.take() {
            return Ok(Some((head, Some(writing))));
        }
        match writing.pages.next().await? {
            Some(page) => Ok(Some((writing.page(page)?.into(), Some(writing)))),
            None => Ok(Some((Bytes::from_static(b"]}"), None))),
        }
    }

    fn page(&mut self, page: Page) -> Outcome<Vec<u8>> {
        match page {
            Page::Sessions(rows) => self.rows("sessions", rows, AuthExportedSession::from),
            Page::ApiKeys(rows) => self.rows("api_keys", rows, AuthApiKey::from),
            Page::Grants(rows) => self.rows("grants", rows, AuthGrant::from),
            Page::Audit(rows) => self.rows("audit", rows, AuthAuditEntry::from),
        }
    }

    /// Rows of this list, which is begun, and the one before ended, if it is another.
    fn rows<T, U: Serialize>(
        &mut self,
        list: &'static str,
        rows: Vec<T>,
        shown: impl Fn(T) -> U,
    ) -> Outcome<Vec<u8>> {
        let mut piece = Vec::new();
        if self.list != list {
            let end = if self.list.is_empty() { "" } else { "]" };
            piece.extend(format!("{end},\"{list}\":[").bytes());
            (self.list, self.empty) = (list, true);
        }
        for row in rows {
            if !self.empty {
                piece.push(b',');
            }
            self.empty = false;
            piece.extend(to_json(&shown(row))?);
        }
        Ok(piece)
    }
}

fn to_json<T: Serialize>(value: &T) -> Outcome<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::Internal(format!("an export cannot be written: {error}")))
}
