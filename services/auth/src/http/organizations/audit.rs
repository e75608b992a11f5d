//! What was done in an organization.

use axum::extract::State;
use stoa_audit::Filter;
use stoa_http::{Actor, Json, Paged, Path, Person, Result, endpoints};
use stoa_kernel::{OrganizationId, OrganizationRole, Page};
use utoipa_axum::router::OpenApiRouter;

use crate::{ctx::Ctx, http::audit::AuthAuditEntry, ops::organizations as ops};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list)
}

/// Read the audit log of an organization.
///
/// For admins and owners: what was done in auth for the organization or to it, newest first. Where members called from is left out.
#[utoipa::path(
    get, path = "/api/v1/auth/organizations/{id}/audit", tags = ["auth"], operation_id = "auth_list_organization_audit",
    params(("id" = Uuid, Path, description = "The organization"), Paged),
    responses((status = 200, body = Page<AuthAuditEntry>))
)]
async fn list(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<AuthAuditEntry>>> {
    ops::standing(&ctx, &actor, id)
        .await?
        .at_least(OrganizationRole::Admin)?;
    let filter = Filter {
        organization_id: Some(id),
        ..Filter::default()
    };
    let found = stoa_audit::page(&ctx.db, &filter, &page).await?;
    Ok(Json(found.map(|row| AuthAuditEntry::from(row).without_address())))
}
