//! All of one's data, to take along.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderName, header},
};
use serde_json::Value;
use stoa_http::{Actor, Result};
use stoa_kernel::Timestamp;
use utoipa::ToSchema;

use super::scopes::ExportRead;
use crate::{
    ctx::Ctx,
    ops::export,
    view::{Activity, Preference, Profile},
};

/// Everything that users holds on a person.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only describes what is written piece by piece")]
pub(super) struct Export {
    #[schema(value_type = String, format = DateTime)]
    exported_at: Timestamp,
    profile: Profile,
    preferences: Vec<Preference>,
    #[schema(required)]
    avatar: Option<ExportedAvatar>,
    /// Newest first.
    activity: Vec<Activity>,
}

/// The picture itself.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only describes what is written piece by piece")]
pub(super) struct ExportedAvatar {
    media_type: String,
    #[schema(value_type = String, format = Byte)]
    base64: Value,
}

type Download = ([(HeaderName, &'static str); 2], Body);

/// Everything that is held on you here.
///
/// What auth holds (account, sessions, keys) is at `/api/v1/auth/export`.
#[utoipa::path(
    get, path = "/api/v1/users/me/export", tags = ["users"], operation_id = "users_export",
    responses((status = 200, description = "All there is, as a download", body = Export, content_type = "application/json"))
)]
pub(super) async fn export(actor: Actor<ExportRead>, State(ctx): State<Ctx>) -> Result<Download> {
    let pieces = export::export(&ctx, &actor).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"stoa-users.json\"",
        ),
    ];
    Ok((headers, Body::from_stream(pieces)))
}
