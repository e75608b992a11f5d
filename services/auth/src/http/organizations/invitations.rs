//! Invitations to organizations.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Anyone, Failure, Json, Paged, Path, Person, Result, Unfiltered, endpoints};
use stoa_kernel::{OrganizationId, OrganizationRole, Page, Timestamp, UserId};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::AuthOrganization;
use crate::{
    ctx::Ctx,
    email::{Email, is_email},
    ops::organizations::{self as ops, Proof, invitations},
    password::Password,
    store::invitations::{self as store, Invitation, InvitationId},
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list, create, revoke, list_own, joinable, read, accept, decline)
}

/// A pending invitation.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AuthInvitation {
    #[schema(value_type = String, format = Uuid)]
    id: InvitationId,
    #[schema(value_type = String, format = Uuid)]
    organization_id: OrganizationId,
    /// Whom it was sent to.
    #[schema(example = "ada@example.org")]
    email: String,
    /// Their role after joining.
    role: OrganizationRole,
    #[schema(value_type = String, format = Uuid)]
    invited_by: UserId,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl From<Invitation> for AuthInvitation {
    fn from(row: Invitation) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            email: row.email,
            role: row.role,
            invited_by: row.invited_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

/// List the invitations of an organization.
///
/// For admins and owners, newest first.
#[utoipa::path(
    get, path = "/api/v1/auth/organizations/{id}/invitations", tags = ["auth"], operation_id = "auth_list_invitations",
    params(("id" = Uuid, Path, description = "The organization"), Paged),
    responses((status = 200, body = Page<AuthInvitation>))
)]
async fn list(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
    Paged { page, .. }: Paged<Unfiltered>,
) -> Result<Json<Page<AuthInvitation>>> {
    ops::standing(&ctx, &actor, id)
        .await?
        .at_least(OrganizationRole::Admin)?;
    let page = store::list(&ctx.db, id, &page).await?;
    Ok(Json(page.map(AuthInvitation::from)))
}

/// Who is invited, and as what.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.org", "role": "member"}))]
pub(super) struct AuthCreateInvitationRequest {
    /// With or without an account.
    #[garde(custom(is_email))]
    #[schema(max_length = 254)]
    email: String,
    /// No greater than yours.
    #[garde(skip)]
    role: OrganizationRole,
    /// Your password. Needed only to invite an admin or an owner.
    #[garde(dive)]
    #[schema(value_type = Option<String>, format = Password, max_length = 1024)]
    password: Option<Password>,
    /// The code of the authenticator app, or a recovery code, if the account asks for one.
    #[garde(inner(length(chars, max = 64)))]
    #[schema(max_length = 64)]
    totp: Option<String>,
}

/// Invite somebody by mail.
///
/// For admins and owners whose address is verified; an owner is invited by owners. To invite an admin or an owner takes your password. An invitation that the address has already is replaced. `403 email_not_verified`: verify your address first. `409
/// already_member`: the person is a member. `409 too_many_invitations`: revoke some first. `429`: this address has got too many invitations today, or you,
/// or others at your internet address, have sent too many.
#[utoipa::path(
    post, path = "/api/v1/auth/organizations/{id}/invitations", tags = ["auth"], operation_id = "auth_create_invitation",
    params(("id" = Uuid, Path, description = "The organization")),
    request_body = AuthCreateInvitationRequest,
    responses((status = 201, body = AuthInvitation))
)]
async fn create(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
    Json(body): Json<AuthCreateInvitationRequest>,
) -> Result<(StatusCode, Json<AuthInvitation>)> {
    let email = Email::parse(&body.email);
    let email = email.ok_or_else(|| Failure::invalid("email", "format", "Not an e-mail address"))?;
    let proof = Proof {
        password: body.password.as_ref(),
        code: body.totp.as_deref(),
    };
    let invitation = invitations::create(&ctx, &actor, id, &email, body.role, proof).await?;
    Ok((StatusCode::CREATED, Json(invitation.into())))
}

/// Revoke an invitation.
///
/// For admins and owners. Its link no longer works.
#[utoipa::path(
    delete, path = "/api/v1/auth/organizations/{id}/invitations/{invitation_id}", tags = ["auth"], operation_id = "auth_revoke_invitation",
    params(("id" = Uuid, Path, description = "The organization"), ("invitation_id" = Uuid, Path, description = "The invitation")),
    responses((status = 204, description = "The invitation is gone"))
)]
async fn revoke(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path((id, invitation)): Path<(OrganizationId, InvitationId)>,
) -> Result<StatusCode> {
    invitations::revoke(&ctx, &actor, id, invitation).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the invitations to you.
///
/// Newest first. There are none while your address is not verified. Accept one by its id.
#[utoipa::path(
    get, path = "/api/v1/auth/invitations", tags = ["auth"], operation_id = "auth_list_own_invitations",
    params(Paged),
    responses((status = 200, body = Page<AuthOffer>))
)]
async fn list_own(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Paged { page, .. }: Paged<Unfiltered>,
) -> Result<Json<Page<AuthOffer>>> {
    let page = invitations::list_to(&ctx, actor.user_id, &page).await?;
    Ok(Json(page.map(AuthOffer::from)))
}

/// An organization that you may join.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthJoinable {
    #[schema(value_type = String, format = Uuid)]
    id: OrganizationId,
    name: String,
    /// Your role after joining.
    role: OrganizationRole,
}

/// Organizations that you may join by the domain of your address.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthJoinableList {
    /// A hundred at most, the oldest first.
    items: Vec<AuthJoinable>,
}

/// List the organizations that you may join.
///
/// Those that have verified the domain of your address, once that is verified.
#[utoipa::path(
    get, path = "/api/v1/auth/organizations/joinable", tags = ["auth"], operation_id = "auth_list_joinable_organizations",
    responses((status = 200, body = AuthJoinableList))
)]
async fn joinable(actor: Actor<Person>, State(ctx): State<Ctx>) -> Result<Json<AuthJoinableList>> {
    let found = invitations::joinable(&ctx, actor.user_id, 100).await?;
    let items = found.into_iter().map(|one| AuthJoinable {
        id: one.id,
        name: one.name,
        role: one.role,
    });
    Ok(Json(AuthJoinableList {
        items: items.collect(),
    }))
}

/// What an invitation offers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthOffer {
    #[schema(value_type = String, format = Uuid)]
    id: InvitationId,
    #[schema(value_type = String, format = Uuid)]
    organization_id: OrganizationId,
    #[schema(example = "Analytical Engines")]
    organization_name: String,
    /// Whom it was sent to.
    email: String,
    role: OrganizationRole,
    expires_at: Timestamp,
}

impl From<invitations::Offer> for AuthOffer {
    fn from(offer: invitations::Offer) -> Self {
        Self {
            id: offer.invitation.id,
            organization_id: offer.organization.id,
            organization_name: offer.organization.name,
            email: offer.invitation.email,
            role: offer.invitation.role,
            expires_at: offer.invitation.expires_at,
        }
    }
}

/// See what an invitation offers.
///
/// Anybody who has the token of its mail may. `422 invitation_invalid`: it was answered, revoked, or has expired.
#[utoipa::path(
    get, path = "/api/v1/auth/invitations/{token}", tags = ["auth"], operation_id = "auth_read_invitation",
    params(("token" = String, Path, description = "The token of the link in the mail")),
    responses((status = 200, body = AuthOffer))
)]
async fn read(_: Anyone, State(ctx): State<Ctx>, Path(token): Path<String>) -> Result<Json<AuthOffer>> {
    Ok(Json(invitations::offer(&ctx, &token).await?.into()))
}

/// Accept an invitation.
///
/// It must be to the address of your account. The token of its mail verifies the address. An account with a verified address can use the id
/// of the invitation instead. Your access token is stale afterwards. `403 invitation_for_another`: it is for another address. `409 already_member`: you are a
/// member already. `409 too_many_organizations`: leave one first. `422 invitation_invalid`: it was answered, revoked, or has expired.
#[utoipa::path(
    post, path = "/api/v1/auth/invitations/{token}/accept", tags = ["auth"], operation_id = "auth_accept_invitation",
    params(("token" = String, Path, description = "The token of the link in the mail, or the id of the invitation")),
    responses((status = 200, body = AuthOrganization))
)]
async fn accept(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(token): Path<String>,
) -> Result<Json<AuthOrganization>> {
    Ok(Json(
        invitations::accept(&ctx, &actor, &token, None).await?.into(),
    ))
}

/// Decline an invitation.
#[utoipa::path(
    post, path = "/api/v1/auth/invitations/{token}/decline", tags = ["auth"], operation_id = "auth_decline_invitation",
    params(("token" = String, Path, description = "The token of the link in the mail, or the id of the invitation")),
    responses((status = 204, description = "The invitation is gone"))
)]
async fn decline(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(token): Path<String>,
) -> Result<StatusCode> {
    invitations::decline(&ctx, &actor, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}
