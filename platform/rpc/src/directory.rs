//! Which service is reached how.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::RwLock;
use tonic::{
    service::Routes,
    transport::{self, Endpoint},
};

use crate::{channel::Channel, routes};

/// A service's gRPC side: its routes and its compiled contract, for reflection.
#[derive(Clone)]
pub struct Server {
    /// tonic's routes.
    pub routes: Routes,
    /// Encoded `FileDescriptorSet`.
    pub descriptors: &'static [u8],
    /// Full names for health, such as `stoa.auth.v1.Access`.
    pub names: Vec<&'static str>,
}

/// The address of a service cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RpcError(pub String);

/// Which service is reached how. Filled by the composition root; a channel taken before its service is set waits for
/// nothing: it answers `unavailable` until then. Cheap to clone; clones share everything.
#[derive(Clone, Default)]
pub struct Directory(Arc<RwLock<HashMap<&'static str, Arc<Slot>>>>);

/// One service's place in the directory, which its channels hold.
pub(crate) struct Slot {
    pub(crate) name: &'static str,
    place: RwLock<Option<Place>>,
}

enum Place {
    Here(Server),
    There(Box<Remote>),
}

/// Where to send a call now.
pub(crate) enum Target {
    Local(Routes),
    Remote(transport::Channel),
}

/// Connects at the first call, as it needs a runtime to do so.
struct Remote {
    endpoint: Endpoint,
    channel: OnceLock<transport::Channel>,
}

impl Directory {
    /// A directory that knows nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The way to `service`, wherever it is said to run, now or later.
    #[must_use]
    pub fn channel(&self, service: &'static str) -> Channel {
        Channel(self.slot(service))
    }

    /// The service runs in this process.
    pub fn set_local(&self, service: &'static str, mut server: Server) {
        server.routes = server.routes.prepare();
        self.slot(service).set(Place::Here(server));
    }

    /// The service runs at `url` (`http://host:port`). It is connected to when first called, and again when the
    /// connection is lost.
    ///
    /// # Errors
    /// When the address is no such URL.
    pub fn set_remote(&self, service: &'static str, url: &str) -> Result<(), RpcError> {
        let remote = Remote {
            endpoint: endpoint(url)?,
            channel: OnceLock::new(),
        };
        self.slot(service).set(Place::There(Box::new(remote)));
        Ok(())
    }

    /// All local servers with health and reflection, to be served on the internal listener.
    pub fn serve_routes(&self) -> axum::Router {
        let slots: Vec<_> = self.0.read().values().cloned().collect();
        routes::of(slots.iter().filter_map(|slot| slot.server()).collect())
    }

    fn slot(&self, service: &'static str) -> Arc<Slot> {
        let new = || {
            Arc::new(Slot {
                name: service,
                place: RwLock::new(None),
            })
        };
        self.0.write().entry(service).or_insert_with(new).clone()
    }
}

impl Slot {
    fn set(&self, place: Place) {
        *self.place.write() = Some(place);
    }

    fn server(&self) -> Option<Server> {
        match &*self.place.read() {
            Some(Place::Here(server)) => Some(server.clone()),
            _ => None,
        }
    }

    pub(crate) fn target(&self) -> Option<Target> {
        Some(match self.place.read().as_ref()? {
            Place::Here(server) => Target::Local(server.routes.clone()),
            Place::There(remote) => Target::Remote(
                remote
                    .channel
                    .get_or_init(|| remote.endpoint.connect_lazy())
                    .clone(),
            ),
        })
    }
}

fn endpoint(url: &str) -> Result<Endpoint, RpcError> {
    let wrong = || {
        RpcError(format!(
            "'{url}' is not the address of a service; write http://host:port"
        ))
    };
    let uri: http::Uri = url.parse().map_err(|_| wrong())?;
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) || !bare {
        return Err(wrong());
    }
    Ok(Endpoint::from(uri)
        .connect_timeout(Duration::from_secs(2))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true))
}
