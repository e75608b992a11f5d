//! Endpoints of a person or an organization.

use axum::extract::State;
use garde::Validate;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use stoa_http::{Actor, IfMatch, Json, Paged, Path, Result, etag};
use stoa_kernel::{OrganizationId, Page};
use utoipa::ToSchema;

use super::{
    access::{self, WebhooksRead, WebhooksWrite},
    input::{WebhooksUpdateEndpoint, is_description},
    view::WebhooksEndpoint,
};
use crate::{
    ctx::Ctx,
    events::EndpointId,
    headers::Headers,
    ops,
    signature::Signature,
    store::endpoints::{self as store, EndpointRow},
};

/// An endpoint, and its version as the entity tag.
pub(super) type Tagged = ([(HeaderName, HeaderValue); 1], Json<WebhooksEndpoint>);

pub(super) fn tagged(row: EndpointRow) -> Tagged {
    ([(header::ETAG, etag(row.version))], Json(row.into()))
}

/// Which endpoints are listed.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EndpointFilter {
    /// Those of this organization, of which you are a member; your own if absent.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    organization_id: Option<OrganizationId>,
}

/// List endpoints.
///
/// Your own, or those of an organization. Newest first.
#[utoipa::path(
    get, path = "/api/v1/webhooks/endpoints", tags = ["webhooks"], operation_id = "webhooks_list_endpoints",
    params(Paged<EndpointFilter>),
    responses((status = 200, description = "A page of endpoints", body = Page<WebhooksEndpoint>))
)]
pub(super) async fn list(
    actor: Actor<WebhooksRead>,
    State(ctx): State<Ctx>,
    Paged { filter, page }: Paged<EndpointFilter>,
) -> Result<Json<Page<WebhooksEndpoint>>> {
    let owner = ctx.access.owner(&actor, filter.organization_id).await?;
    let endpoints = store::list(&ctx.db, owner.into(), &page).await?;
    Ok(Json(endpoints.map(WebhooksEndpoint::from)))
}

/// What an endpoint is to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksCreateEndpoint {
    /// Where messages are sent: `https://…`, to an address of the public internet.
    #[garde(skip)]
    #[schema(max_length = 2048, example = "https://example.com/hooks")]
    url: String,
    /// Which events it is given: names such as `user.registered`, whole nouns such as `user.*`, or `*`.
    #[garde(skip)]
    #[schema(min_items = 1, max_items = 100, example = json!(["profile.*"]))]
    events: Vec<String>,
    /// A line about it.
    #[serde(default)]
    #[garde(inner(custom(is_description)))]
    #[schema(max_length = 200)]
    description: Option<String>,
    /// Headers that are sent along, such as `Authorization`. Their values are never shown again.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    headers: Option<Headers>,
    /// Messages a second at most; none if absent.
    #[serde(default)]
    #[garde(inner(range(min = 1, max = 1000)))]
    #[schema(minimum = 1, maximum = 1000)]
    rate: Option<u32>,
    /// Whether each message waits until the one before it has arrived or was given up. Then one at a time is sent.
    #[serde(default)]
    #[garde(skip)]
    ordered: bool,
    /// How messages are signed; `v1` if absent.
    #[serde(default)]
    #[garde(skip)]
    signature: Option<Signature>,
    /// The organization that it is made for; you, if absent.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub(super) organization_id: Option<OrganizationId>,
}

impl WebhooksCreateEndpoint {
    /// How messages are signed, and the rest.
    pub(super) fn split(self) -> (Signature, WebhooksUpdateEndpoint) {
        let signature = self.signature.unwrap_or(Signature::V1);
        let rest = WebhooksUpdateEndpoint {
            url: Some(self.url),
            description: self.description,
            events: Some(self.events),
            headers: Some(self.headers.unwrap_or_default()),
            rate: Some(self.rate),
            ordered: Some(self.ordered),
            enabled: None,
        };
        (signature, rest)
    }
}

/// Make an endpoint.
///
/// For yourself, or for an organization. What its messages are verified with is at `…/secret`. `409 webhook_endpoints_full`: there is no
/// room for a further one.
#[utoipa::path(
    post, path = "/api/v1/webhooks/endpoints", tags = ["webhooks"], operation_id = "webhooks_create_endpoint",
    request_body = WebhooksCreateEndpoint,
    responses((status = 201, description = "The new endpoint", body = WebhooksEndpoint, headers(("etag" = String, description = "The version, for If-Match"))))
)]
pub(super) async fn create(
    actor: Actor<WebhooksWrite>,
    State(ctx): State<Ctx>,
    Json(body): Json<WebhooksCreateEndpoint>,
) -> Result<(StatusCode, Tagged)> {
    let owner = ctx.access.owner(&actor, body.organization_id).await?;
    let (signature, wanted) = body.split();
    let wanted = wanted.wanted(&ctx, owner.into())?;
    let made = ops::endpoints::create(&ctx, &actor, owner.into(), signature, &wanted).await?;
    Ok((StatusCode::CREATED, tagged(made)))
}

/// An endpoint.
#[utoipa::path(
    get, path = "/api/v1/webhooks/endpoints/{endpoint_id}", tags = ["webhooks"], operation_id = "webhooks_read_endpoint",
    params(("endpoint_id" = uuid::Uuid, Path)),
    responses((status = 200, description = "The endpoint", body = WebhooksEndpoint, headers(("etag" = String, description = "The version, for If-Match"))))
)]
pub(super) async fn read(
    actor: Actor<WebhooksRead>,
    State(ctx): State<Ctx>,
    Path(id): Path<EndpointId>,
) -> Result<Tagged> {
    Ok(tagged(
        access::endpoint(&ctx, &actor, WebhooksRead::ACTION, id).await?,
    ))
}

/// Change an endpoint.
///
/// A field that is absent stays. With `If-Match` the change is made only if nobody has changed it since you read it. Enabling one that was
/// disabled begins with what happens from then on; `…/replay` sends what it has missed.
#[utoipa::path(
    patch, path = "/api/v1/webhooks/endpoints/{endpoint_id}", tags = ["webhooks"], operation_id = "webhooks_update_endpoint",
    params(
        ("endpoint_id" = uuid::Uuid, Path),
        ("if-match" = Option<String>, Header, description = "The etag of the endpoint that you read")
    ),
    request_body = WebhooksUpdateEndpoint,
    responses((status = 200, description = "The endpoint as it is now", body = WebhooksEndpoint, headers(("etag" = String, description = "The new version"))))
)]
pub(super) async fn update(
    actor: Actor<WebhooksWrite>,
    State(ctx): State<Ctx>,
    Path(id): Path<EndpointId>,
    IfMatch(expected): IfMatch,
    Json(body): Json<WebhooksUpdateEndpoint>,
) -> Result<Tagged> {
    let row = access::endpoint(&ctx, &actor, WebhooksWrite::ACTION, id).await?;
    let wanted = body.wanted(&ctx, row.owner())?;
    Ok(tagged(
        ops::endpoints::update(&ctx, &actor, id, &wanted, &expected).await?,
    ))
}

/// Delete an endpoint.
///
/// Nothing more is sent to it, and its messages and attempts are deleted.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/endpoints/{endpoint_id}", tags = ["webhooks"], operation_id = "webhooks_delete_endpoint",
    params(("endpoint_id" = uuid::Uuid, Path)),
    responses((status = 204, description = "It is gone"))
)]
pub(super) async fn delete(
    actor: Actor<WebhooksWrite>,
    State(ctx): State<Ctx>,
    Path(id): Path<EndpointId>,
) -> Result<StatusCode> {
    let row = access::endpoint(&ctx, &actor, WebhooksWrite::ACTION, id).await?;
    ops::endpoints::delete(&ctx, &actor, &row).await?;
    Ok(StatusCode::NO_CONTENT)
}
