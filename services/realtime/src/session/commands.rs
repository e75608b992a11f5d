//! What each command does.

use serde::Serialize;
use serde_json::value::RawValue;
use stoa_events::{Channel, ChannelPublished};
use stoa_http::Failure;
use stoa_kernel::{MAX_LIMIT, PageRequest, Timestamp, UserId};

use super::{
    Credential, Session, closes,
    protocol::{Answer, Connect, Connected, Done, History, Publish, Refresh, Subscribe, Which, Wish},
};
use crate::{
    error::{ALREADY_CONNECTED, OTHER_USER, PRESENCE_NOT_KEPT},
    hub::{Frame, Published},
    ops::{
        access::{self, Wish as Access},
        publish::By,
        subscribe, tickets,
    },
    store,
    store::messages::MessageId,
};

/// What the names of events begin with that clients publish: no client can pass for a service.
pub(crate) const CLIENT: &str = "client.";
/// Messages that `history` answers with, at most.
const HISTORY: u32 = 100;

impl Session {
    /// `bytes` is the length of the command.
    pub(super) async fn run(&mut self, id: Option<u64>, wish: Wish<'_>, bytes: usize) -> Result<(), Failure> {
        match wish {
            Wish::Connect(connect) => self.connect(id, connect).await,
            Wish::Ping => {
                self.answer(id, &Done {});
                Ok(())
            }
            Wish::Refresh(refresh) => self.refresh(id, refresh).await,
            Wish::Subscribe(wanted) => self.subscribe(id, wanted).await,
            Wish::Unsubscribe(Which { channel }) => {
                self.principal()?;
                subscribe::unsubscribe(&self.ctx, self.connection(), &channel)?;
                self.answer(id, &Done {});
                Ok(())
            }
            Wish::Publish(wanted) => self.publish(id, wanted, bytes).await,
            Wish::History(wanted) => self.history(id, wanted).await,
            Wish::Presence(Which { channel }) => self.presence(id, channel).await,
        }
    }

    async fn connect(&mut self, id: Option<u64>, connect: Connect<'_>) -> Result<(), Failure> {
        if self.is_connected() {
            return Err(Failure::new(ALREADY_CONNECTED));
        }
        let opened = match self.open(connect.token, connect.ticket).await {
            Ok(credential) => self.sign_in(credential),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = opened {
            let close = closes(&failure);
            self.refuse(id, failure);
            if let Some(close) = close {
                self.connection().outbox.close(close);
            }
            return Ok(());
        }
        self.welcome(id)
    }

    async fn open(&self, token: Option<&str>, ticket: Option<&str>) -> Result<Credential, Failure> {
        match (token, ticket) {
            (Some(token), None) => Credential::open(&self.ctx, token, false).await,
            (None, Some(ticket)) => {
                let secret = tickets::redeem(&self.ctx, ticket).await?;
                Credential::open(&self.ctx, &secret.text, secret.of_cookie).await
            }
            _ => Err(Failure::invalid(
                "token",
                "missing_field",
                "Either a token or a ticket is needed",
            )),
        }
    }

    fn welcome(&self, id: Option<u64>) -> Result<(), Failure> {
        let connection = self.connection();
        let credential = connection.credential();
        let credential = credential.ok_or_else(|| Failure::internal("nobody has signed in"))?;
        let heartbeat = self.ctx.config.heartbeat.0.as_millis();
        let expires_at = credential.expires();
        let left = expires_at.map(|at| at.duration_since(self.ctx.clock.now()).as_millis());
        let connected = Connected {
            connection_id: connection.id,
            user_id: credential.principal().user_id,
            expires_at,
            expires_in_ms: left.map(|left| u64::try_from(left).unwrap_or(0)),
            heartbeat_ms: u64::try_from(heartbeat).unwrap_or(u64::MAX),
        };
        self.answer(id, &connected);
        Ok(())
    }

    async fn refresh(&mut self, id: Option<u64>, refresh: Refresh<'_>) -> Result<(), Failure> {
        let known = self.principal()?;
        let credential = self.open(refresh.token, refresh.ticket).await?;
        let fresh = credential.principal();
        if (fresh.user_id, fresh.organization_id) != (known.user_id, known.organization_id) {
            return Err(Failure::new(OTHER_USER));
        }
        self.connection().set_credential(credential);
        subscribe::check(&self.ctx, self.connection()).await;
        self.welcome(id)
    }

    async fn subscribe(&mut self, id: Option<u64>, wanted: Subscribe) -> Result<(), Failure> {
        let principal = self.principal()?;
        let reply = |result: &subscribe::Subscribed| Some(Frame::of(&Answer { id, result }));
        let Subscribe {
            channel,
            recover,
            presence,
        } = wanted;
        let keeps = self.ctx.kind_of(&channel).is_none_or(|kind| kind.presence);
        if presence && !keeps {
            return Err(Failure::new(PRESENCE_NOT_KEPT));
        }
        let connection = self.connection();
        subscribe::subscribe(&self.ctx, connection, &principal, &channel, recover, reply).await?;
        if presence {
            subscribe::show(&self.ctx, connection, principal.user_id, &channel).await?;
        }
        Ok(())
    }

    async fn publish(&mut self, id: Option<u64>, wanted: Publish<'_>, bytes: usize) -> Result<(), Failure> {
        let principal = self.principal()?;
        check_event(&wanted.event)?;
        let Publish { channel, event, data } = wanted;
        let publishing = super::publish(
            &self.ctx,
            &principal,
            &channel,
            (event, data.get()),
            By::WebSocket,
        )
        .await?;
        self.publishing.push(id, bytes, publishing);
        Ok(())
    }

    async fn presence(&mut self, id: Option<u64>, channel: Channel) -> Result<(), Failure> {
        let principal = self.principal()?;
        let allowed = access::allow(&self.ctx, &principal, &channel, Access::Follow).await?;
        if !allowed.info.presence {
            return Err(Failure::new(PRESENCE_NOT_KEPT));
        }
        let page = PageRequest {
            limit: MAX_LIMIT,
            cursor: None,
        };
        let found = store::presence::list(&self.ctx.db, &channel, &page).await?;
        let users = found.items.into_iter().map(|row| Present {
            user_id: row.user_id,
            since: row.since,
        });
        let there = There {
            channel: &channel,
            users: users.collect(),
            more: found.next_cursor.is_some(),
        };
        self.answer(id, &there);
        Ok(())
    }

    async fn history(&mut self, id: Option<u64>, wanted: History) -> Result<(), Failure> {
        let principal = self.principal()?;
        let History {
            channel,
            after,
            limit,
        } = wanted;
        access::allow(&self.ctx, &principal, &channel, Access::Follow).await?;
        let limit = limit.unwrap_or(HISTORY).clamp(1, HISTORY);
        let head = store::channels::head(&self.ctx.db, &channel).await?;
        // Half of what may wait for the client, or one message: the answer is to fit in beside what waits already.
        let most = self.connection().outbox.most() / 2;
        let rows = store::messages::after(&self.ctx.db, &channel, after, limit, most).await?;
        let epoch: crate::hub::Epoch = head.epoch.as_str().into();
        let (mut messages, mut bytes) = (Vec::with_capacity(rows.len()), 0);
        for row in rows {
            let published = Published {
                channel: channel.clone(),
                epoch: std::sync::Arc::clone(&epoch),
                row,
            };
            let frame = published.frame();
            bytes += frame.size();
            if bytes > most && !messages.is_empty() {
                break;
            }
            messages.push(RawValue::from_string(frame.text.to_string()).map_err(Failure::internal)?);
        }
        let past = Past {
            messages,
            channel: &channel,
            epoch: &head.epoch,
            offset: head.last_offset,
        };
        self.answer(id, &past);
        Ok(())
    }
}

/// What may be published by a client is named so that nobody takes it for a service's.
///
/// # Errors
/// 422.
pub(crate) fn check_event(event: &str) -> Result<(), Failure> {
    let of_a_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte);
    let rest = event.strip_prefix(CLIENT).unwrap_or_default();
    if !rest.is_empty() && event.len() <= ChannelPublished::MAX_EVENT_BYTES && rest.bytes().all(of_a_name) {
        return Ok(());
    }
    let message = format!(
        "The event's name begins with \"{CLIENT}\" and goes on in a-z, 0-9, _ and ., with at most {} bytes",
        ChannelPublished::MAX_EVENT_BYTES
    );
    Err(Failure::invalid("event", "format", message))
}

/// What was published, for who did it.
#[derive(Serialize)]
pub(super) struct Receipt<'a> {
    channel: &'a Channel,
    epoch: &'a str,
    offset: i64,
    id: MessageId,
    time: Timestamp,
}

impl<'a> Receipt<'a> {
    pub(super) fn of(published: &'a Published) -> Self {
        Self {
            channel: &published.channel,
            epoch: &published.epoch,
            offset: published.row.position,
            id: published.row.id,
            time: published.row.created_at,
        }
    }
}

/// Who is on a channel.
#[derive(Serialize)]
struct There<'a> {
    channel: &'a Channel,
    users: Vec<Present>,
    /// Whether there are more: `GET /api/v1/realtime/channels/{channel}/presence` has all of them.
    more: bool,
}

#[derive(Serialize)]
struct Present {
    user_id: UserId,
    since: Timestamp,
}

/// Some of a channel's history.
#[derive(Serialize)]
struct Past<'a> {
    channel: &'a Channel,
    epoch: &'a str,
    /// Of the newest message.
    offset: i64,
    messages: Vec<Box<RawValue>>,
}
