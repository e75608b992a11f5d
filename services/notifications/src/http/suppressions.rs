//! Addresses that nothing is sent to but what is critical.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Json, Paged, Result, field_error};
use stoa_kernel::{Page, Timestamp};
use stoa_mail::Address;
use stoa_service::Channel;
use stoa_sms::Number;
use utoipa::ToSchema;

use super::scopes::{SuppressionsRead, SuppressionsWrite};
use crate::{
    address,
    ctx::Ctx,
    error::Error,
    ops::{phones, suppress},
    store::suppressions::{self, SuppressionId, SuppressionRow},
};

/// An address that nothing is sent to but what is critical.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsSuppression {
    #[schema(value_type = String, format = Uuid)]
    id: SuppressionId,
    #[schema(value_type = super::types::NotificationsChannel)]
    channel: String,
    /// Most of it is left out.
    #[schema(example = "a***@example.com")]
    address: String,
    #[schema(value_type = NotificationsSuppressionReason)]
    reason: String,
    created_at: Timestamp,
}

/// Messages to the address bounce, or the person has complained of one, or has unsubscribed by the provider's own means.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only describes what the database keeps as text")]
pub(super) enum NotificationsSuppressionReason {
    Bounced,
    Complained,
    Unsubscribed,
}

impl From<SuppressionRow> for NotificationsSuppression {
    fn from(row: SuppressionRow) -> Self {
        Self {
            id: row.id,
            channel: row.channel,
            address: row.masked,
            reason: row.reason,
            created_at: row.created_at,
        }
    }
}

/// Addresses that nothing is sent to but what is critical, newest first.
#[utoipa::path(
    get, path = "/api/v1/notifications/suppressions", tags = ["notifications"], operation_id = "notifications_list_suppressions",
    params(Paged),
    responses((status = 200, description = "A page of addresses", body = Page<NotificationsSuppression>))
)]
pub(super) async fn list(
    _: Actor<SuppressionsRead>,
    State(ctx): State<Ctx>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<NotificationsSuppression>>> {
    let rows = suppressions::list(&ctx.db, &page).await?;
    Ok(Json(rows.map(NotificationsSuppression::from)))
}

/// Which address: one of the two.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsReleaseSuppression {
    #[garde(inner(custom(is_email)))]
    #[serde(default)]
    #[schema(format = Email, max_length = 254)]
    email: Option<String>,
    /// A phone number in its international form.
    #[garde(inner(custom(is_number)))]
    #[serde(default)]
    #[schema(pattern = "^\\+[1-9][0-9]{7,14}$", example = "+491701234567")]
    phone: Option<String>,
}

fn is_number(text: &str, (): &()) -> garde::Result {
    match Number::parse(text) {
        Some(_) => Ok(()),
        None => Err(field_error("format", "Expected a number such as +491701234567")),
    }
}

fn is_email(text: &str, (): &()) -> garde::Result {
    match Address::parse(text) {
        Some(_) => Ok(()),
        None => Err(field_error("format", "Not an e-mail address")),
    }
}

/// Send to an address again.
///
/// Once it works again, or the person wants it. `404`: it is not suppressed.
#[utoipa::path(
    post, path = "/api/v1/notifications/suppressions/release", tags = ["notifications"], operation_id = "notifications_release_suppression",
    request_body = NotificationsReleaseSuppression,
    responses((status = 204, description = "It is sent to again"))
)]
pub(super) async fn release(
    actor: Actor<SuppressionsWrite>,
    State(ctx): State<Ctx>,
    Json(body): Json<NotificationsReleaseSuppression>,
) -> Result<StatusCode> {
    let (channel, hash) = match (&body.email, &body.phone) {
        (Some(email), None) => (Channel::Email, address::hash(email)),
        (None, Some(number)) => (Channel::Sms, phones::hash(&ctx, number)?),
        _ => {
            let message = "Give an address or a number".to_owned();
            return Err(Error::Field("email", "required", message).into());
        }
    };
    suppress::release(&ctx, &actor, channel, &hash).await?;
    Ok(StatusCode::NO_CONTENT)
}
