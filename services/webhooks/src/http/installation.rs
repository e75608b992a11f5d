//! Endpoints of those who run the installation.

use axum::extract::State;
use http::StatusCode;
use stoa_http::{Actor, Failure, Json, Paged, Result, Unfiltered};
use stoa_kernel::Page;

use super::{
    access::WebhooksAll,
    endpoints::{Tagged, WebhooksCreateEndpoint, tagged},
    view::WebhooksEndpoint,
};
use crate::{ctx::Ctx, ops, owner::EndpointOwner, store::endpoints as store};

/// List the installation's endpoints.
///
/// They are given everybody's events. Newest first.
#[utoipa::path(
    get, path = "/api/v1/webhooks/installation/endpoints", tags = ["webhooks"],
    operation_id = "webhooks_list_installation_endpoints",
    params(Paged<Unfiltered>),
    responses((status = 200, description = "A page of endpoints", body = Page<WebhooksEndpoint>))
)]
pub(super) async fn list(
    _actor: Actor<WebhooksAll>,
    State(ctx): State<Ctx>,
    Paged { page, .. }: Paged<Unfiltered>,
) -> Result<Json<Page<WebhooksEndpoint>>> {
    let endpoints = store::list(&ctx.db, EndpointOwner::Installation, &page).await?;
    Ok(Json(endpoints.map(WebhooksEndpoint::from)))
}

/// Make an endpoint of the installation.
///
/// It is given everybody's events, also those that nobody else may be given. All else is done to it as to any endpoint, by those who hold
/// this permission and the scope.
#[utoipa::path(
    post, path = "/api/v1/webhooks/installation/endpoints", tags = ["webhooks"],
    operation_id = "webhooks_create_installation_endpoint",
    request_body = WebhooksCreateEndpoint,
    responses((status = 201, description = "The new endpoint", body = WebhooksEndpoint, headers(("etag" = String, description = "The version, for If-Match"))))
)]
pub(super) async fn create(
    actor: Actor<WebhooksAll>,
    State(ctx): State<Ctx>,
    Json(body): Json<WebhooksCreateEndpoint>,
) -> Result<(StatusCode, Tagged)> {
    if body.organization_id.is_some() {
        let why = "An endpoint of the installation is no organization's";
        return Err(Failure::invalid("organization_id", "invalid", why));
    }
    let owner = EndpointOwner::Installation;
    let (signature, wanted) = body.split();
    let wanted = wanted.wanted(&ctx, owner)?;
    let made = ops::endpoints::create(&ctx, &actor, owner, signature, &wanted).await?;
    Ok((StatusCode::CREATED, tagged(made)))
}
