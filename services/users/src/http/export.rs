//! All of one's data, to take along: one JSON text, written while it is read.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderName, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use serde::Serialize;
use stoa_http::{Actor, Result};
use stoa_kernel::Timestamp;
use utoipa::ToSchema;

use super::{
    scopes::ExportRead,
    view::{UsersActivity, UsersPreference, UsersProfile},
};
use crate::{
    ctx::Ctx,
    error::Error,
    ops::export::{self, Held},
    store::activity::ActivityRow,
};

/// Everything that users holds on a person.
#[derive(Serialize, ToSchema)]
pub(super) struct UsersExport {
    exported_at: Timestamp,
    profile: UsersProfile,
    preferences: Vec<UsersPreference>,
    #[schema(required)]
    avatar: Option<UsersExportedAvatar>,
    /// Newest first.
    activity: Vec<UsersActivity>,
}

/// The picture itself.
#[derive(Serialize, ToSchema)]
pub(super) struct UsersExportedAvatar {
    media_type: String,
    #[schema(format = Byte)]
    base64: String,
}

impl UsersExport {
    /// Without the activity log.
    fn of(held: Held, exported_at: Timestamp) -> Result<Self, Error> {
        let preferences = held.preferences.into_iter().map(UsersPreference::try_from);
        Ok(Self {
            exported_at,
            profile: held.profile.into(),
            preferences: preferences.collect::<Result<_, _>>()?,
            avatar: held.picture.map(|bytes| UsersExportedAvatar {
                media_type: "image/png".to_owned(),
                base64: STANDARD.encode(bytes),
            }),
            activity: Vec::new(),
        })
    }
}

/// The text up to the first entry of the activity log.
fn begin(export: &UsersExport) -> Result<Bytes, Error> {
    let mut text = to_json(export)?;
    // The log's and the object's end.
    text.truncate(text.len() - 2);
    Ok(text.into())
}

fn entries(rows: Vec<ActivityRow>, are_first: bool) -> Result<Bytes, Error> {
    let mut text = Vec::new();
    for (at, row) in rows.into_iter().enumerate() {
        if at > 0 || !are_first {
            text.push(b',');
        }
        text.extend(to_json(&UsersActivity::from(row))?);
    }
    Ok(text.into())
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value)
        .map_err(|error| Error::Internal(format!("an export cannot be written: {error}")))
}

type Download = ([(HeaderName, &'static str); 2], Body);

/// Everything that is held on you here.
///
/// What auth holds (account, sessions, keys) is at `/api/v1/auth/export`.
#[utoipa::path(
    get, path = "/api/v1/users/me/export", tags = ["users"], operation_id = "users_export",
    responses((status = 200, description = "All there is, as a download", body = UsersExport, content_type = "application/json"))
)]
pub(super) async fn export(actor: Actor<ExportRead>, State(ctx): State<Ctx>) -> Result<Download> {
    let held = export::export(&ctx, &actor).await?;
    let first = begin(&UsersExport::of(held, ctx.clock.now())?)?;
    let activity = export::activity(&ctx, actor.user_id).enumerate();
    let activity = activity.map(|(at, rows)| rows.and_then(|rows| entries(rows, at == 0)));
    let pieces = stream::once(async { Ok(first) })
        .chain(activity)
        .chain(stream::once(async { Ok(Bytes::from_static(b"]}")) }));
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"stoa-users.json\"",
        ),
    ];
    Ok((headers, Body::from_stream(pieces)))
}
