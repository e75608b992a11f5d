//! Organizations: people who own things together.

mod api_keys;
mod audit;
mod domains;
mod invitations;
mod members;
mod picture;

use axum::extract::State;
use garde::Validate;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use stoa_http::{
    Actor, IfMatch, Json, Paged, Path, Person, Result, Unfiltered, endpoints, etag, field_error, is_line,
    owned,
};
use stoa_kernel::{OrganizationId, OrganizationRole, Page, Timestamp, text};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    ctx::Ctx,
    ops::organizations::{self as ops, Proof, Standing, lifecycle},
    password::Password,
};

pub(super) use self::invitations::AuthInvitation;

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list, create, read, update, delete, restore)
        .merge(members::routes())
        .merge(invitations::routes())
        .merge(domains::routes())
        .merge(api_keys::routes())
        .merge(audit::routes())
        .merge(picture::routes())
}

owned!(
    /// Reading the organizations that one is a member of.
    pub(super) OrganizationsRead = "organizations.read", [Guest, Member, Admin, Owner]
);

/// An organization, and what you are in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthOrganization {
    #[schema(value_type = String, format = Uuid)]
    id: OrganizationId,
    #[schema(example = "Analytical Engines")]
    name: String,
    /// Where its picture is, below the public address.
    #[schema(example = "/api/v1/auth/organizations/01890000-0000-7000-8000-000000000000/picture/5f…9c.png")]
    picture_url: Option<String>,
    /// Your role, or that of the API key.
    role: OrganizationRole,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Set when it is deleted: until then an owner can restore it.
    purge_at: Option<Timestamp>,
}

impl From<Standing> for AuthOrganization {
    fn from(Standing { organization, role }: Standing) -> Self {
        Self {
            picture_url: organization.picture_url(),
            id: organization.id,
            name: organization.name,
            role,
            created_at: organization.created_at,
            updated_at: organization.updated_at,
            purge_at: organization.purge_at,
        }
    }
}

/// An organization, and its version as the entity tag.
type Tagged = ([(HeaderName, HeaderValue); 1], Json<AuthOrganization>);

fn tagged(standing: Standing) -> Tagged {
    (
        [(header::ETAG, etag(standing.organization.version))],
        Json(standing.into()),
    )
}

/// List your organizations.
///
/// The oldest first, also deleted ones that can still be restored. With an organization's API key: that organization.
#[utoipa::path(
    get, path = "/api/v1/auth/organizations", tags = ["auth"], operation_id = "auth_list_organizations",
    params(Paged),
    responses((status = 200, body = Page<AuthOrganization>))
)]
async fn list(
    actor: Actor<OrganizationsRead>,
    State(ctx): State<Ctx>,
    Paged { page, .. }: Paged<Unfiltered>,
) -> Result<Json<Page<AuthOrganization>>> {
    let page = ops::list(&ctx, &actor, &page).await?;
    Ok(Json(page.map(AuthOrganization::from)))
}

/// The name of an organization.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthOrganizationRequest {
    /// Space around it is dropped.
    #[garde(custom(is_name))]
    #[schema(min_length = 1, max_length = 100, example = "Analytical Engines")]
    name: String,
}

/// What stands in an internet address beside the name of a host; such a name alone may be somebody's.
const PARTS_OF_ADDRESSES: [char; 6] = ['/', '\\', ':', '?', '#', '@'];

/// The character that this one looks like in an internet address.
fn plain(c: char) -> char {
    match c {
        '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => '.',
        '\u{2044}' | '\u{2215}' | '\u{ff0f}' => '/',
        '\u{ff1a}' => ':',
        '\u{ff1f}' => '?',
        '\u{ff03}' => '#',
        '\u{ff20}' => '@',
        '\u{ff3c}' => '\\',
        other => other,
    }
}

/// Zero width joiners, variation selectors and the tags of flags.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0020}'..='\u{e007f}')
}

/// A name is sent in mails to people who do not know the sender, whose programs make links of addresses.
fn is_name(name: &str, (): &()) -> garde::Result {
    let is_address = |word: &str| {
        let word: String = word.chars().flat_map(char::to_lowercase).map(plain).collect();
        word.contains("://")
            || word.contains("www.")
            || (word.contains('.') && word.contains(PARTS_OF_ADDRESSES))
    };
    if name.split_whitespace().any(is_address) {
        return Err(field_error("format", "A name cannot hold an internet address"));
    }
    // What joins letters or shapes the character before it has its uses; the rest only makes one name look like another.
    if name
        .trim()
        .chars()
        .any(|c| text::is_invisible(c) && !c.is_whitespace() && !is_joiner(c))
    {
        return Err(field_error(
            "format",
            "A name cannot hold characters that nobody sees",
        ));
    }
    is_line(name, 100)
}

/// Make an organization.
///
/// You are its owner. Your access token is stale afterwards: refresh it to act for the organization. `409 too_many_organizations`: you are a
/// member of as many as one person can be.
#[utoipa::path(
    post, path = "/api/v1/auth/organizations", tags = ["auth"], operation_id = "auth_create_organization",
    request_body = AuthOrganizationRequest,
    responses((status = 201, body = AuthOrganization, headers(("etag" = String, description = "The version, for If-Match"))))
)]
async fn create(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthOrganizationRequest>,
) -> Result<(StatusCode, Tagged)> {
    let name = text::line(&body.name).unwrap_or_default();
    let made = lifecycle::create(&ctx, &actor, &name).await?;
    Ok((StatusCode::CREATED, tagged(made)))
}

/// Read an organization of yours.
#[utoipa::path(
    get, path = "/api/v1/auth/organizations/{id}", tags = ["auth"], operation_id = "auth_read_organization",
    params(("id" = uuid::Uuid, Path, description = "The organization")),
    responses((status = 200, body = AuthOrganization, headers(("etag" = String, description = "The version, for If-Match"))))
)]
async fn read(
    actor: Actor<OrganizationsRead>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
) -> Result<Tagged> {
    Ok(tagged(ops::standing(&ctx, &actor, id).await?))
}

/// Rename an organization.
///
/// For owners and admins. With `If-Match` it is renamed only if nobody has changed it since you read it.
#[utoipa::path(
    patch, path = "/api/v1/auth/organizations/{id}", tags = ["auth"], operation_id = "auth_update_organization",
    params(("id" = uuid::Uuid, Path, description = "The organization"), ("if-match" = Option<String>, Header, description = "The etag of the organization that you read")),
    request_body = AuthOrganizationRequest,
    responses((status = 200, body = AuthOrganization, headers(("etag" = String, description = "The new version"))))
)]
async fn update(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
    IfMatch(expected): IfMatch,
    Json(body): Json<AuthOrganizationRequest>,
) -> Result<Tagged> {
    let name = text::line(&body.name).unwrap_or_default();
    Ok(tagged(
        lifecycle::rename(&ctx, &actor, id, &name, &expected).await?,
    ))
}

/// Proof that it is you who deletes it.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthDeleteOrganizationRequest {
    /// Your password. It is required again, because a stolen session must not be enough.
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    password: Password,
    /// The code of the authenticator app, or a recovery code, if the account asks for one.
    #[garde(inner(length(chars, max = 64)))]
    #[schema(max_length = 64)]
    totp: Option<String>,
}

/// Delete an organization.
///
/// For owners. Nobody acts for it any more, everywhere within a second, and its API keys are refused. Until `purge_at` an owner can restore
/// it; then all that it owns is erased.
#[utoipa::path(
    delete, path = "/api/v1/auth/organizations/{id}", tags = ["auth"], operation_id = "auth_delete_organization",
    params(("id" = uuid::Uuid, Path, description = "The organization")),
    request_body = AuthDeleteOrganizationRequest,
    responses((status = 200, body = AuthOrganization))
)]
async fn delete(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
    Json(body): Json<AuthDeleteOrganizationRequest>,
) -> Result<Json<AuthOrganization>> {
    let proof = Proof {
        password: Some(&body.password),
        code: body.totp.as_deref(),
    };
    let deleted = lifecycle::delete(&ctx, &actor, id, proof).await?;
    Ok(Json(deleted.into()))
}

/// Restore a deleted organization.
///
/// For its owners, until `purge_at`. Members act for it again once they have refreshed their access token.
#[utoipa::path(
    post, path = "/api/v1/auth/organizations/{id}/restore", tags = ["auth"], operation_id = "auth_restore_organization",
    params(("id" = uuid::Uuid, Path, description = "The organization")),
    responses((status = 200, body = AuthOrganization))
)]
async fn restore(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
) -> Result<Json<AuthOrganization>> {
    Ok(Json(lifecycle::restore(&ctx, &actor, id).await?.into()))
}
