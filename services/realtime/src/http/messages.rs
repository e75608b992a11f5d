//! Publishing and reading without an open connection.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use stoa_events::Channel;
use stoa_http::{Actor, Failure, Json, Paged, Path, Result, codes};
use stoa_kernel::{Page, Timestamp, UserId};
use utoipa::ToSchema;

use crate::{
    ctx::Ctx,
    hub::Published,
    ops::{
        access::{self, Wish},
        publish::By,
    },
    scopes::{RealtimePublish, RealtimeRead},
    session,
    store::{
        self,
        messages::{MessageId, MessageRow},
    },
};

/// What is to be published.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RealtimeNewMessage {
    /// Begins with `client.` and goes on in a-z, 0-9, _ and `.`: such as `client.typing`.
    #[garde(skip)]
    #[schema(
        pattern = "^client\\.[a-z0-9_.]+$",
        max_length = 128,
        example = "client.typing"
    )]
    event: String,
    /// Any JSON, with at most 65536 bytes.
    #[garde(skip)]
    data: Value,
}

/// A message of a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RealtimeMessage {
    #[schema(value_type = String)]
    channel: Channel,
    /// 1 for the first of its channel; no number is left out.
    offset: i64,
    #[schema(value_type = String, format = Uuid)]
    id: MessageId,
    event: String,
    /// Any JSON.
    #[schema(value_type = Value)]
    data: Box<RawValue>,
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// The person who published it; none for a service.
    #[schema(value_type = Option<String>, format = Uuid)]
    sender: Option<UserId>,
}

impl RealtimeMessage {
    fn of(channel: &Channel, row: MessageRow) -> Result<Self> {
        Ok(Self {
            channel: channel.clone(),
            offset: row.position,
            id: row.id,
            event: row.event,
            data: RawValue::from_string(row.data).map_err(Failure::internal)?,
            time: row.created_at,
            sender: row.sender_id,
        })
    }
}

/// Publish to a channel.
///
/// All subscribers are sent it, in the order of its offset. Only where the channel lets clients publish. A request that is given up before its
/// turn publishes nothing. With 503 as much waits for the channel as may: try again later.
#[utoipa::path(
    post, path = "/api/v1/realtime/channels/{channel}/messages", tags = ["realtime"], operation_id = "realtime_publish",
    params(("channel" = String, Path, pattern = "^[a-z][a-z0-9_]*:[A-Za-z0-9_.:@-]+$", max_length = 128, example = "organization:01a1fd28-cedf-7b1c-9a3e-5f9f7a2d4c11")),
    request_body = RealtimeNewMessage,
    responses((status = 201, description = "It is in the channel's history", body = RealtimeMessage))
)]
pub(super) async fn publish(
    actor: Actor<RealtimePublish>,
    State(ctx): State<Ctx>,
    Path(channel): Path<String>,
    Json(body): Json<RealtimeNewMessage>,
) -> Result<(StatusCode, Json<RealtimeMessage>)> {
    let channel: Channel = channel.parse().map_err(|_| Failure::new(codes::NOT_FOUND))?;
    session::check_event(&body.event)?;
    let data = body.data.to_string();
    let mut publishing =
        session::publish(&ctx, &actor.principal, &channel, (body.event, &data), By::Request).await?;
    let Published { row, .. } = publishing.done().await?;
    Ok((StatusCode::CREATED, Json(RealtimeMessage::of(&channel, row)?)))
}

/// A channel's history, newest first.
#[utoipa::path(
    get, path = "/api/v1/realtime/channels/{channel}/messages", tags = ["realtime"], operation_id = "realtime_list_messages",
    params(
        ("channel" = String, Path, pattern = "^[a-z][a-z0-9_]*:[A-Za-z0-9_.:@-]+$", max_length = 128, example = "organization:01a1fd28-cedf-7b1c-9a3e-5f9f7a2d4c11"),
        Paged
    ),
    responses((status = 200, description = "A page of the history", body = Page<RealtimeMessage>))
)]
pub(super) async fn list(
    actor: Actor<RealtimeRead>,
    State(ctx): State<Ctx>,
    Path(channel): Path<Channel>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<RealtimeMessage>>> {
    access::allow(&ctx, &actor.principal, &channel, Wish::Follow).await?;
    let rows = store::messages::list(&ctx.db, &channel, &page).await?;
    let Page { items, next_cursor } = rows;
    let items = items.into_iter().map(|row| RealtimeMessage::of(&channel, row));
    Ok(Json(Page {
        items: items.collect::<Result<_>>()?,
        next_cursor,
    }))
}
