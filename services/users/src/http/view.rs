//! What callers are shown.

use serde::Serialize;
use serde_json::{Value, value::RawValue};
use stoa_kernel::{Id, Timestamp, UserId};
use utoipa::ToSchema;

use crate::{
    error::Error,
    ops::avatar,
    store::{
        activity::{ActivityRow, ActivityTag},
        preferences::PreferenceRow,
        profiles::{ProfileRow, ProfileTag},
    },
};

/// What a person says of themselves.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct UsersProfile {
    /// The profile's own id.
    #[schema(value_type = String, format = Uuid)]
    id: Id<ProfileTag>,
    /// Whose it is; people are named by this id everywhere.
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    #[schema(required)]
    first_name: Option<String>,
    #[schema(required)]
    last_name: Option<String>,
    /// Where the picture is, relative to this server; changes when the picture does.
    #[schema(
        required,
        example = "/api/v1/users/01890000-0000-7000-8000-000000000000/avatar/5f…9c.png"
    )]
    avatar_url: Option<String>,
    /// A text about oneself; may have several lines.
    #[schema(required)]
    bio: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<ProfileRow> for UsersProfile {
    fn from(row: ProfileRow) -> Self {
        Self {
            avatar_url: row.avatar.map(|file| avatar::url(row.user_id, &file)),
            id: row.id,
            user_id: row.user_id,
            first_name: row.first_name,
            last_name: row.last_name,
            bio: row.bio,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A setting that a person has chosen.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct UsersPreference {
    #[schema(pattern = "^[a-z0-9_.-]{1,64}$")]
    key: String,
    /// Any JSON but null.
    #[schema(value_type = Value)]
    value: Box<RawValue>,
    /// Type of the value.
    #[serde(rename = "type")]
    #[schema(value_type = UsersValueType)]
    kind: String,
    updated_at: Timestamp,
}

/// Type of a preference's value.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only describes what the database keeps as text")]
pub(crate) enum UsersValueType {
    String,
    Number,
    Boolean,
    Object,
    Array,
}

impl TryFrom<PreferenceRow> for UsersPreference {
    type Error = Error;

    fn try_from(row: PreferenceRow) -> Result<Self, Error> {
        let value = RawValue::from_string(row.value).map_err(|error| {
            Error::Internal(format!("a preference is not the JSON it should be: {error}"))
        })?;
        Ok(Self {
            key: row.key,
            value,
            kind: row.kind,
            updated_at: row.updated_at,
        })
    }
}

/// Something that happened to a person's data.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct UsersActivity {
    #[schema(value_type = String, format = Uuid)]
    id: Id<ActivityTag>,
    /// `profile.update`, `profile.read` (by somebody else), `profile.export`, `avatar.set`, `avatar.delete`,
    /// `preference.set`, `preference.delete`.
    action: String,
    /// Who did it; null is the server itself.
    #[schema(required, value_type = Option<String>, format = Uuid)]
    actor_id: Option<UserId>,
    /// Which fields, or which key.
    #[schema(value_type = Object)]
    detail: Value,
    created_at: Timestamp,
}

impl From<ActivityRow> for UsersActivity {
    fn from(row: ActivityRow) -> Self {
        Self {
            id: row.id,
            action: row.action,
            actor_id: row.actor_id,
            detail: row.detail.0,
            created_at: row.created_at,
        }
    }
}
