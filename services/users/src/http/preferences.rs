//! One's own preferences.

use axum::{extract::State, http::StatusCode};
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stoa_http::{Actor, Failure, Json, Path, Result, codes};
use utoipa::ToSchema;

use super::{
    scopes::{PreferencesRead, PreferencesWrite},
    view::UsersPreference,
};
use crate::{ctx::Ctx, ops::preferences, store};

/// All preferences of a person, by key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsersPreferences {
    items: Vec<UsersPreference>,
}

/// Your preferences.
#[utoipa::path(
    get, path = "/api/v1/users/me/preferences", tags = ["users"], operation_id = "users_list_preferences",
    responses((status = 200, description = "All that you have set", body = UsersPreferences))
)]
pub(super) async fn list(
    actor: Actor<PreferencesRead>,
    State(ctx): State<Ctx>,
) -> Result<Json<UsersPreferences>> {
    let rows = store::preferences::list(&ctx.db, actor.user_id).await?;
    let items = rows
        .into_iter()
        .map(UsersPreference::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Json(UsersPreferences { items }))
}

/// One of your preferences.
#[utoipa::path(
    get, path = "/api/v1/users/me/preferences/{key}", tags = ["users"], operation_id = "users_read_preference",
    params(("key" = String, Path, pattern = "^[a-z0-9_.-]{1,64}$", example = "theme")),
    responses((status = 200, description = "The preference", body = UsersPreference))
)]
pub(super) async fn read(
    actor: Actor<PreferencesRead>,
    State(ctx): State<Ctx>,
    Path(key): Path<String>,
) -> Result<Json<UsersPreference>> {
    let row = store::preferences::get(&ctx.db, actor.user_id, &key).await?;
    let row = row.ok_or_else(|| Failure::new(codes::NOT_FOUND))?;
    Ok(Json(row.try_into()?))
}

/// What a preference is to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UsersSetPreference {
    /// Any JSON but null. `theme` is "light", "dark" or "system"; `language` a language tag; `timezone` the name of a time
    /// zone; `email_notifications` true or false.
    #[garde(skip)]
    value: Value,
}

/// Set one of your preferences.
#[utoipa::path(
    put, path = "/api/v1/users/me/preferences/{key}", tags = ["users"], operation_id = "users_set_preference",
    params(("key" = String, Path, pattern = "^[a-z0-9_.-]{1,64}$", example = "theme")),
    request_body = UsersSetPreference,
    responses((status = 200, description = "The preference as it is now", body = UsersPreference))
)]
pub(super) async fn set(
    actor: Actor<PreferencesWrite>,
    State(ctx): State<Ctx>,
    Path(key): Path<String>,
    Json(body): Json<UsersSetPreference>,
) -> Result<Json<UsersPreference>> {
    if !preferences::is_key(&key) {
        let message = "A key is 1 to 64 characters of a-z, 0-9, _, . and -";
        return Err(Failure::invalid("key", "format", message));
    }
    let value =
        preferences::fitting(&key, body.value).map_err(|(code, why)| Failure::invalid("value", code, why))?;
    let max = ctx.config.preference_max_bytes;
    if value.to_string().len() > max {
        return Err(Failure::invalid(
            "value",
            "too_long",
            format!("At most {max} bytes of JSON are kept"),
        ));
    }
    Ok(Json(
        preferences::set(&ctx, &actor, key, &value).await?.try_into()?,
    ))
}

/// Delete one of your preferences.
#[utoipa::path(
    delete, path = "/api/v1/users/me/preferences/{key}", tags = ["users"], operation_id = "users_delete_preference",
    params(("key" = String, Path, pattern = "^[a-z0-9_.-]{1,64}$", example = "theme")),
    responses((status = 204, description = "It is gone"))
)]
pub(super) async fn delete(
    actor: Actor<PreferencesWrite>,
    State(ctx): State<Ctx>,
    Path(key): Path<String>,
) -> Result<StatusCode> {
    preferences::delete(&ctx, &actor, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
