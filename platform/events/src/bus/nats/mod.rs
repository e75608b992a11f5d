//! NATS JetStream: one stream of all events, numbered; each service takes it in from behind its own position.

mod arrivals;
mod publish;

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event,
    connection::State,
    jetstream::{
        Context,
        context::{ContextBuilder, GetStreamErrorKind},
        stream,
    },
};
use parking_lot::Mutex;
use tokio::sync::watch;
use url::Url;

use super::{BusConfig, BusError, PATIENCE, names::Names};

pub(super) use arrivals::Arrivals;

const NATS: &str = "NATS";
/// How long the server knows an event again that is published twice.
const DUPLICATES: Duration = Duration::from_secs(120);
/// Messages on their way that are not yet confirmed, at most.
const IN_FLIGHT: usize = 8192;

#[derive(Clone)]
pub(super) struct Nats(Arc<Shared>);

struct Shared {
    client: Client,
    context: Context,
    links: watch::Receiver<u64>,
    names: Names,
    stream: stream::Config,
    address: String,
    /// Whether the stream has been seen since the connection was last made.
    there: Mutex<u64>,
}

impl Nats {
    pub(super) async fn open(config: &BusConfig, url: &Url) -> Result<Self, BusError> {
        let address = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port().unwrap_or(4222)
        );
        let (client, links) = connect(url, &address).await?;
        let context = ContextBuilder::new()
            .timeout(PATIENCE)
            .ack_timeout(PATIENCE)
            .max_ack_inflight(IN_FLIGHT)
            .backpressure_on_inflight(true)
            .build(client.clone());
        let names = Names::new(&config.prefix);
        let stream = stream_config(config, &names);
        Ok(Self(Arc::new(Shared {
            client,
            context,
            links,
            names,
            stream,
            address,
            there: Mutex::new(0),
        })))
    }

    /// Sees that the stream is there, or makes it.
    pub(super) async fn begin(&self) -> Result<(), BusError> {
        self.declare().await.map_err(|error| BusError::Unreachable {
            broker: NATS,
            address: self.0.address.clone(),
            reason: format!("it has no stream for us, and JetStream must be on: {error}"),
        })
    }

    /// The server, its version, and whether our stream is there.
    pub(super) async fn look(&self) -> Result<String, BusError> {
        match self.0.context.get_stream(self.0.names.stream()).await {
            Ok(_) => Ok(format!(
                "NATS at {} in stream {}",
                self.ping().await?,
                self.0.names.stream()
            )),
            Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(_)) => Ok(format!(
                "NATS at {} version {}; no stream {} yet, `stoa serve` makes it",
                self.0.address,
                self.0.client.server_info().version,
                self.0.names.stream()
            )),
            Err(error) => Err(BusError::Unreachable {
                broker: NATS,
                address: self.0.address.clone(),
                reason: format!("JetStream must be on: {}", chain(&error)),
            }),
        }
    }

    pub(super) fn links(&self) -> watch::Receiver<u64> {
        self.0.links.clone()
    }

    /// Makes the stream, or gives the one that is there our limits. A service needs nothing more: it begins at what the stream keeps.
    pub(super) async fn declare(&self) -> Result<(), BusError> {
        let link = *self.0.links.borrow();
        let made = self.0.context.create_or_update_stream(self.0.stream.clone());
        made.await.map_err(broken)?;
        *self.0.there.lock() = link + 1;
        Ok(())
    }

    /// Once for each connection: a server that lost its disk is given the stream again.
    async fn declare_once(&self) -> Result<(), BusError> {
        if *self.0.there.lock() == *self.0.links.borrow() + 1 {
            return Ok(());
        }
        self.declare().await
    }

    /// To be made again before it is used again.
    fn doubt_stream(&self) {
        *self.0.there.lock() = 0;
    }

    pub(super) async fn ping(&self) -> Result<String, BusError> {
        self.connected()?;
        let info = self.0.context.get_stream(self.0.names.stream());
        let stream = info.await.map_err(broken)?;
        let state = &stream.cached_info().state;
        Ok(format!(
            "{} version {}, {} events kept",
            self.0.address,
            self.0.client.server_info().version,
            state.messages
        ))
    }

    /// The client would keep what it is given for a connection to come; we keep it in the outbox.
    fn connected(&self) -> Result<(), BusError> {
        match self.0.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => Err(BusError::Away(NATS)),
        }
    }
}

async fn connect(url: &Url, address: &str) -> Result<(Client, watch::Receiver<u64>), BusError> {
    let (link, links) = watch::channel(0);
    let mut options = ConnectOptions::new()
        .name("stoa")
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE))
        .ping_interval(Duration::from_secs(10))
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| {
            Duration::from_millis(
                u64::try_from(attempts)
                    .unwrap_or(u64::MAX)
                    .saturating_mul(50)
                    .min(1000),
            )
        })
        .event_callback(move |event| {
            match event {
                Event::Connected => link.send_modify(|number| *number += 1),
                Event::Disconnected => tracing::warn!("NATS is away; events wait in the outboxes"),
                _ => {}
            }
            std::future::ready(())
        });
    // Given apart, for the address stands in messages.
    let decode = |text: &str| percent_decode(text);
    if !url.username().is_empty() {
        let password = url.password().unwrap_or_default();
        options = options.user_and_password(decode(url.username()), decode(password));
    }
    let server = format!("{}://{address}", url.scheme());
    let client = options.connect(server).await.map_err(|error| {
        let reason = match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                "user or password are wrong, or missing".to_owned()
            }
            _ => chain(&error),
        };
        BusError::Unreachable {
            broker: NATS,
            address: address.to_owned(),
            reason,
        }
    })?;
    Ok((client, links))
}

fn percent_decode(text: &str) -> String {
    url::form_urlencoded::parse(format!("={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

fn stream_config(config: &BusConfig, names: &Names) -> stream::Config {
    let bytes = i64::try_from(config.max_mib.saturating_mul(1024 * 1024)).unwrap_or(i64::MAX);
    stream::Config {
        name: names.stream(),
        description: Some("What the services of Stoa tell one another".to_owned()),
        subjects: vec![names.subject(">")],
        storage: stream::StorageType::File,
        retention: stream::RetentionPolicy::Limits,
        // What every subscriber has had goes first. One that was away for longer than the limits allow is told.
        discard: stream::DiscardPolicy::Old,
        max_age: config.max_age.0,
        max_bytes: if bytes == 0 { -1 } else { bytes },
        num_replicas: usize::from(config.replicas),
        duplicate_window: DUPLICATES.min(config.max_age.0),
        ..stream::Config::default()
    }
}

fn broken(error: impl std::error::Error) -> BusError {
    BusError::Broker {
        broker: NATS,
        reason: chain(&error),
    }
}

/// The error and what caused it, unless it says so itself.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
