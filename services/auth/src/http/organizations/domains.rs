//! E-mail domains whose people may join an organization.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Anyone, Json, Path, Person, Result, endpoints, field_error};
use stoa_kernel::{OrganizationId, OrganizationRole, Timestamp};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    ctx::Ctx,
    ops::organizations::{
        self as ops, Proof,
        domains::{self, Claim},
    },
    password::Password,
    store::domains::{self as store, Domain, DomainId},
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list, create, remove, verify, refuse)
}

/// A domain whose people may join an organization, once it is verified.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthDomain {
    #[schema(value_type = String, format = Uuid)]
    id: DomainId,
    #[schema(example = "example.org")]
    domain: String,
    /// What people who join become.
    role: OrganizationRole,
    created_at: Timestamp,
    /// Null while the mail to the domain is not answered.
    verified_at: Option<Timestamp>,
}

impl From<Domain> for AuthDomain {
    fn from(row: Domain) -> Self {
        Self {
            id: row.id,
            domain: row.domain,
            role: row.role,
            created_at: row.created_at,
            verified_at: row.verified_at,
        }
    }
}

/// The domains of an organization.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthDomainList {
    /// Twenty at most, by name.
    items: Vec<AuthDomain>,
}

/// List the domains of an organization.
///
/// For admins and owners.
#[utoipa::path(
    get, path = "/api/v1/auth/organizations/{id}/domains", tags = ["auth"], operation_id = "auth_list_domains",
    params(("id" = Uuid, Path, description = "The organization")),
    responses((status = 200, body = AuthDomainList))
)]
async fn list(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
) -> Result<Json<AuthDomainList>> {
    ops::standing(&ctx, &actor, id)
        .await?
        .at_least(OrganizationRole::Admin)?;
    let rows = store::list(&ctx.db, id).await?;
    Ok(Json(AuthDomainList {
        items: rows.into_iter().map(AuthDomain::from).collect(),
    }))
}

/// The domain whose people may join.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"domain": "example.org", "mailbox": "postmaster", "role": "member", "password": "correct horse battery"}))]
pub(super) struct AuthClaimDomainRequest {
    /// The domain, without `@`.
    #[garde(length(bytes, min = 1, max = 253))]
    #[schema(min_length = 1, max_length = 253)]
    domain: String,
    /// The mailbox of the domain that is asked: `admin`, `administrator`, `hostmaster`, `postmaster` or `webmaster`.
    #[garde(custom(is_mailbox))]
    #[schema(pattern = "^(admin|administrator|hostmaster|postmaster|webmaster)$")]
    mailbox: String,
    /// What people who join become: `guest` or `member`.
    #[garde(custom(is_modest))]
    role: OrganizationRole,
    /// Your password. It is required again, because a stolen session must not be enough.
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    password: Password,
    /// The code of the authenticator app, or a recovery code, if the account asks for one.
    #[garde(inner(length(chars, max = 64)))]
    #[schema(max_length = 64)]
    totp: Option<String>,
}

fn is_mailbox(name: &str, (): &()) -> garde::Result {
    if domains::MAILBOXES.contains(&name) {
        Ok(())
    } else {
        let message = format!("Expected one of {}", domains::MAILBOXES.join(", "));
        Err(field_error("unknown_mailbox", message))
    }
}

fn is_modest(role: &OrganizationRole, (): &()) -> garde::Result {
    if *role <= OrganizationRole::Member {
        Ok(())
    } else {
        let message = "People who join by themselves become guest or member";
        Err(field_error("role_too_great", message))
    }
}

/// Claim a domain.
///
/// For owners whose address is verified. The mailbox of the domain gets a mail; once its link is opened, everybody with a verified address there
/// may join. The link works for seven days; ask again for another. `409 domain_verified`: it is verified. `409 too_many_domains`: remove one
/// first. A domain at which anybody can have an address is refused (422, `errors[].code` is `public_domain`).
#[utoipa::path(
    post, path = "/api/v1/auth/organizations/{id}/domains", tags = ["auth"], operation_id = "auth_claim_domain",
    params(("id" = Uuid, Path, description = "The organization")),
    request_body = AuthClaimDomainRequest,
    responses((status = 201, body = AuthDomain))
)]
async fn create(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
    Json(body): Json<AuthClaimDomainRequest>,
) -> Result<(StatusCode, Json<AuthDomain>)> {
    let proof = Proof {
        password: Some(&body.password),
        code: body.totp.as_deref(),
    };
    let claim = Claim {
        domain: &body.domain,
        mailbox: &body.mailbox,
        role: body.role,
    };
    let claimed = domains::claim(&ctx, &actor, id, claim, proof).await?;
    Ok((StatusCode::CREATED, Json(claimed.into())))
}

/// Remove a domain.
///
/// For owners. Those who have joined stay.
#[utoipa::path(
    delete, path = "/api/v1/auth/organizations/{id}/domains/{domain_id}", tags = ["auth"], operation_id = "auth_remove_domain",
    params(("id" = Uuid, Path, description = "The organization"), ("domain_id" = Uuid, Path, description = "The domain")),
    responses((status = 204, description = "The domain is gone"))
)]
async fn remove(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path((id, domain)): Path<(OrganizationId, DomainId)>,
) -> Result<StatusCode> {
    domains::remove(&ctx, &actor, id, domain).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A link's token.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthDomainLinkRequest {
    /// From the link.
    #[garde(length(bytes, max = 256))]
    #[schema(max_length = 256)]
    token: String,
}

/// Verify a domain by the link of a mail.
///
/// No account is needed: the mail shows that you administer the domain.
#[utoipa::path(
    post, path = "/api/v1/auth/domains/verify", tags = ["auth"], operation_id = "auth_verify_domain",
    request_body = AuthDomainLinkRequest,
    responses((status = 200, body = AuthDomain))
)]
async fn verify(
    caller: Anyone,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthDomainLinkRequest>,
) -> Result<Json<AuthDomain>> {
    Ok(Json(
        domains::verify(&ctx, &body.token, &caller.request).await?.into(),
    ))
}

/// Refuse a domain by the link of a mail.
///
/// Also after it was verified: from then on nobody joins by it. Those who have joined stay. No account is needed.
#[utoipa::path(
    post, path = "/api/v1/auth/domains/refuse", tags = ["auth"], operation_id = "auth_refuse_domain",
    request_body = AuthDomainLinkRequest,
    responses((status = 204, description = "The domain is gone"))
)]
async fn refuse(
    caller: Anyone,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthDomainLinkRequest>,
) -> Result<StatusCode> {
    domains::refuse(&ctx, &body.token, &caller.request).await?;
    Ok(StatusCode::NO_CONTENT)
}
