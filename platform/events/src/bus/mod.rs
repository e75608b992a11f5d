//! The bus: inside the process, NATS JetStream, or RabbitMQ, with the same guarantees.

mod config;
pub(crate) mod envelope;
mod error;
mod local;
mod names;
mod nats;
mod position;
mod rabbit;
mod waves;

use std::{fmt, time::Duration};

use bytes::Bytes;
use stoa_db::Db;
use tokio::{sync::watch, time::Instant};

use crate::{
    EventId, Subscription,
    inbox::Inbox,
    limits::Parts,
    store::OutboxRow,
    troubles::{Trouble, Troubles},
};
use local::LocalBus;
use nats::Nats;
use rabbit::Rabbit;

pub use config::BusConfig;
pub use error::BusError;
pub(crate) use position::Position;

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages taken in at once, at most.
const BATCH: usize = 512;

/// Brings events from the services that tell them to those that have subscribed. Cheap to clone; clones are one bus.
#[derive(Clone)]
pub struct Bus {
    engine: Engine,
    troubles: Troubles,
}

#[derive(Clone)]
enum Engine {
    Local(LocalBus),
    Nats(Nats),
    Rabbit(Rabbit),
}

/// Which bus it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusKind {
    /// Inside the process: the services that run in it.
    Local,
    /// NATS JetStream.
    Nats,
    /// RabbitMQ.
    RabbitMq,
}

impl fmt::Display for BusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Nats => "nats",
            Self::RabbitMq => "rabbitmq",
        })
    }
}

impl Bus {
    /// The bus inside this process.
    #[must_use]
    pub fn local() -> Self {
        Self::on(Engine::Local(LocalBus::default()))
    }

    fn on(engine: Engine) -> Self {
        Self {
            engine,
            troubles: Troubles::default(),
        }
    }

    /// As [`Bus::local`]; `observer` is called with the service and the name of each event, also of those that nobody has
    /// subscribed to. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn observed(observer: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        Self::on(Engine::Local(LocalBus::observed(Box::new(observer))))
    }

    /// The bus of these settings, reached and let in.
    ///
    /// # Errors
    /// [`BusError::Url`], [`BusError::Config`] or [`BusError::Unreachable`], in words for whoever runs the program.
    pub async fn open(config: &BusConfig) -> Result<Self, BusError> {
        let bus = Self::reach(config).await?;
        if let Engine::Nats(nats) = &bus.engine {
            nats.begin().await?;
        }
        Ok(bus)
    }

    /// Connected, and nothing more.
    async fn reach(config: &BusConfig) -> Result<Self, BusError> {
        config.check()?;
        match config.address()? {
            None => Ok(Self::local()),
            Some(url) if config.is_nats() => Nats::open(config, &url).await.map(Engine::Nats).map(Self::on),
            Some(url) => Rabbit::open(config, &url).await.map(Engine::Rabbit).map(Self::on),
        }
    }

    /// What is found at the bus of these settings, in a few words: nothing is made there. `services` as for [`Bus::declare`].
    ///
    /// # Errors
    /// As [`Bus::open`].
    pub async fn look(config: &BusConfig, services: &[(&str, &[&str])]) -> Result<String, BusError> {
        match Self::reach(config).await?.engine {
            Engine::Local(_) => Ok("inside the process".to_owned()),
            Engine::Nats(nats) => nats.look().await,
            Engine::Rabbit(rabbit) => rabbit.look(services).await,
        }
    }

    /// Which it is.
    #[must_use]
    pub fn kind(&self) -> BusKind {
        match &self.engine {
            Engine::Local(_) => BusKind::Local,
            Engine::Nats(_) => BusKind::Nats,
            Engine::Rabbit(_) => BusKind::RabbitMq,
        }
    }

    /// Makes room on the broker for each of these services and the events it wants, so that what is told before a service has
    /// ever run is kept for it. Changes nothing where it was done before.
    ///
    /// # Errors
    /// What the broker says, for example that a queue of that name is there and of another kind.
    pub async fn declare(&self, services: &[(&str, &[&str])]) -> Result<(), BusError> {
        match &self.engine {
            Engine::Local(_) => Ok(()),
            Engine::Nats(nats) => nats.declare().await,
            Engine::Rabbit(rabbit) => rabbit.declare(services).await,
        }
    }

    /// Asks the broker for an answer; returns a few words about it, such as its address.
    ///
    /// # Errors
    /// When it gives none. Meanwhile events wait in the outboxes.
    pub async fn ping(&self) -> Result<String, BusError> {
        match &self.engine {
            Engine::Local(_) => Ok("inside the process".to_owned()),
            Engine::Nats(nats) => nats.ping().await,
            Engine::Rabbit(rabbit) => rabbit.ping().await,
        }
    }

    /// In words, what of its events this service has failed to take in or to hand on for more than a few seconds, in this process.
    #[must_use]
    pub fn trouble(&self, service: &str) -> Option<String> {
        self.troubles.of(service)
    }

    /// Keeps, for [`Bus::trouble`], whether this works.
    pub(crate) fn watch(&self, service: &str, what: &'static str) -> Trouble {
        self.troubles.watch(service, what)
    }

    /// Whether it ends with this process, so that it needs nobody to take in from it.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.engine, Engine::Local(_))
    }

    /// Says whether this service's outbox may hold events that some subscribers have already.
    pub(crate) fn set_behind(&self, service: &str, behind: bool) {
        if let Engine::Local(local) = &self.engine {
            local.set_behind(service, behind);
        }
    }

    /// Whether events may come again to subscribers that have them; known of the bus inside this process alone.
    pub(crate) fn is_behind(&self) -> bool {
        matches!(&self.engine, Engine::Local(local) if local.is_behind())
    }

    /// From now on what these subscriptions want is kept for `db`.
    pub(crate) async fn subscribe(&self, db: &Db, subscriptions: &[Subscription]) {
        if let Engine::Local(local) = &self.engine {
            return local.subscribe(db, subscriptions);
        }
        let events: Vec<_> = subscriptions
            .iter()
            .flat_map(Subscription::events)
            .copied()
            .collect();
        if let Err(error) = self.declare(&[(db.service(), &events)]).await {
            tracing::warn!(service = db.service(), %error, "nothing was made ready on the bus; it will be when events are taken in");
        }
    }

    /// Changes whenever a lost broker was reached again.
    pub(crate) fn links(&self) -> watch::Receiver<u64> {
        match &self.engine {
            // Its sender is gone, so it never changes.
            Engine::Local(_) => watch::channel(0).1,
            Engine::Nats(nats) => nats.links(),
            Engine::Rabbit(rabbit) => rabbit.links(),
        }
    }

    /// One relay's way onto the bus.
    pub(crate) fn publisher(&self) -> Publisher {
        Publisher {
            kind: self.kind(),
            backend: match &self.engine {
                Engine::Local(local) => Backend::Local(local.clone()),
                Engine::Nats(nats) => Backend::Nats(nats.clone()),
                Engine::Rabbit(rabbit) => Backend::Rabbit(rabbit::Publisher::new(rabbit.clone())),
            },
        }
    }

    /// A session that brings a service its events, from behind those it has committed.
    pub(crate) async fn arrivals(&self, inbox: &Inbox) -> Result<Arrivals, BusError> {
        match &self.engine {
            Engine::Local(_) => Err(BusError::Away("the bus inside the process")),
            Engine::Nats(nats) => nats.arrivals(inbox).await.map(Arrivals::Nats),
            Engine::Rabbit(rabbit) => rabbit.arrivals(inbox).await.map(Arrivals::Rabbit),
        }
    }
}

/// Hands the events of one service to the bus.
pub(crate) struct Publisher {
    kind: BusKind,
    backend: Backend,
}

enum Backend {
    Local(LocalBus),
    Nats(Nats),
    Rabbit(rabbit::Publisher),
}

/// An event that the bus will never take, and why.
pub(crate) type Refused = (EventId, String);

impl Publisher {
    /// Returns once the bus has these events for good, each key in this order; all but the ones returned. On an error any of
    /// them may be there: to be called again with the same events.
    pub(crate) async fn publish(
        &mut self,
        source: &str,
        events: &[OutboxRow],
    ) -> Result<Vec<Refused>, BusError> {
        let begun = Instant::now();
        let mut refused = too_long(source, events);
        let others: Vec<OutboxRow>;
        let fitting = if refused.is_empty() {
            events
        } else {
            let is_refused = |event: &&OutboxRow| refused.iter().any(|(id, _)| *id == event.id);
            others = events
                .iter()
                .filter(|event| !is_refused(event))
                .cloned()
                .collect();
            &others
        };
        refused.extend(match &mut self.backend {
            Backend::Local(local) => local.publish(source, fitting).await.map(|()| Vec::new())?,
            Backend::Nats(nats) => nats.publish(source, fitting).await?,
            Backend::Rabbit(rabbit) => rabbit.publish(source, fitting).await?,
        });
        let bus = match self.kind {
            BusKind::Local => "local",
            BusKind::Nats => "nats",
            BusKind::RabbitMq => "rabbitmq",
        };
        metrics::histogram!("stoa_bus_publish_seconds", "bus" => bus).record(begun.elapsed().as_secs_f64());
        metrics::counter!("stoa_bus_published_total", "bus" => bus)
            .increment((events.len() - refused.len()) as u64);
        Ok(refused)
    }
}

/// Those that no subscriber could keep: an older version has written them.
fn too_long(source: &str, events: &[OutboxRow]) -> Vec<Refused> {
    let refused = events.iter().filter_map(|event| {
        let parts = Parts {
            name: &event.name,
            key: Some(&event.key),
            source,
            traceparent: event.traceparent.as_deref(),
        };
        parts.check().err().map(|reason| (event.id, reason))
    });
    refused.collect()
}

/// A message as it came.
pub(crate) struct Delivery {
    pub(crate) body: Bytes,
    /// Where it came from, in words.
    pub(crate) origin: String,
    receipt: Receipt,
}

/// What its broker knows a message by.
enum Receipt {
    Nats {
        sequence: u64,
        reply: async_nats::Subject,
    },
    Rabbit(Box<lapin::message::Delivery>),
}

/// A service's session with a broker. Dropped, what was not settled comes again, in the same order.
pub(crate) enum Arrivals {
    Nats(nats::Arrivals),
    Rabbit(rabbit::Arrivals),
}

impl Arrivals {
    /// Waits for messages and takes what is there, in order. Nothing is lost when this is dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        match self {
            Self::Nats(nats) => nats.next().await,
            Self::Rabbit(rabbit) => rabbit.next().await,
        }
    }

    /// Where the batch ends, if the bus numbers its events.
    pub(crate) fn position(&self, batch: &[Delivery]) -> Option<Position> {
        match self {
            Self::Nats(nats) => nats.position(batch),
            Self::Rabbit(_) => None,
        }
    }

    /// Tells the broker that the batch is kept; `readable` says of each message whether it was an event.
    pub(crate) async fn settle(&mut self, batch: &[Delivery], readable: &[bool]) -> Result<(), BusError> {
        match self {
            Self::Nats(nats) => nats.settle(batch).await,
            Self::Rabbit(_) => rabbit::settle(batch, readable).await,
        }
    }

    /// Ends the session in order.
    pub(crate) async fn close(self) {
        if let Self::Rabbit(rabbit) = self {
            rabbit.close().await;
        }
    }
}
