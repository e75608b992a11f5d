//! One's phone number, which text messages go to.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Json, Person, Result, field_error};
use stoa_kernel::Timestamp;
use stoa_sms::Number;
use utoipa::ToSchema;

use crate::{
    ctx::Ctx,
    error::Error,
    ops::phones::{self as ops, Phone},
    phone,
};

/// Your phone number.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsPhone {
    /// The one that text messages go to.
    #[schema(required, example = "+491701234567")]
    number: Option<String>,
    #[schema(required)]
    verified_at: Option<Timestamp>,
    /// The one whose code you have not given yet.
    #[schema(required)]
    pending: Option<NotificationsPendingPhone>,
}

/// A number that is not shown to be yours yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsPendingPhone {
    #[schema(example = "+491701234567")]
    number: String,
    #[schema(value_type = NotificationsPhoneCodeState)]
    state: String,
    /// When its code expires.
    expires_at: Timestamp,
}

/// Whether the code waits to be sent, was sent, or was refused: the number takes no messages.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only describes what the database keeps as text")]
pub(super) enum NotificationsPhoneCodeState {
    Waiting,
    Sent,
    Refused,
}

impl From<Phone> for NotificationsPhone {
    fn from(phone: Phone) -> Self {
        let (number, verified_at) = phone.verified.unzip();
        Self {
            number,
            verified_at,
            pending: phone.pending.map(|pending| NotificationsPendingPhone {
                number: pending.number,
                state: pending.state,
                expires_at: pending.expires_at,
            }),
        }
    }
}

/// Your phone number.
#[utoipa::path(
    get, path = "/api/v1/notifications/phone", tags = ["notifications"], operation_id = "notifications_read_phone",
    responses((status = 200, description = "The number, if there is one", body = NotificationsPhone))
)]
pub(super) async fn read(actor: Actor<Person>, State(ctx): State<Ctx>) -> Result<Json<NotificationsPhone>> {
    Ok(Json(ops::read(&ctx, actor.user_id).await?.into()))
}

/// A phone number.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsSetPhone {
    /// In its international form (E.164), without blanks.
    #[garde(custom(is_number))]
    #[schema(pattern = "^\\+[1-9][0-9]{7,14}$", example = "+491701234567")]
    number: String,
}

fn is_number(text: &str, (): &()) -> garde::Result {
    match Number::parse(text) {
        Some(_) => Ok(()),
        None => Err(field_error("format", "Expected a number such as +491701234567")),
    }
}

/// Set your phone number.
///
/// A code of six digits is sent there, good for ten minutes. Text messages go to the number once you have given it; until then they go to
/// the one before. To the number that you have already nothing is sent (`200`). `422` with `not_served`: no messages are sent to
/// numbers that begin so. `429`: too many codes were asked for, by you, from your network or to this number.
#[utoipa::path(
    put, path = "/api/v1/notifications/phone", tags = ["notifications"], operation_id = "notifications_set_phone",
    request_body = NotificationsSetPhone,
    responses(
        (status = 202, description = "A code is on its way", body = NotificationsPhone),
        (status = 200, description = "It is your number already", body = NotificationsPhone),
    )
)]
pub(super) async fn set(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Json(body): Json<NotificationsSetPhone>,
) -> Result<(StatusCode, Json<NotificationsPhone>)> {
    let number = Number::parse(&body.number);
    let number = number.ok_or_else(|| Error::Field("number", "format", "Not a number".to_owned()))?;
    let status = if ops::set(&ctx, &actor, &number).await? {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(ops::read(&ctx, actor.user_id).await?.into())))
}

/// A code.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsVerifyPhone {
    /// From the message.
    #[garde(custom(is_code))]
    #[schema(pattern = "^[0-9]{6}$", example = "123456")]
    code: String,
}

fn is_code(text: &str, (): &()) -> garde::Result {
    if phone::is_code(text) {
        Ok(())
    } else {
        Err(field_error("format", "Expected six digits"))
    }
}

/// Show that the number is yours.
///
/// `422` with `wrong_code`: after five of these the code has expired. `409 phone_code_expired`: set the number again.
#[utoipa::path(
    post, path = "/api/v1/notifications/phone/verify", tags = ["notifications"], operation_id = "notifications_verify_phone",
    request_body = NotificationsVerifyPhone,
    responses((status = 200, description = "Text messages go there", body = NotificationsPhone))
)]
pub(super) async fn verify(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Json(body): Json<NotificationsVerifyPhone>,
) -> Result<Json<NotificationsPhone>> {
    ops::verify(&ctx, &actor, &body.code).await?;
    Ok(Json(ops::read(&ctx, actor.user_id).await?.into()))
}

/// Delete your phone number.
///
/// You get no text messages any more.
#[utoipa::path(
    delete, path = "/api/v1/notifications/phone", tags = ["notifications"], operation_id = "notifications_delete_phone",
    responses((status = 204, description = "There is none"))
)]
pub(super) async fn delete(actor: Actor<Person>, State(ctx): State<Ctx>) -> Result<StatusCode> {
    ops::delete(&ctx, &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
