//! Off the stream. A session makes the service's durable consumer anew, from behind the position that the service has committed in
//! its own database. So nothing depends on which of its messages the server believes to be taken, and after a crash, a takeover or a
//! lost acknowledgement the events come again in their order, before any that are new.

use std::time::Duration;

use async_nats::jetstream::{
    AckKind,
    consumer::{AckPolicy, DeliverPolicy, pull},
    message::Message,
    stream::Stream,
};
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;

use super::{NATS, Nats, broken};
use crate::{
    bus::{BATCH, BusError, Delivery, Position, Receipt},
    inbox::Inbox,
};

/// How often the server says that it is there while it has nothing.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long one request for messages stands.
const STANDS: Duration = Duration::from_secs(60);
/// No part of how an event is brought again, so longer than a database is away. A session ends before.
const ACK_WAIT: Duration = Duration::from_secs(3600);

pub(crate) struct Arrivals {
    nats: Nats,
    messages: pull::Stream,
    links: watch::Receiver<u64>,
    /// The stream, and when it was made.
    stream: String,
    /// The consumer's own number of the last message: there are no holes in these.
    delivered: u64,
}

impl Nats {
    pub(in crate::bus) async fn arrivals(&self, inbox: &Inbox) -> Result<Arrivals, BusError> {
        self.connected()?;
        let mut links = self.links();
        links.mark_unchanged();
        self.declare_once().await?;
        let stream = self.0.context.get_stream(self.0.names.stream());
        let stream = stream.await.map_err(broken)?;
        let info = stream.cached_info();
        let name = format!("{}@{}", info.config.name, info.created.unix_timestamp_nanos());
        let mut behind = Position::read(inbox.db(), &name).await?;
        if behind.is_some_and(|taken| taken > info.state.last_sequence) {
            tracing::error!(
                service = inbox.db().service(),
                "NATS has lost events that it had confirmed; taking in again what it still has"
            );
            Position::forget(inbox.db(), &name).await?;
            behind = None;
        }
        if let Some(taken) = behind.filter(|taken| taken + 1 < info.state.first_sequence) {
            tracing::error!(
                service = inbox.db().service(),
                taken,
                first = info.state.first_sequence,
                "the stream no longer has all the events that this service has not yet taken; raise bus.max_age or bus.max_mib"
            );
        }
        let messages = self.consume(&stream, inbox, behind).await?;
        Ok(Arrivals {
            nats: self.clone(),
            messages,
            links,
            stream: name,
            delivered: 0,
        })
    }

    async fn consume(
        &self,
        stream: &Stream,
        inbox: &Inbox,
        behind: Option<u64>,
    ) -> Result<pull::Stream, BusError> {
        let service = inbox.db().service();
        // Also where there is none: then it says so, which is as well.
        let _ = stream.delete_consumer(service).await;
        let mut config = pull::Config {
            durable_name: Some(service.to_owned()),
            description: Some(format!("What {service} takes in")),
            deliver_policy: behind.map_or(DeliverPolicy::All, |taken| DeliverPolicy::ByStartSequence {
                start_sequence: taken + 1,
            }),
            ack_policy: AckPolicy::All,
            ack_wait: ACK_WAIT,
            max_ack_pending: -1,
            num_replicas: 0,
            ..pull::Config::default()
        };
        let mut subjects: Vec<_> = inbox
            .events()
            .iter()
            .map(|event| self.0.names.subject(event))
            .collect();
        if let ([subject], false) = (subjects.as_slice(), subjects.is_empty()) {
            config.filter_subject.clone_from(subject);
        } else if self.0.client.is_server_compatible(2, 10, 0) {
            config.filter_subjects = std::mem::take(&mut subjects);
        } else {
            // It knows one filter at most: we are given all events and leave out what we have not subscribed to. A consumer for
            // each event would lose the order between a key's events of different names.
            config.filter_subject = self.0.names.subject(">");
        }
        let consumer = stream.create_consumer(config).await.map_err(broken)?;
        consumer
            .stream()
            .max_messages_per_batch(2 * BATCH)
            .expires(STANDS)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(broken)
    }
}

impl Arrivals {
    pub(in crate::bus) async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        let first = tokio::select! {
            message = self.messages.next() => message,
            // A session does not outlive its connection: what was asked for on it is not answered any more.
            _ = self.links.changed() => return Err(BusError::Away(NATS)),
        };
        let mut batch = Vec::new();
        let mut message = first;
        loop {
            let one = message.ok_or(BusError::Away(NATS))?.map_err(broken)?;
            batch.push(self.delivery(one)?);
            if batch.len() == BATCH {
                return Ok(batch);
            }
            message = match self.messages.next().now_or_never() {
                Some(Some(Ok(next))) => Some(Ok(next)),
                // An error comes again by the next call, or the session ends of itself.
                _ => return Ok(batch),
            };
        }
    }

    fn delivery(&mut self, message: Message) -> Result<Delivery, BusError> {
        let info = message.info().map_err(|e| BusError::Broker {
            broker: NATS,
            reason: format!("a message without its number: {e}"),
        })?;
        if info.consumer_sequence != self.delivered + 1 || info.delivered != 1 {
            return Err(BusError::Broker {
                broker: NATS,
                reason: format!(
                    "delivery {} came after delivery {}; starting over behind what is committed",
                    info.consumer_sequence, self.delivered
                ),
            });
        }
        self.delivered = info.consumer_sequence;
        let sequence = info.stream_sequence;
        let origin = format!(
            "message {sequence} of the stream {}, {}",
            info.stream, message.subject
        );
        let reply = message.reply.clone().ok_or(BusError::Away(NATS))?;
        Ok(Delivery {
            body: message.message.payload,
            origin,
            receipt: Receipt::Nats { sequence, reply },
        })
    }

    pub(in crate::bus) fn position(&self, batch: &[Delivery]) -> Option<Position> {
        match batch.last()?.receipt {
            Receipt::Nats { sequence, .. } => Some(Position {
                stream: self.stream.clone(),
                sequence,
            }),
            Receipt::Rabbit(_) => None,
        }
    }

    /// The last one stands for those before it. Lost, it is missed by nobody: the next session begins at the position.
    pub(in crate::bus) async fn settle(&self, batch: &[Delivery]) -> Result<(), BusError> {
        if let Some(Receipt::Nats { reply, .. }) = batch.last().map(|one| &one.receipt) {
            let ack = bytes::Bytes::from(AckKind::Ack);
            let sent = self.nats.0.client.publish(reply.clone(), ack);
            sent.await.map_err(broken)?;
        }
        Ok(())
    }
}
