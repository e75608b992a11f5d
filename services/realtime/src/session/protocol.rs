//! The protocol's texts. `docs/realtime.md` and `docs/asyncapi.yaml` describe them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stoa_events::Channel;
use stoa_http::{Failure, Problem, check_json, codes};
use stoa_kernel::{Timestamp, UserId};

use crate::{hub::Close, ops::subscribe::Position};

/// What a client sends: `{"id": 1, "subscribe": {"channel": "user:…"}}`.
pub(crate) struct Command<'a> {
    /// Comes back with the answer.
    pub(crate) id: Option<u64>,
    pub(crate) wish: Wish<'a>,
}

/// One of these.
pub(crate) enum Wish<'a> {
    Connect(Connect<'a>),
    Refresh(Refresh<'a>),
    Subscribe(Subscribe),
    Unsubscribe(Which),
    Publish(Publish<'a>),
    History(History),
    Presence(Which),
    Ping,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw<'a> {
    #[serde(default)]
    id: Option<u64>,
    #[serde(borrow, default)]
    connect: Option<Connect<'a>>,
    #[serde(borrow, default)]
    refresh: Option<Refresh<'a>>,
    #[serde(default)]
    subscribe: Option<Subscribe>,
    #[serde(default)]
    unsubscribe: Option<Which>,
    #[serde(borrow, default)]
    publish: Option<Publish<'a>>,
    #[serde(default)]
    history: Option<History>,
    #[serde(default)]
    presence: Option<Which>,
    #[serde(default)]
    ping: Option<Ping>,
}

/// Says who the client is: exactly one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connect<'a> {
    #[serde(default)]
    pub(crate) token: Option<&'a str>,
    #[serde(default)]
    pub(crate) ticket: Option<&'a str>,
}

/// A fresh token of the same user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh<'a> {
    #[serde(default)]
    pub(crate) token: Option<&'a str>,
    #[serde(default)]
    pub(crate) ticket: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscribe {
    pub(crate) channel: Channel,
    #[serde(default)]
    pub(crate) recover: Option<Position>,
    /// Whether others are to see that the user is there.
    #[serde(default)]
    pub(crate) presence: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    pub(crate) channel: Channel,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish<'a> {
    pub(crate) channel: Channel,
    pub(crate) event: String,
    #[serde(borrow)]
    pub(crate) data: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    pub(crate) channel: Channel,
    /// Behind which offset.
    #[serde(default)]
    pub(crate) after: i64,
    #[serde(default)]
    pub(crate) limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ping {}

impl<'a> Command<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// With the id, if that can be read.
    pub(crate) fn read(text: &'a str) -> Result<Self, (Option<u64>, Failure)> {
        // The data of a message is kept as it is: nothing but this looks into it.
        let read = check_json(text).and_then(|()| serde_json::from_str(text).map_err(|e| unreadable(&e)));
        let raw: Raw<'a> = read.map_err(|failure| (id_of(text), failure))?;
        let id = raw.id;
        let wishes = [
            raw.connect.map(Wish::Connect),
            raw.refresh.map(Wish::Refresh),
            raw.subscribe.map(Wish::Subscribe),
            raw.unsubscribe.map(Wish::Unsubscribe),
            raw.publish.map(Wish::Publish),
            raw.history.map(Wish::History),
            raw.presence.map(Wish::Presence),
            raw.ping.map(|Ping {}| Wish::Ping),
        ];
        let mut wishes = wishes.into_iter().flatten();
        match (wishes.next(), wishes.next()) {
            (Some(wish), None) => Ok(Self { id, wish }),
            _ => {
                let detail = "A command has an id and one of connect, refresh, subscribe, unsubscribe, publish, history, presence and ping.";
                Err((id, Failure::new(codes::MALFORMED).detail(detail)))
            }
        }
    }
}

fn unreadable(error: &serde_json::Error) -> Failure {
    let code = if error.is_data() {
        codes::INVALID_INPUT
    } else {
        codes::MALFORMED
    };
    Failure::new(code).detail(error.to_string())
}

/// The id of a command that is not carried out, if that can be read.
pub(crate) fn id_of(text: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Id {
        id: u64,
    }
    serde_json::from_str::<Id>(text).ok().map(|Id { id }| id)
}

/// The answer to a command.
#[derive(Serialize)]
pub(crate) struct Answer<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<u64>,
    pub(crate) result: &'a T,
}

/// The answer to a command that was not done.
#[derive(Serialize)]
pub(crate) struct Refused<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<u64>,
    pub(crate) problem: &'a Problem,
}

/// The answer to `connect` and `refresh`.
#[derive(Serialize)]
pub(crate) struct Connected {
    pub(crate) connection_id: uuid::Uuid,
    pub(crate) user_id: UserId,
    /// When a fresh token has to be there; none for an API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    /// The same from now on: the client's clock need not be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in_ms: Option<u64>,
    /// How often the client hears from the server, at least.
    pub(crate) heartbeat_ms: u64,
}

/// An answer without anything in it.
#[derive(Serialize)]
pub(crate) struct Done {}

/// The last text before a connection is closed.
#[derive(Serialize)]
pub(crate) struct Disconnect {
    disconnect: Reason,
}

#[derive(Serialize)]
struct Reason {
    code: &'static str,
    /// Whether to come back by itself.
    reconnect: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconnect_after_ms: Option<u64>,
}

impl From<&Close> for Disconnect {
    fn from(close: &Close) -> Self {
        Self {
            disconnect: Reason {
                code: close.reason.name,
                reconnect: close.reconnect_after_ms.is_some(),
                reconnect_after_ms: close.reconnect_after_ms,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_wish() {
        for (text, id, code) in [
            (r#"{"id":7}"#, Some(7), "malformed_request"),
            (
                r#"{"id":7,"ping":{},"history":{"channel":"a:b"}}"#,
                Some(7),
                "malformed_request",
            ),
            (r#"{"id":7,"dance":{}}"#, Some(7), "invalid_input"),
            (
                r#"{"id":7,"subscribe":{"channel":"nonsense"}}"#,
                Some(7),
                "invalid_input",
            ),
            (r#"{"id":7,"subscribe":{}}"#, Some(7), "invalid_input"),
            (r#"{"id":7,"ping":{"x":1}}"#, Some(7), "invalid_input"),
            (r#"{"id":-7,"ping":{}}"#, None, "invalid_input"),
            ("", None, "malformed_request"),
            ("[]", None, "malformed_request"),
            ("{\"id\":7,", None, "malformed_request"),
        ] {
            let (found, failure) = Command::read(text).err().unwrap();
            assert_eq!((found, &*failure.problem.code), (id, code), "{text}");
        }
        let read = Command::read(r#"{"id":7,"ping":{}}"#).ok().unwrap();
        assert_eq!(read.id, Some(7));
        assert!(matches!(read.wish, Wish::Ping));
    }
}
