//! Names to addresses, and of these only those that may be called.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    vec,
};

use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::Semaphore;
use tower::Service;

use crate::{UrlError, address::Networks};

/// Names that are asked for at once. The system's resolver takes a thread for each, for as long as a name server lets it wait.
const LOOKUPS: usize = 64;
/// Addresses of one name that are tried.
const MOST: usize = 8;

/// What a name resolves to, now. Another than the system's is for tests.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Resolves, and filters.
#[derive(Clone)]
pub(crate) struct Resolver {
    networks: Arc<Networks>,
    lookup: Lookup,
}

impl Resolver {
    pub(crate) fn new(networks: Networks, lookup: Lookup) -> Self {
        Self {
            networks: Arc::new(networks),
            lookup,
        }
    }

    /// The addresses of this name that may be called. A name that is not known and one whose addresses are refused fail alike, for
    /// nobody is to learn the names of an inner network.
    pub(crate) async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = (self.lookup)(name.to_owned()).await.unwrap_or_else(|error| {
            tracing::debug!(name, %error, "a name was not resolved");
            Vec::new()
        });
        let permitted: Vec<_> = found
            .iter()
            .copied()
            .filter(|address| self.networks.permits(*address))
            .take(MOST)
            .collect();
        if permitted.is_empty() {
            if !found.is_empty() {
                tracing::info!(name, "a name leads to addresses that may not be called");
            }
            return Err(io::Error::other(UrlError::Host));
        }
        Ok(permitted)
    }

    /// Refuses an address that stands in the place of a name, for which nobody asks the resolver.
    pub(crate) fn check(&self, address: IpAddr) -> io::Result<()> {
        if self.networks.permits(address) {
            Ok(())
        } else {
            Err(io::Error::other(UrlError::Host))
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("networks", &self.networks)
            .finish_non_exhaustive()
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.resolve(name.as_str()).await?;
            let found: Vec<_> = found
                .into_iter()
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            Ok(found.into_iter())
        })
    }
}

/// As the system does.
pub(crate) fn system() -> Lookup {
    let lookups = Arc::new(Semaphore::new(LOOKUPS));
    Arc::new(move |name| {
        let lookups = Arc::clone(&lookups);
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            // In a task of its own, so that the permit is kept for as long as the thread is, also when the caller has left.
            let looking = tokio::spawn(async move {
                let _permit = permit;
                let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            });
            looking.await.map_err(io::Error::other)?
        })
    })
}
