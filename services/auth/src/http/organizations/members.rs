//! Members of an organization.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Json, Paged, Path, Person, Result, endpoints, owned};
use stoa_kernel::{OrganizationId, OrganizationRole, Page, Timestamp, UserId};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::AuthOrganization;
use crate::{
    ctx::Ctx,
    ops::organizations::{self as ops, Proof, invitations, members},
    password::Password,
    store::members::{self as store, Member},
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list, update, remove, transfer, join)
}

owned!(
    /// Reading who is a member of one's organizations.
    MembersRead = "members.read", [Member, Admin, Owner]
);

/// A member of an organization.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthMember {
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    #[schema(example = "ada@example.org")]
    email: String,
    role: OrganizationRole,
    /// When they became a member.
    created_at: Timestamp,
}

impl From<Member> for AuthMember {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user_id,
            email: member.email,
            role: member.role,
            created_at: member.created_at,
        }
    }
}

/// Which members.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MembersFilter {
    /// Only those in this role.
    #[garde(skip)]
    #[param(inline)]
    role: Option<OrganizationRole>,
}

/// List the members of an organization.
///
/// For all but guests. In the order of their accounts, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/auth/organizations/{id}/members", tags = ["auth"], operation_id = "auth_list_members",
    params(("id" = Uuid, Path, description = "The organization"), Paged<MembersFilter>),
    responses((status = 200, body = Page<AuthMember>))
)]
async fn list(
    actor: Actor<MembersRead>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
    Paged { filter, page }: Paged<MembersFilter>,
) -> Result<Json<Page<AuthMember>>> {
    ops::standing(&ctx, &actor, id)
        .await?
        .at_least(OrganizationRole::Member)?;
    let members = store::list(&ctx.db, id, filter.role, &page).await?;
    Ok(Json(members.map(AuthMember::from)))
}

/// The member's new role.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthUpdateMemberRequest {
    #[garde(skip)]
    role: OrganizationRole,
    /// Your password. Needed only to make an admin or an owner, or to unmake an owner.
    #[garde(dive)]
    #[schema(value_type = Option<String>, format = Password, max_length = 1024)]
    password: Option<Password>,
    /// The code of the authenticator app, or a recovery code, if the account asks for one.
    #[garde(inner(length(chars, max = 64)))]
    #[schema(max_length = 64)]
    totp: Option<String>,
}

/// Give a member another role.
///
/// For admins and owners; only owners make and unmake owners. To make an admin or an owner, or to unmake an owner, takes your password. All
/// owners are told of a new or a former owner by mail. It holds everywhere within a second. A member who
/// loses the role of admin also loses their invitations and API keys of the organization. `409 last_owner`: nobody else is an owner.
#[utoipa::path(
    patch, path = "/api/v1/auth/organizations/{id}/members/{user_id}", tags = ["auth"], operation_id = "auth_update_member",
    params(("id" = Uuid, Path, description = "The organization"), ("user_id" = Uuid, Path, description = "The member")),
    request_body = AuthUpdateMemberRequest,
    responses((status = 204, description = "The member has the role"))
)]
async fn update(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path((id, user)): Path<(OrganizationId, UserId)>,
    Json(body): Json<AuthUpdateMemberRequest>,
) -> Result<StatusCode> {
    let proof = Proof {
        password: body.password.as_ref(),
        code: body.totp.as_deref(),
    };
    members::set_role(&ctx, &actor, id, user, body.role, proof).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a member, or leave.
///
/// Everybody may leave; admins and owners remove those whose role is no greater than theirs. It holds everywhere within a second. Invitations
/// and API keys of the organization that the member made end with it. `409 member_is_owner`: give an owner another role first, also yourself. `409 last_owner`: nobody
/// else is an owner.
#[utoipa::path(
    delete, path = "/api/v1/auth/organizations/{id}/members/{user_id}", tags = ["auth"], operation_id = "auth_remove_member",
    params(("id" = Uuid, Path, description = "The organization"), ("user_id" = Uuid, Path, description = "The member")),
    responses((status = 204, description = "The membership has ended"))
)]
async fn remove(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path((id, user)): Path<(OrganizationId, UserId)>,
) -> Result<StatusCode> {
    members::remove(&ctx, &actor, id, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// To whom an organization is to be handed over.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthTransferOrganizationRequest {
    /// The member who becomes an owner.
    #[garde(skip)]
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    /// Your password. It is required again, because a stolen session must not be enough.
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    password: Password,
    /// The code of the authenticator app, or a recovery code, if the account asks for one.
    #[garde(inner(length(chars, max = 64)))]
    #[schema(max_length = 64)]
    totp: Option<String>,
}

/// Hand an organization over.
///
/// For owners: the member becomes an owner, and you an admin.
#[utoipa::path(
    post, path = "/api/v1/auth/organizations/{id}/transfer", tags = ["auth"], operation_id = "auth_transfer_organization",
    params(("id" = Uuid, Path, description = "The organization")),
    request_body = AuthTransferOrganizationRequest,
    responses((status = 204, description = "The member is an owner"))
)]
async fn transfer(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
    Json(body): Json<AuthTransferOrganizationRequest>,
) -> Result<StatusCode> {
    let proof = Proof {
        password: Some(&body.password),
        code: body.totp.as_deref(),
    };
    members::transfer(&ctx, &actor, id, body.user_id, proof).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Join an organization by the domain of your address.
///
/// Your address must be verified, and so must its domain for the organization: see `joinable`. Your access token is stale afterwards.
/// `403
/// invitation_needed`: you were a member before. `409 already_member`: you are a member already. `409 too_many_organizations`: leave one first.
#[utoipa::path(
    post, path = "/api/v1/auth/organizations/{id}/join", tags = ["auth"], operation_id = "auth_join_organization",
    params(("id" = Uuid, Path, description = "The organization")),
    responses((status = 200, body = AuthOrganization))
)]
async fn join(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
) -> Result<Json<AuthOrganization>> {
    Ok(Json(invitations::join_by_domain(&ctx, &actor, id).await?.into()))
}
