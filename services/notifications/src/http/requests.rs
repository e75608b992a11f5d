//! Sending notifications by a call, and stopping them.

use axum::extract::State;
use garde::Validate;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stoa_http::{Actor, Json, Path, Result, names::IDEMPOTENCY_KEY};
use stoa_kernel::{Timestamp, UserId, random};
use stoa_notifications_api::Recipients;
use utoipa::ToSchema;

use super::scopes::{NotificationsRead, NotificationsSend};
use crate::{
    ctx::Ctx,
    error::Error,
    ops::{
        cancel,
        request::{self, Request},
    },
    store::notifications::{self, NotificationId, NotificationRow},
};

/// What is to be sent, and to whom.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsSendRequest {
    /// One of the types that `GET /api/v1/notifications/types` lists.
    #[serde(rename = "type")]
    #[garde(length(bytes, max = 100))]
    #[schema(max_length = 100, example = "account.welcome")]
    kind: String,
    /// To these people, 1000 at most.
    #[garde(length(max = 1000))]
    #[schema(value_type = Vec<uuid::Uuid>, max_items = 1000)]
    users: Option<Vec<UserId>>,
    /// To everybody who follows this topic, in place of `users`. What is sent to a topic is for anybody to read.
    #[garde(length(bytes, max = 100))]
    #[schema(max_length = 100)]
    topic: Option<String>,
    /// What its templates are filled with, an object of at most 16 KiB of JSON.
    #[garde(skip)]
    #[serde(default = "nothing")]
    #[schema(value_type = Object)]
    data: Value,
    /// Not before this time, within a year.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stoa_http::time::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    send_at: Option<Timestamp>,
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

/// A notification on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsSent {
    #[schema(value_type = String, format = Uuid)]
    id: NotificationId,
    #[serde(rename = "type")]
    kind: String,
    /// Who asked for it: `service:<name>`, `event:<name>` or `user:<id>`.
    sender: String,
    #[schema(value_type = NotificationsState)]
    state: String,
    /// When it goes out, or went.
    send_at: Timestamp,
    /// People who have their delivery by now.
    recipients: i64,
    created_at: Timestamp,
}

/// How far a notification has come: it waits for its time, goes to one recipient after the other, all have their delivery, or somebody
/// has stopped it.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only describes what the database keeps as text")]
pub(super) enum NotificationsState {
    Scheduled,
    Sending,
    Sent,
    Cancelled,
}

impl From<NotificationRow> for NotificationsSent {
    fn from(row: NotificationRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            sender: row.sender,
            state: row.state,
            send_at: row.send_at,
            recipients: row.recipients_count,
            created_at: row.created_at,
        }
    }
}

/// Send a notification.
///
/// The same request with the same `Idempotency-Key` sends nothing more, for as long as the history is kept. `422`: also for data that a text
/// of the type cannot be made of, in any language that it has; a variable that is missing is named as `data.order`, with the code `required`.
#[utoipa::path(
    post, path = "/api/v1/notifications/send", tags = ["notifications"], operation_id = "notifications_send",
    request_body = NotificationsSendRequest,
    responses((status = 202, description = "It is on its way", body = NotificationsSent))
)]
pub(super) async fn send(
    actor: Actor<NotificationsSend>,
    State(ctx): State<Ctx>,
    headers: HeaderMap,
    Json(body): Json<NotificationsSendRequest>,
) -> Result<(StatusCode, Json<NotificationsSent>)> {
    let recipients = match (body.users, body.topic) {
        (Some(users), None) => Recipients::Users(users),
        (None, Some(topic)) => Recipients::Topic(topic),
        _ => {
            let message = "Give either users or a topic".to_owned();
            return Err(Error::Field("users", "required", message).into());
        }
    };
    let key = headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok());
    let request = Request {
        kind: body.kind,
        recipients,
        data: body.data,
        sender: format!("user:{}", actor.user_id),
        key: key.map_or_else(random::token::<16>, str::to_owned),
        send_at: body.send_at,
    };
    let made = request::by_call(&ctx, &actor, request).await?;
    Ok((StatusCode::ACCEPTED, Json(made.into())))
}

/// A notification that was asked for.
#[utoipa::path(
    get, path = "/api/v1/notifications/requests/{id}", tags = ["notifications"], operation_id = "notifications_read_request",
    params(("id" = String, Path, format = Uuid)),
    responses((status = 200, description = "How far it has come", body = NotificationsSent))
)]
pub(super) async fn read(
    _: Actor<NotificationsRead>,
    State(ctx): State<Ctx>,
    Path(id): Path<NotificationId>,
) -> Result<Json<NotificationsSent>> {
    let row = notifications::get(&ctx.db, id).await?;
    let row = row.ok_or(Error::NotFound)?;
    Ok(Json(row.into()))
}

/// A notification that was stopped.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsCancelled {
    #[serde(flatten)]
    notification: NotificationsSent,
    /// Mails, text messages and push messages that were to be sent and are not, counted up to 1000.
    stopped: i64,
}

/// Stop a notification.
///
/// Nobody gets it from now on who has not got it yet, and what waits is not sent: for its time, for the end of quiet hours, for a digest,
/// for another attempt. What is in inboxes stays. `409 notification_over`: all of it is sent, or it is stopped already.
#[utoipa::path(
    post, path = "/api/v1/notifications/requests/{id}/cancel", tags = ["notifications"], operation_id = "notifications_cancel_request",
    params(("id" = String, Path, format = Uuid)),
    responses((status = 200, description = "It is stopped", body = NotificationsCancelled))
)]
pub(super) async fn cancel(
    actor: Actor<NotificationsSend>,
    State(ctx): State<Ctx>,
    Path(id): Path<NotificationId>,
) -> Result<Json<NotificationsCancelled>> {
    let (row, stopped) = cancel::cancel(&ctx, &actor, id).await?;
    Ok(Json(NotificationsCancelled {
        notification: row.into(),
        stopped,
    }))
}
