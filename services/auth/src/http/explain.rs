//! Why somebody may do something, or may not.

use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Failure, Json, Result, codes, endpoints, permission};
use stoa_kernel::{OrganizationId, Owner, Reason, Resource, UserId, allow};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::me::AccountRead;
use crate::{
    ctx::Ctx,
    ops::explain::{self as ops, Via},
    permissions::{is_kind, is_permission},
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(explain)
}

permission!(pub(super) AccessExplain = "access.explain");

/// Who would do what to which thing.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"action": "users.read", "resource_kind": "profile"}))]
pub(super) struct AuthExplainRequest {
    /// You, if absent.
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Uuid)]
    user_id: Option<UserId>,
    #[garde(custom(is_permission))]
    #[schema(max_length = 64)]
    action: String,
    #[garde(custom(is_kind))]
    #[schema(max_length = 64)]
    resource_kind: String,
    /// Which one; absent for all of them.
    #[garde(skip)]
    resource_id: Option<Uuid>,
    /// Whose it is, if it is a person's.
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Uuid)]
    owner_id: Option<UserId>,
    /// Whose it is, if it is an organization's. Only one of both can be given.
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Uuid)]
    owner_organization_id: Option<OrganizationId>,
}

/// A decision, and what it rests on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthExplanation {
    allowed: bool,
    reason: Reason,
    /// The roles or grants that permit it, if it is they.
    via: Vec<AuthVia>,
}

/// What permits something: a role, or a grant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthVia {
    /// The role's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    role: Option<String>,
    /// The grant's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    grant_id: Option<Uuid>,
    /// What of it permits the action.
    permission: String,
}

impl From<Via> for AuthVia {
    fn from(via: Via) -> Self {
        match via {
            Via::Role { role, permission } => Self {
                role: Some(role),
                grant_id: None,
                permission,
            },
            Via::Grant { id, permission } => Self {
                role: None,
                grant_id: Some(id),
                permission,
            },
        }
    }
}

/// Ask why somebody may do something, or may not.
///
/// Anybody may ask about themselves; about others, whoever holds `access.explain`. Nothing of the resource is looked up: whose it is
/// says the question.
#[utoipa::path(
    post, path = "/api/v1/auth/explain", tags = ["auth"], operation_id = "auth_explain",
    request_body = AuthExplainRequest,
    responses((status = 200, body = AuthExplanation))
)]
async fn explain(
    actor: Actor<AccountRead>,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthExplainRequest>,
) -> Result<Json<AuthExplanation>> {
    let user = body.user_id.unwrap_or(actor.user_id);
    let may_ask = || allow(&actor, AccessExplain::NAME, &Resource::all("access"), &[]).allowed;
    if user != actor.user_id && !may_ask() {
        let detail = format!(
            "To ask about others needs the permission {}.",
            AccessExplain::NAME
        );
        return Err(Failure::new(codes::FORBIDDEN).detail(detail));
    }
    let owner = match (body.owner_id, body.owner_organization_id) {
        (Some(_), Some(_)) => {
            let message = "Either owner_id or owner_organization_id can be given";
            return Err(Failure::invalid("owner_organization_id", "conflict", message));
        }
        (person, organization) => person.map(Owner::from).or(organization.map(Owner::from)),
    };
    let resource = Resource {
        kind: &body.resource_kind,
        id: body.resource_id,
        owner,
    };
    let (decision, via) = ops::explain(&ctx, &actor, user, &body.action, &resource).await?;
    Ok(Json(AuthExplanation {
        allowed: decision.allowed,
        reason: decision.reason,
        via: via.into_iter().map(AuthVia::from).collect(),
    }))
}
