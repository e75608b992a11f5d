//! How one wants to be told.

use axum::extract::State;
use garde::Validate;
use http::{HeaderName, header};
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, IfMatch, Json, Result, etag, field_error};
use utoipa::ToSchema;

use super::scopes::{PreferencesRead, PreferencesWrite};
use crate::{
    ctx::Ctx,
    decide::{Delivery, Source},
    ops::preferences::{self, Choice, Preferences, Wanted},
    store::preferences::PreferenceRow,
    when::{EIGHT, QuietHours, clock, minutes},
};

/// How a category goes by a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsChoice {
    #[schema(example = "organization")]
    category: &'static str,
    #[schema(value_type = super::types::NotificationsChannel)]
    channel: &'static str,
    #[schema(value_type = NotificationsDeliveryChoice)]
    delivery: &'static str,
    /// Who says so: the type of the notification, or you.
    #[schema(value_type = NotificationsChoiceSource)]
    source: &'static str,
}

/// At once, every hour or every day in one mail, or not at all.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum NotificationsDeliveryChoice {
    AtOnce,
    Hourly,
    Daily,
    Off,
}

/// Who has chosen.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only describes names")]
pub(super) enum NotificationsChoiceSource {
    Default,
    Person,
}

impl From<Choice> for NotificationsChoice {
    fn from(choice: Choice) -> Self {
        Self {
            category: choice.category,
            channel: choice.channel.name(),
            delivery: choice.delivery.name(),
            source: match choice.source {
                Source::Default => "default",
                Source::Person => "person",
            },
        }
    }
}

/// Hours in which only what is critical is sent; it waits until they end. The inbox is not held up.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsQuietHours {
    /// Time of day in your time zone.
    #[garde(custom(is_time))]
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "22:00")]
    from: String,
    /// On the next day where it is before `from`.
    #[garde(custom(is_time))]
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "07:00")]
    until: String,
}

fn is_time(text: &str, (): &()) -> garde::Result {
    match minutes(text) {
        Some(_) => Ok(()),
        None => Err(field_error("format", "Expected a time of day such as 22:30")),
    }
}

/// How you are told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsPreferences {
    /// For each category and channel that you can choose for. What is critical always goes by the channels of its type; by others, where
    /// you choose them.
    choices: Vec<NotificationsChoice>,
    #[schema(required)]
    quiet_hours: Option<NotificationsQuietHours>,
    /// When daily digests come, in your time zone.
    #[schema(example = "08:00")]
    digest_at: String,
    /// Your preference `timezone`, set at `/api/v1/users/me/preferences/timezone`; UTC if you have set none.
    timezone: String,
    /// Your preference `language`.
    #[schema(required)]
    language: Option<String>,
    /// Your preference `email_notifications`: false switches off all mails but critical ones.
    email_notifications: bool,
}

/// Preferences, and their version as the entity tag.
type Tagged = (
    [(HeaderName, http::HeaderValue); 1],
    Json<NotificationsPreferences>,
);

fn tagged(all: Preferences) -> Tagged {
    let person = all.person;
    let quiet = person.quiet().map(|quiet| NotificationsQuietHours {
        from: clock(quiet.from),
        until: clock(quiet.until),
    });
    let shown = NotificationsPreferences {
        choices: all.choices.into_iter().map(NotificationsChoice::from).collect(),
        quiet_hours: quiet,
        digest_at: clock(person.digest_at.unwrap_or(EIGHT)),
        timezone: person.timezone.unwrap_or_else(|| "UTC".to_owned()),
        language: person.language,
        email_notifications: !person.mails_off,
    };
    ([(header::ETAG, etag(person.version))], Json(shown))
}

/// How you are told.
#[utoipa::path(
    get, path = "/api/v1/notifications/preferences", tags = ["notifications"], operation_id = "notifications_read_preferences",
    responses((status = 200, description = "What holds for you", body = NotificationsPreferences, headers(("etag" = String, description = "The version, for If-Match"))))
)]
pub(super) async fn read(actor: Actor<PreferencesRead>, State(ctx): State<Ctx>) -> Result<Tagged> {
    Ok(tagged(preferences::read(&ctx, actor.user_id).await?))
}

/// What you choose for one category and channel.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsChooseOne {
    #[garde(length(bytes, max = 100))]
    #[schema(max_length = 100)]
    category: String,
    #[garde(length(bytes, max = 20))]
    #[schema(value_type = super::types::NotificationsChannel)]
    channel: String,
    #[garde(skip)]
    delivery: NotificationsDeliveryChoice,
}

/// What you choose, in the place of all that you chose before.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsChoose {
    /// What is not here goes as its type says.
    #[garde(length(max = 200), dive)]
    #[schema(max_items = 200)]
    choices: Vec<NotificationsChooseOne>,
    /// Absent or null: none.
    #[garde(dive)]
    #[serde(default)]
    quiet_hours: Option<NotificationsQuietHours>,
    /// Absent or null: at eight.
    #[garde(inner(custom(is_time)))]
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    digest_at: Option<String>,
}

/// Choose how you are told.
///
/// It takes the place of all that you chose before. With `If-Match` only if nobody has changed it since you read it.
#[utoipa::path(
    put, path = "/api/v1/notifications/preferences", tags = ["notifications"], operation_id = "notifications_set_preferences",
    params(("if-match" = Option<String>, Header, description = "The etag of the preferences that you read")),
    request_body = NotificationsChoose,
    responses((status = 200, description = "What holds for you now", body = NotificationsPreferences, headers(("etag" = String, description = "The new version"))))
)]
pub(super) async fn set(
    actor: Actor<PreferencesWrite>,
    State(ctx): State<Ctx>,
    IfMatch(expected): IfMatch,
    Json(body): Json<NotificationsChoose>,
) -> Result<Tagged> {
    let quiet = body.quiet_hours.as_ref().and_then(|hours| {
        Some(QuietHours {
            from: minutes(&hours.from)?,
            until: minutes(&hours.until)?,
        })
    });
    if quiet.is_some_and(|quiet| quiet.from == quiet.until) {
        let message = "They end when they begin";
        return Err(stoa_http::Failure::invalid(
            "quiet_hours.until",
            "invalid",
            message,
        ));
    }
    let wanted = Wanted {
        rows: body.choices.into_iter().map(row).collect(),
        quiet,
        digest_at: body.digest_at.as_deref().and_then(minutes),
    };
    Ok(tagged(
        preferences::replace(&ctx, &actor, &wanted, &expected).await?,
    ))
}

fn row(one: NotificationsChooseOne) -> PreferenceRow {
    let delivery = match one.delivery {
        NotificationsDeliveryChoice::AtOnce => Delivery::AtOnce,
        NotificationsDeliveryChoice::Hourly => Delivery::Hourly,
        NotificationsDeliveryChoice::Daily => Delivery::Daily,
        NotificationsDeliveryChoice::Off => Delivery::Off,
    };
    PreferenceRow {
        category: one.category,
        channel: one.channel,
        delivery: delivery.name().to_owned(),
    }
}
