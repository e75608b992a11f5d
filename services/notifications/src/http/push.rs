//! Browsers and phones of one's own that push messages go to.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Failure, Json, Path, Person, Result, SignedIn};
use stoa_kernel::{SessionId, Timestamp};
use stoa_push::{PushAddress, SubscriptionError};
use utoipa::ToSchema;

use crate::{
    config::PUSH_SUBSCRIPTIONS,
    ctx::Ctx,
    ops::push as ops,
    store::push::{self as store, PushId, PushRow},
};

/// The key that browsers subscribe with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsPushKey {
    /// As `applicationServerKey` of `PushManager.subscribe()` wants it: base64url.
    #[schema(
        example = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    )]
    public_key: String,
}

/// The key that browsers subscribe with.
///
/// It never changes. Its private half signs what is sent to push services (VAPID, RFC 8292).
#[utoipa::path(
    get, path = "/api/v1/notifications/push-subscriptions/key", tags = ["notifications"], operation_id = "notifications_read_push_key",
    responses((status = 200, description = "The public key", body = NotificationsPushKey))
)]
pub(super) async fn key(_: Actor<SignedIn>, State(ctx): State<Ctx>) -> Result<Json<NotificationsPushKey>> {
    let public_key = ops::key(&ctx).await?.public();
    Ok(Json(NotificationsPushKey { public_key }))
}

/// A browser or phone that push messages go to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsPushSubscription {
    #[schema(value_type = String, format = Uuid)]
    id: PushId,
    #[schema(value_type = NotificationsPushKind)]
    kind: String,
    /// Who brings the messages.
    #[schema(example = "https://updates.push.services.mozilla.com")]
    service: String,
    /// Whether it was registered by the session of this request.
    current: bool,
    created_at: Timestamp,
}

/// A browser (Web Push), or a phone that FCM brings messages to.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only describes what the database keeps as text")]
pub(super) enum NotificationsPushKind {
    Web,
    Fcm,
}

impl NotificationsPushSubscription {
    fn of(row: PushRow, session: SessionId) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            service: row.service,
            current: row.session_id == session,
            created_at: row.created_at,
        }
    }
}

/// Your browsers and phones.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsPushSubscriptions {
    items: Vec<NotificationsPushSubscription>,
}

/// The browsers and phones that push messages go to.
#[utoipa::path(
    get, path = "/api/v1/notifications/push-subscriptions", tags = ["notifications"], operation_id = "notifications_list_push_subscriptions",
    responses((status = 200, description = "All of yours, oldest first", body = NotificationsPushSubscriptions))
)]
pub(super) async fn list(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
) -> Result<Json<NotificationsPushSubscriptions>> {
    let rows = store::of_user(&ctx.db, actor.user_id, PUSH_SUBSCRIPTIONS).await?;
    let shown = |row| NotificationsPushSubscription::of(row, actor.session);
    let items = rows.into_iter().map(shown).collect();
    Ok(Json(NotificationsPushSubscriptions { items }))
}

/// The keys of a browser's subscription.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsPushKeys {
    /// A point of P-256, 65 bytes in base64url.
    #[garde(length(bytes, max = 200))]
    #[schema(max_length = 200)]
    p256dh: String,
    /// 16 bytes in base64url.
    #[garde(length(bytes, max = 100))]
    #[schema(max_length = 100)]
    auth: String,
}

/// A browser's subscription as its `toJSON()` gives it, or in its place the token of a phone.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsSubscribePush {
    /// Where messages go, at the browser's push service.
    #[serde(default)]
    #[garde(inner(length(bytes, min = 1, max = 2048)))]
    #[schema(
        max_length = 2048,
        example = "https://updates.push.services.mozilla.com/wpush/v2/gAAAA"
    )]
    endpoint: Option<String>,
    /// Not looked at: the push service says when a subscription has ended.
    #[serde(default, rename = "expirationTime")]
    #[garde(skip)]
    _expiration_time: Option<f64>,
    #[serde(default)]
    #[garde(dive)]
    keys: Option<NotificationsPushKeys>,
    /// What FCM has given an app on a phone.
    #[serde(default)]
    #[garde(inner(length(bytes, min = 1, max = 4096)))]
    #[schema(max_length = 4096)]
    fcm_token: Option<String>,
}

impl NotificationsSubscribePush {
    fn address(self, ctx: &Ctx) -> Result<PushAddress> {
        let missing = |field: &str| {
            Err(Failure::invalid(
                field,
                "required",
                "Give a subscription or a token",
            ))
        };
        match (self.endpoint, self.keys, self.fcm_token) {
            (Some(endpoint), Some(keys), None) => {
                let made = ctx.push.subscription(&endpoint, &keys.p256dh, &keys.auth);
                made.map(PushAddress::Web).map_err(refused)
            }
            (Some(_), None, None) => missing("keys"),
            (None, None, Some(token)) => {
                if !ctx.push.has_fcm() {
                    let words = "No messages are sent to phones here";
                    return Err(Failure::invalid("fcm_token", "not_served", words));
                }
                if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(Failure::invalid("fcm_token", "format", "Not a token"));
                }
                Ok(PushAddress::Fcm(token))
            }
            (_, _, Some(_)) => {
                let words = "Give either a subscription or a token";
                Err(Failure::invalid("fcm_token", "invalid", words))
            }
            (None, _, None) => missing("endpoint"),
        }
    }
}

fn refused(error: SubscriptionError) -> Failure {
    let field = match error {
        SubscriptionError::Endpoint(_) => "endpoint",
        SubscriptionError::Key => "keys.p256dh",
        SubscriptionError::Secret => "keys.auth",
    };
    Failure::invalid(field, "refused", error.to_string())
}

/// Have push messages go to a browser or phone.
///
/// It belongs to your account for as long as the session that registers it: when that is ended, it is deleted. Registering it again, as
/// pages do at each visit, renews its keys and makes it this session's (`200`). One that was another account's is yours from now on. An endpoint
/// has to be of the public internet. `409 push_subscriptions_full`: delete another first.
#[utoipa::path(
    post, path = "/api/v1/notifications/push-subscriptions", tags = ["notifications"], operation_id = "notifications_subscribe_push",
    request_body = NotificationsSubscribePush,
    responses(
        (status = 201, description = "Messages go there", body = NotificationsPushSubscription),
        (status = 200, description = "It was yours already", body = NotificationsPushSubscription),
    )
)]
pub(super) async fn subscribe(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Json(body): Json<NotificationsSubscribePush>,
) -> Result<(StatusCode, Json<NotificationsPushSubscription>)> {
    let address = body.address(&ctx)?;
    let (row, is_new) = ops::register(&ctx, &actor, actor.session, &address).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((
        status,
        Json(NotificationsPushSubscription::of(row, actor.session)),
    ))
}

/// Have no more push messages go to a browser or phone.
#[utoipa::path(
    delete, path = "/api/v1/notifications/push-subscriptions/{id}", tags = ["notifications"], operation_id = "notifications_delete_push_subscription",
    params(("id" = String, Path, format = Uuid)),
    responses((status = 204, description = "None go there"))
)]
pub(super) async fn delete(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<PushId>,
) -> Result<StatusCode> {
    ops::delete(&ctx, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
