//! Exchanges, queues, bindings.

use std::collections::{BTreeMap, BTreeSet};

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use parking_lot::RwLock;

use super::broken;
use crate::bus::{BusError, names::Names};

/// Messages that a dead-letter queue keeps; then the oldest go. Their reasons are in the service's own dead letters.
const MOST_DEAD: i32 = 100_000;

/// The services that this process knows, and what each wants.
pub(super) struct Topology {
    names: Names,
    services: RwLock<BTreeMap<String, BTreeSet<String>>>,
}

impl Topology {
    pub(super) fn new(names: Names) -> Self {
        Self {
            names,
            services: RwLock::default(),
        }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn know(&self, services: &[(&str, &[&str])]) {
        let mut known = self.services.write();
        for (service, events) in services.iter().filter(|(_, events)| !events.is_empty()) {
            let wanted = known.entry((*service).to_owned()).or_default();
            wanted.extend(events.iter().map(|event| (*event).to_owned()));
        }
    }

    /// Whether a service that this process knows wants the event.
    pub(super) fn is_wanted(&self, event: &str) -> bool {
        self.services.read().values().any(|events| events.contains(event))
    }

    pub(super) async fn declare(&self, channel: &Channel) -> Result<(), BusError> {
        let services: Vec<_> = self.services.read().keys().cloned().collect();
        for service in services {
            self.declare_service(channel, &service).await?;
        }
        Ok(())
    }

    pub(super) async fn declare_exchange(&self, channel: &Channel, event: &str) -> Result<(), BusError> {
        exchange(channel, self.names.exchange(event), ExchangeKind::Topic).await
    }

    /// The service's queue, bound to each event it wants, and where what it cannot take goes.
    pub(super) async fn declare_service(&self, channel: &Channel, service: &str) -> Result<(), BusError> {
        let (inbox, dead) = (self.names.inbox(service), self.names.dead(service));
        let dead_exchange = self.names.dead_exchange();
        exchange(channel, dead_exchange.clone(), ExchangeKind::Direct).await?;
        queue(channel, &dead, [("x-max-length", AMQPValue::LongInt(MOST_DEAD))]).await?;
        bind(channel, &dead, dead_exchange.clone(), service).await?;
        let text = |text: &str| AMQPValue::LongString(text.into());
        let arguments = [
            // Of several consumers the oldest gets everything, and the next one only what that one gave back, in its place.
            ("x-single-active-consumer", AMQPValue::Boolean(true)),
            ("x-dead-letter-exchange", text(&dead_exchange)),
            ("x-dead-letter-routing-key", text(service)),
            // What was not acknowledged goes back to its place in the queue, however often: without a limit it would go to the
            // end, and a limit that is ever reached would lose an event.
            ("x-delivery-limit", AMQPValue::LongInt(i32::MAX)),
        ];
        queue(channel, &inbox, arguments).await?;
        let events = self.services.read().get(service).cloned().unwrap_or_default();
        for event in events {
            self.declare_exchange(channel, &event).await?;
            bind(channel, &inbox, self.names.exchange(&event), &event).await?;
        }
        Ok(())
    }
}

async fn exchange(channel: &Channel, name: String, kind: ExchangeKind) -> Result<(), BusError> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(name.into(), kind, options, FieldTable::default())
        .await
        .map_err(broken)
}

/// A quorum queue: replicated in a cluster, on the disk of most nodes before it is confirmed, in order also after a failure.
async fn queue<const N: usize>(
    channel: &Channel,
    name: &str,
    arguments: [(&str, AMQPValue); N],
) -> Result<(), BusError> {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    for (key, value) in arguments {
        table.insert(ShortString::from(key), value);
    }
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(name.into(), options, table)
        .await
        .map(drop)
        .map_err(broken)
}

/// How many messages lie in a queue; none if there is none of that name. Then the channel is of no use any more.
pub(super) async fn depth(channel: &Channel, name: &str) -> Result<Option<u32>, BusError> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    match channel
        .queue_declare(name.into(), options, FieldTable::default())
        .await
    {
        Ok(queue) => Ok(Some(queue.message_count())),
        Err(error) if error.to_string().contains("NOT_FOUND") => Ok(None),
        Err(error) => Err(broken(error)),
    }
}

async fn bind(channel: &Channel, queue: &str, exchange: String, key: &str) -> Result<(), BusError> {
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .map_err(broken)
}
