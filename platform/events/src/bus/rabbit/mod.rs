//! RabbitMQ: a topic exchange for each kind of thing, a queue for each service.

mod arrivals;
mod link;
mod publish;
mod topology;

use std::sync::Arc;

use lapin::{Channel, Connection, uri::AMQPUri};
use tokio::sync::watch;
use url::Url;

use super::{BusConfig, BusError, PATIENCE, names::Names};
use crate::inbox::Inbox;
use link::Link;
use topology::Topology;

pub(super) use arrivals::{Arrivals, settle};
pub(super) use publish::Publisher;

const RABBIT: &str = "RabbitMQ";
/// Seconds after which a silent connection counts as lost, unless the address says otherwise.
const HEARTBEAT: u16 = 10;

#[derive(Clone)]
pub(super) struct Rabbit(Arc<Shared>);

struct Shared {
    link: Link,
    topology: Topology,
    address: String,
}

impl Rabbit {
    pub(super) async fn open(config: &BusConfig, url: &Url) -> Result<Self, BusError> {
        let address = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port()
                .unwrap_or(if url.scheme() == "amqps" { 5671 } else { 5672 })
        );
        let mut uri: AMQPUri = config.url.parse().map_err(BusError::Url)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        if uri.vhost.is_empty() {
            // Nobody means the virtual host without a name.
            "/".clone_into(&mut uri.vhost);
        }
        Ok(Self(Arc::new(Shared {
            link: Link::open(uri, &address).await?,
            topology: Topology::new(Names::new(&config.prefix)),
            address,
        })))
    }

    pub(super) fn links(&self) -> watch::Receiver<u64> {
        self.0.link.made()
    }

    pub(super) async fn declare(&self, services: &[(&str, &[&str])]) -> Result<(), BusError> {
        self.0.topology.know(services);
        let channel = self.channel().await?;
        let declared = within("to a declaration", self.0.topology.declare(&channel)).await;
        close(&channel).await;
        declared
    }

    pub(super) async fn ping(&self) -> Result<String, BusError> {
        let channel = self.channel().await?;
        let blocked = self.0.link.connection()?.status().blocked();
        close(&channel).await;
        if blocked {
            return Err(broker("it takes nothing: out of memory or disk"));
        }
        Ok(self.0.address.clone())
    }

    /// The server, and which of the services' queues are there.
    pub(super) async fn look(&self, services: &[(&str, &[&str])]) -> Result<String, BusError> {
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for (service, _) in services.iter().filter(|(_, events)| !events.is_empty()) {
            // One that is missing takes the channel with it.
            let channel = self.channel().await?;
            let name = self.0.topology.names().inbox(service);
            match within("to a question", topology::depth(&channel, &name)).await? {
                Some(messages) => there.push(format!("queue {name} with {messages} messages")),
                None => missing.push(name),
            }
            close(&channel).await;
        }
        let mut found = format!("RabbitMQ at {}", self.ping().await?);
        for queue in there {
            found = format!("{found}, {queue}");
        }
        if !missing.is_empty() {
            found = format!(
                "{found}; no queue {} yet, `stoa serve` makes it",
                missing.join(", ")
            );
        }
        Ok(found)
    }

    pub(super) async fn arrivals(&self, inbox: &Inbox) -> Result<Arrivals, BusError> {
        let service = inbox.db().service();
        self.0.topology.know(&[(service, &inbox.events())]);
        let topology = &self.0.topology;
        let mut links = self.links();
        links.mark_unchanged();
        let channel = self.channel().await?;
        let mut arrivals = Arrivals::new(channel.clone(), topology.names().inbox(service), links);
        within("to a declaration", topology.declare_service(&channel, service)).await?;
        within("to a consumer", arrivals.begin()).await?;
        Ok(arrivals)
    }

    async fn channel(&self) -> Result<Channel, BusError> {
        let connection: Arc<Connection> = self.0.link.connection()?;
        within("to a new channel", async {
            connection.create_channel().await.map_err(broken)
        })
        .await
    }
}

/// Waits no longer than a broker may take.
async fn within<T>(what: &str, answer: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap_or_else(|_| Err(broker(format!("no answer in time {what}"))))
}

/// As good as it goes: dropped, a channel is closed too.
async fn close(channel: &Channel) {
    let _ = tokio::time::timeout(PATIENCE, channel.close(200, "done".into())).await;
}

fn broker(reason: impl Into<String>) -> BusError {
    BusError::Broker {
        broker: RABBIT,
        reason: reason.into(),
    }
}

fn broken(error: lapin::Error) -> BusError {
    if error.is_io_error() {
        return BusError::Away(RABBIT);
    }
    broker(error.to_string())
}
