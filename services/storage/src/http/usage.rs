//! What one uses.

use axum::extract::State;
use garde::Validate;
use serde::Deserialize;
use stoa_http::{Actor, Json, Query, Result};
use stoa_kernel::OrganizationId;

use super::{scopes::BucketsRead, view::StorageUsage};
use crate::{ctx::Ctx, error::Error, store::owners};

/// Whose.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// This organization's, of which you are a member; your own if absent.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    organization_id: Option<OrganizationId>,
}

/// What you use, or an organization, and what there may be.
#[utoipa::path(
    get, path = "/api/v1/storage/usage", tags = ["storage"], operation_id = "storage_read_usage",
    params(Whose),
    responses((status = 200, description = "Buckets, objects and bytes", body = StorageUsage))
)]
pub(super) async fn read(
    actor: Actor<BucketsRead>,
    State(ctx): State<Ctx>,
    Query(whose): Query<Whose>,
) -> Result<Json<StorageUsage>> {
    let owner = ctx.access.owner(&actor, whose.organization_id).await?;
    let usage = owners::usage(&ctx.db, owner).await.map_err(Error::from)?;
    Ok(Json(StorageUsage::of(usage, &ctx.config)))
}
