//! Which service is reached how.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use stoa_tls::Mutual;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{channel::Channel, listener, remote::Remote, routes};

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

/// How services of other processes are reached, and reach those of this one.
#[derive(Clone, Default)]
pub struct RpcOptions {
    /// The certificate that this process shows, and the authority that those of the others come from. None: no TLS.
    pub tls: Option<Arc<Mutual>>,
}

/// Which service is reached how. Filled by the composition root; a channel taken before its service is set waits for
/// nothing: it answers `unavailable` until then. Cheap to clone; clones share everything.
#[derive(Clone, Default)]
pub struct Directory(Arc<RwLock<HashMap<&'static str, Arc<Slot>>>>);

/// One service's place in the directory, which its channels hold.
pub(crate) struct Slot {
    pub(crate) name: &'static str,
    location: RwLock<Option<Location>>,
}

enum Location {
    Local(Server),
    Remote(Arc<Remote>),
}

/// Where to send a call now.
pub(crate) enum Target {
    Local(Routes),
    Remote(Arc<Remote>),
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
        self.slot(service).set(Location::Local(server));
    }

    /// The service runs at `urls`: `http://host:port`, or `https://host:port` if `options` have TLS. Each address of each
    /// host is a replica; the names of hosts are looked up again every few seconds. Replicas are connected to when the
    /// service is first called, and again when a connection is lost.
    ///
    /// # Errors
    /// When one is no such URL, or there is none.
    pub fn set_remote<U: AsRef<str>>(
        &self,
        service: &'static str,
        urls: &[U],
        options: &RpcOptions,
    ) -> Result<(), RpcError> {
        let urls: Vec<_> = urls.iter().map(AsRef::as_ref).collect();
        let remote = Remote::new(service, &urls, options)?;
        self.slot(service).set(Location::Remote(Arc::new(remote)));
        Ok(())
    }

    /// All local servers with health and reflection, to be served on the internal listener.
    pub fn serve_routes(&self) -> axum::Router {
        let slots: Vec<_> = self.0.read().values().cloned().collect();
        routes::of(slots.iter().filter_map(|slot| slot.server()).collect())
    }

    /// Serves [`Self::serve_routes`] on `listener` until `stop`, then finishes the calls under way.
    ///
    /// With TLS only callers are served that show a certificate of the authority in `options`.
    pub async fn serve(&self, listener: TcpListener, options: &RpcOptions, stop: CancellationToken) {
        listener::serve(listener, self.serve_routes(), options.tls.clone(), stop).await;
    }

    fn slot(&self, service: &'static str) -> Arc<Slot> {
        let new = || {
            Arc::new(Slot {
                name: service,
                location: RwLock::new(None),
            })
        };
        self.0.write().entry(service).or_insert_with(new).clone()
    }
}

impl Slot {
    fn set(&self, location: Location) {
        *self.location.write() = Some(location);
    }

    fn server(&self) -> Option<Server> {
        match &*self.location.read() {
            Some(Location::Local(server)) => Some(server.clone()),
            _ => None,
        }
    }

    pub(crate) fn target(&self) -> Option<Target> {
        Some(match self.location.read().as_ref()? {
            Location::Local(server) => Target::Local(server.routes.clone()),
            Location::Remote(remote) => Target::Remote(Arc::clone(remote)),
        })
    }
}
