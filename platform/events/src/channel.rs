//! Channels: what clients with an open connection subscribe to, and what services publish to them.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use stoa_kernel::{OrganizationId, Owner, UserId};

use crate::Event;

/// The name of a channel: a prefix, which says what kind of channel it is and whose service it belongs to, a colon, and which one:
/// `user:<id>`, `organization:<id>`, `order:<id>`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Channel(Arc<str>);

/// A text that is not the name of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a channel is named prefix:name, with a prefix of a-z, 0-9 and _ that begins with a letter, a name of A-Z, a-z, 0-9, _, ., :, @ and \
     -, and at most {most} bytes in all", most = Channel::MAX_BYTES
)]
pub struct ChannelError;

impl Channel {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// What only this person follows.
    #[must_use]
    pub fn user(id: UserId) -> Self {
        Self::of(id)
    }

    /// What the members of this organization follow.
    #[must_use]
    pub fn organization(id: OrganizationId) -> Self {
        Self::of(id)
    }

    /// The channel of a person or an organization.
    #[must_use]
    pub fn of(owner: impl Into<Owner>) -> Self {
        Self(owner.into().to_string().into())
    }

    /// Another channel: `Channel::named("order", order_id)`.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn named(prefix: &str, name: impl fmt::Display) -> Result<Self, ChannelError> {
        if prefix.contains(':') {
            return Err(ChannelError);
        }
        Self::parse(format!("{prefix}:{name}"))
    }

    fn parse(text: String) -> Result<Self, ChannelError> {
        let (prefix, name) = text.split_once(':').ok_or(ChannelError)?;
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:@-".contains(&byte);
        let good = text.len() <= Self::MAX_BYTES
            && prefix.starts_with(|first: char| first.is_ascii_lowercase())
            && prefix.bytes().all(lower)
            && !name.is_empty()
            && name.bytes().all(of_a_name);
        if good {
            Ok(Self(text.into()))
        } else {
            Err(ChannelError)
        }
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first colon.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// What stands behind the first colon.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Channel {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, ChannelError> {
        Self::parse(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(text).map_err(serde::de::Error::custom)
    }
}

/// What [`publish`](crate::TxExt::publish) writes into the outbox: every service may, and none lists it among its events.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChannelPublished {
    /// Where to.
    pub channel: Channel,
    /// The name of the event that is published.
    pub event: String,
    /// Its data, as JSON.
    pub data: Box<RawValue>,
}

impl ChannelPublished {
    /// Bytes of an event's name, at most.
    pub const MAX_EVENT_BYTES: usize = 128;
    /// Bytes of its data, at most. A broker takes messages of 1 MiB, and a client has to read all that it is sent.
    pub const MAX_DATA_BYTES: usize = 64 * 1024;

    pub(crate) fn check(event: &str, data: &str) -> Result<(), String> {
        let parts = [
            ("name", event.len(), Self::MAX_EVENT_BYTES),
            ("data", data.len(), Self::MAX_DATA_BYTES),
        ];
        for (what, length, most) in parts {
            if length > most {
                return Err(format!(
                    "its {what} has {length} bytes, and {most} are the most that is published"
                ));
            }
        }
        Ok(())
    }
}

impl Event for ChannelPublished {
    const NAME: &'static str = "channel.published";

    fn key(&self) -> String {
        key(&self.channel)
    }
}

/// The key under which what is published to a channel keeps its order.
pub(crate) fn key(channel: &Channel) -> String {
    format!("channel:{channel}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_a_prefix_and_a_name() {
        for name in [
            "user:1",
            "a_1:B-c.d@e:f",
            "organization:01a1fd28-cedf-7b1c-9a3e-5f9f7a2d4c11",
        ] {
            let channel: Channel = name.parse().unwrap();
            assert_eq!(channel.to_string(), name);
            assert_eq!(format!("{}:{}", channel.prefix(), channel.name()), name);
            let json = serde_json::to_string(&channel).unwrap();
            assert_eq!(serde_json::from_str::<Channel>(&json).unwrap(), channel);
        }
        let longest = format!("a:{}", "b".repeat(126));
        assert_eq!(longest.len(), Channel::MAX_BYTES);
        assert!(longest.parse::<Channel>().is_ok());
        assert_eq!(Channel::named("order", 7).unwrap().as_str(), "order:7");
    }

    #[test]
    fn what_could_stand_for_something_else_is_no_channel() {
        let long = format!("a:{}", "b".repeat(127));
        for name in [
            "", "user", "user:", ":1", "User:1", "1user:1", "us er:1", "user:a b", "user:ü", "user:a/b",
            "user:*", "user:\0", "user:a\n", "-a:b", &long,
        ] {
            assert_eq!(name.parse::<Channel>(), Err(ChannelError), "{name:?}");
            assert!(
                serde_json::from_value::<Channel>(name.into()).is_err(),
                "{name:?}"
            );
        }
        assert_eq!(Channel::named("a:b", "").unwrap_err(), ChannelError);
    }
}
