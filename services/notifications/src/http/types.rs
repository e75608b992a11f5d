//! The types of notifications.

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use stoa_http::{Actor, Json, Result, SignedIn};
use stoa_service::{Channel, NotificationType};
use utoipa::ToSchema;

use crate::ctx::Ctx;

/// A type of notifications.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsType {
    #[schema(example = "account.welcome")]
    name: &'static str,
    /// What it tells of.
    about: &'static str,
    /// What people choose by.
    category: &'static str,
    #[schema(value_type = NotificationsCriticality)]
    criticality: &'static str,
    /// The channels that it goes by unless a person has chosen otherwise.
    #[schema(value_type = Vec<NotificationsChannel>)]
    channels: Vec<&'static str>,
    /// Data such as its senders give.
    #[schema(value_type = Object)]
    sample: Value,
}

/// How much a notification matters: `critical` goes out at once whatever a person has chosen, `bulk` after all others.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only describes names")]
pub(super) enum NotificationsCriticality {
    Critical,
    Normal,
    Bulk,
}

/// A way to reach a person.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only describes names")]
pub(super) enum NotificationsChannel {
    InApp,
    Email,
    Sms,
    Push,
}

impl From<&'static NotificationType> for NotificationsType {
    fn from(of: &'static NotificationType) -> Self {
        Self {
            name: of.name,
            about: of.about,
            category: of.category,
            criticality: of.criticality.name(),
            channels: of.channels.iter().copied().map(Channel::name).collect(),
            sample: serde_json::from_str(of.sample).unwrap_or_default(),
        }
    }
}

/// All types.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsTypes {
    items: Vec<NotificationsType>,
}

/// The types of notifications that services send.
#[utoipa::path(
    get, path = "/api/v1/notifications/types", tags = ["notifications"], operation_id = "notifications_list_types",
    responses((status = 200, description = "All of them, by name", body = NotificationsTypes))
)]
pub(super) async fn list(_: Actor<SignedIn>, State(ctx): State<Ctx>) -> Result<Json<NotificationsTypes>> {
    let items = ctx.types.iter().map(NotificationsType::from).collect();
    Ok(Json(NotificationsTypes { items }))
}
