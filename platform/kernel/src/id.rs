//! Typed ids: a user's id cannot be passed where a session's is wanted.

use std::{cmp::Ordering, fmt, hash, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::Clock;

/// A UUIDv7 of one kind of thing, `T` being only its label.
pub struct Id<T>(Uuid, PhantomData<fn() -> T>);

/// Label of a user's id.
pub enum UserTag {}
/// Label of an organization's id.
pub enum OrganizationTag {}
/// Label of a session's id.
pub enum SessionTag {}
/// Label of an event's id.
pub enum EventTag {}

/// Names an account, and with it the person's rows in every service.
pub type UserId = Id<UserTag>;
/// Names an organization, and with it its things in every service.
pub type OrganizationId = Id<OrganizationTag>;
/// Names one sign-in of a user.
pub type SessionId = Id<SessionTag>;

impl<T> Id<T> {
    /// A new id that sorts by `clock`'s time.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self::at_microsecond(clock.now().as_microsecond())
    }

    /// A new id that sorts by this time, in microseconds since 1970: two made for different microseconds never tie.
    /// (RFC 9562, section 6.2, method 3: the fraction of the millisecond follows it.)
    #[must_use]
    pub fn at_microsecond(micros: i64) -> Self {
        let micros = u64::try_from(micros).unwrap_or(0);
        let mut rest = crate::random::bytes::<10>();
        let fraction = u16::try_from(micros % 1000 * 4096 / 1000).unwrap_or(0);
        rest[..2].copy_from_slice(&fraction.to_be_bytes());
        Self::from_uuid(uuid::Builder::from_unix_timestamp_millis(micros / 1000, &rest).into_uuid())
    }

    /// The time that it sorts by, in microseconds since 1970: an id of a later microsecond sorts behind it.
    #[must_use]
    pub fn microsecond(self) -> i64 {
        let bits = self.0.as_u128();
        let millis = i64::try_from(bits >> 80).unwrap_or(0);
        let fraction = i64::try_from((bits >> 64) & 0xfff).unwrap_or(0);
        millis * 1000 + (fraction * 1000 + 4095) / 4096
    }

    /// The id with these bits.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The bits.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<T> hash::Hash for Id<T> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T> FromStr for Id<T> {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self::from_uuid)
    }
}
impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Uuid::deserialize(deserializer).map(Self::from_uuid)
    }
}
impl<T> utoipa::PartialSchema for Id<T> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(
                utoipa::openapi::KnownFormat::Uuid,
            )))
            .into()
    }
}
impl<T> utoipa::ToSchema for Id<T> {
    fn name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, time::Duration};

    use super::*;

    #[test]
    fn ids_are_uuidv7_and_sort_by_the_clock() {
        let clock = Clock::adjustable();
        let ids: Vec<UserId> = std::iter::repeat_with(|| {
            clock.advance(Duration::from_millis(2));
            Id::new(&clock)
        })
        .take(100)
        .collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| id.uuid().get_version_num() == 7));
        let (seconds, _) = ids[99].uuid().get_timestamp().unwrap().to_unix();
        assert!(seconds.abs_diff(u64::try_from(clock.now().as_second()).unwrap()) <= 1);
    }

    #[test]
    fn an_id_tells_its_microsecond() {
        let start = 1_800_000_000_000_000;
        for micros in start..start + 2000 {
            assert_eq!(UserId::at_microsecond(micros).microsecond(), micros);
        }
    }

    #[test]
    fn ids_of_one_moment_differ() {
        let clock = Clock::system();
        let ids: HashSet<UserId> = std::iter::repeat_with(|| Id::new(&clock)).take(10_000).collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn an_id_is_written_and_read_as_text() {
        let id = UserId::new(&Clock::system());
        assert_eq!(id.to_string().parse::<UserId>(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<UserId>(&json).unwrap(), id);
        assert_eq!(format!("{id:?}"), id.to_string());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "1",
            "0197",
            "not-an-id",
            "01970000-0000-7000-8000-00000000000g",
        ] {
            assert!(text.parse::<UserId>().is_err(), "{text}");
        }
    }
}
