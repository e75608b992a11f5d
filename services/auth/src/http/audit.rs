//! The audit log, to be read.

use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stoa_audit::{Filter, Record};
use stoa_http::{Actor, Json, Paged, Result, endpoints, permission};
use stoa_kernel::{OrganizationId, Page, Timestamp, UserId};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::ctx::Ctx;

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list)
}

permission!(pub(super) AuditRead = "audit.read");

/// Which entries.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditFilter {
    /// Done by this account.
    #[garde(skip)]
    #[param(value_type = Option<Uuid>)]
    actor: Option<UserId>,
    /// Exactly this action.
    #[garde(inner(length(bytes, max = 64)))]
    #[param(max_length = 64, example = "session.create")]
    action: Option<String>,
    /// Done to this thing.
    #[garde(skip)]
    resource_id: Option<Uuid>,
    /// Done for this organization, or to it.
    #[garde(skip)]
    #[param(value_type = Option<Uuid>)]
    organization_id: Option<OrganizationId>,
}

/// Who did what to which thing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthAuditEntry {
    id: Uuid,
    /// Its number in the chain, once it is sealed.
    seq: Option<i64>,
    at: Timestamp,
    /// Null when it is not known, as with a failed sign-in, or Stoa itself.
    #[schema(value_type = Option<String>, format = Uuid)]
    actor: Option<UserId>,
    #[schema(example = "session.create")]
    action: String,
    #[schema(example = "session")]
    resource_kind: String,
    resource_id: Option<Uuid>,
    /// The organization that it was done for, or that it was done to.
    #[schema(value_type = Option<String>, format = Uuid)]
    organization_id: Option<OrganizationId>,
    /// More, by action.
    #[schema(value_type = Object)]
    detail: Value,
    request_id: Option<String>,
    /// Where it was done from.
    #[schema(example = "192.0.2.7")]
    address: Option<String>,
}

impl AuthAuditEntry {
    /// The same, for those who are not to know where others called from.
    pub(super) fn without_address(self) -> Self {
        Self {
            address: None,
            ..self
        }
    }
}

impl From<Record> for AuthAuditEntry {
    fn from(record: Record) -> Self {
        Self {
            id: record.id.uuid(),
            seq: record.seq,
            at: record.at,
            actor: record.actor,
            action: record.action,
            resource_kind: record.resource_kind,
            resource_id: record.resource_id,
            organization_id: record.organization_id,
            detail: record.detail,
            request_id: record.request_id,
            address: record.address,
        }
    }
}

/// Read the audit log.
///
/// What was done in auth, newest first.
#[utoipa::path(
    get, path = "/api/v1/auth/audit", tags = ["auth"], operation_id = "auth_list_audit",
    params(Paged<AuditFilter>),
    responses((status = 200, body = Page<AuthAuditEntry>))
)]
async fn list(
    _: Actor<AuditRead>,
    State(ctx): State<Ctx>,
    Paged { filter, page }: Paged<AuditFilter>,
) -> Result<Json<Page<AuthAuditEntry>>> {
    let filter = Filter {
        actor: filter.actor,
        action: filter.action,
        resource_id: filter.resource_id,
        organization_id: filter.organization_id,
        ..Filter::default()
    };
    let found = stoa_audit::page(&ctx.db, &filter, &page).await?;
    Ok(Json(found.map(AuthAuditEntry::from)))
}
