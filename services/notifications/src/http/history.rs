//! What was sent to whom, and what led to it.

use axum::extract::State;
use serde::Serialize;
use stoa_http::{Actor, Json, Paged, Path, Result};
use stoa_kernel::{Page, Timestamp, UserId};
use stoa_notifications_api::Reference;
use utoipa::ToSchema;

use super::scopes::NotificationsRead;
use crate::{
    ctx::Ctx,
    error::Error,
    store::{
        deliveries::{self, DeliveryId, DeliveryRow, Filter, Recipient},
        notifications::NotificationId,
        sends::{self, SendRow},
        steps::{self, StepRow},
    },
};

/// A notification to one recipient.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsDelivery {
    #[schema(value_type = String, format = Uuid)]
    id: DeliveryId,
    #[schema(value_type = String, format = Uuid)]
    notification_id: NotificationId,
    /// The person; null where it goes to somebody who may have no account.
    #[schema(required, value_type = Option<uuid::Uuid>)]
    user_id: Option<UserId>,
    /// What it goes to somebody by who may have no account; else null.
    #[schema(required)]
    reference: Option<Reference>,
    #[serde(rename = "type")]
    kind: String,
    created_at: Timestamp,
}

impl From<DeliveryRow> for NotificationsDelivery {
    fn from(row: DeliveryRow) -> Self {
        let (user_id, reference) = match row.recipient() {
            Recipient::Person(user) => (Some(user), None),
            Recipient::Reference(reference) => (None, Some(reference)),
        };
        Self {
            id: row.id,
            notification_id: row.notification_id,
            user_id,
            reference,
            kind: row.kind,
            created_at: row.created_at,
        }
    }
}

/// How a delivery stands by one channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsDeliveryChannel {
    #[schema(value_type = super::types::NotificationsChannel)]
    channel: String,
    #[schema(value_type = NotificationsDeliveryState)]
    state: String,
    /// Why: the code of the last step.
    #[schema(example = "sent")]
    code: String,
    /// Where it went; most of it is left out.
    #[schema(required, example = "a***@example.com")]
    address: Option<String>,
    updated_at: Timestamp,
}

/// `waiting` to be sent, `digested` with others into one mail, `sent`, `skipped` for a reason, or `failed`.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only describes what the database keeps as text")]
pub(super) enum NotificationsDeliveryState {
    Waiting,
    Digested,
    Sent,
    Skipped,
    Failed,
}

impl From<SendRow> for NotificationsDeliveryChannel {
    fn from(row: SendRow) -> Self {
        Self {
            channel: row.channel,
            state: row.state,
            code: row.code,
            address: row.address,
            updated_at: row.updated_at,
        }
    }
}

/// Something that led to a delivery being sent or not.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsStep {
    #[schema(value_type = super::types::NotificationsChannel)]
    channel: String,
    /// Never changes its meaning.
    #[schema(example = "queued")]
    code: String,
    /// The same in words.
    text: String,
    created_at: Timestamp,
}

impl From<StepRow> for NotificationsStep {
    fn from(row: StepRow) -> Self {
        Self {
            channel: row.channel,
            code: row.code,
            text: row.text,
            created_at: row.created_at,
        }
    }
}

/// A notification to one person, with all that led to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsDeliveryDetail {
    #[serde(flatten)]
    delivery: NotificationsDelivery,
    channels: Vec<NotificationsDeliveryChannel>,
    /// In the order in which they were made.
    steps: Vec<NotificationsStep>,
}

/// What was sent to whom, newest first.
#[utoipa::path(
    get, path = "/api/v1/notifications/history", tags = ["notifications"], operation_id = "notifications_list_history",
    params(Paged<Filter>),
    responses((status = 200, description = "A page of deliveries", body = Page<NotificationsDelivery>))
)]
pub(super) async fn list(
    _: Actor<NotificationsRead>,
    State(ctx): State<Ctx>,
    Paged { filter, page }: Paged<Filter>,
) -> Result<Json<Page<NotificationsDelivery>>> {
    let rows = deliveries::list(&ctx.db, &filter, &page).await?;
    Ok(Json(rows.map(NotificationsDelivery::from)))
}

/// How one delivery stands, and what led to it.
#[utoipa::path(
    get, path = "/api/v1/notifications/history/{id}", tags = ["notifications"], operation_id = "notifications_read_delivery",
    params(("id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The delivery", body = NotificationsDeliveryDetail))
)]
pub(super) async fn read(
    _: Actor<NotificationsRead>,
    State(ctx): State<Ctx>,
    Path(id): Path<DeliveryId>,
) -> Result<Json<NotificationsDeliveryDetail>> {
    let row = deliveries::get(&ctx.db, id).await?.ok_or(Error::NotFound)?;
    let channels = sends::of(&ctx.db, id).await?.into_iter();
    let steps = steps::of(&ctx.db, id).await?.into_iter();
    Ok(Json(NotificationsDeliveryDetail {
        delivery: row.into(),
        channels: channels.map(NotificationsDeliveryChannel::from).collect(),
        steps: steps.map(NotificationsStep::from).collect(),
    }))
}
