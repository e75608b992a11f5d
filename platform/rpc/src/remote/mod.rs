//! A service that runs elsewhere, in one or more replicas.

mod body;
mod confirmed;
mod failure;
mod replica;
mod service_url;

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Request, Response, header::USER_AGENT, request::Parts, uri::Scheme};
use hyper::client::conn::http2::SendRequest;
use parking_lot::RwLock;
use stoa_tls::Mutual;
use tokio::{
    sync::{Notify, OnceCell},
    time::{Instant, sleep, sleep_until},
};
use tonic::{Status, body::Body};

use self::{
    body::Gathered,
    replica::{Availability, Replica},
    service_url::ServiceUrl,
};
use crate::{RpcError, RpcOptions};

/// Names of hosts are looked up again so often: replicas come and go.
const LOOK_UP: Duration = Duration::from_secs(5);
/// A call that nobody has taken is sent again so often.
const AGAIN: u32 = 2;
/// While nobody can be reached, a call waits so long for the next try to connect; past that it is told at once.
const PATIENCE: Duration = Duration::from_millis(500);

/// A service that runs elsewhere.
pub(crate) struct Remote(Arc<Pool>);

struct Pool {
    service: &'static str,
    urls: Vec<Arc<ServiceUrl>>,
    tls: Option<Arc<Mutual>>,
    replicas: RwLock<Arc<[Arc<Replica>]>>,
    /// Whose turn it is.
    turn: AtomicUsize,
    changed: Arc<Notify>,
    looked_up: OnceCell<()>,
}

/// Refuses what cannot be the address of a service.
pub(crate) fn check_url(url: &str, tls: bool) -> Result<(), RpcError> {
    ServiceUrl::parse(url, tls).map(drop)
}

impl Remote {
    /// Needs no runtime; nothing is connected to before the first call.
    pub(crate) fn new(service: &'static str, urls: &[&str], options: &RpcOptions) -> Result<Self, RpcError> {
        if urls.is_empty() {
            return Err(RpcError(format!("no address is given for service '{service}'")));
        }
        let tls = options.tls.clone();
        let urls = urls
            .iter()
            .map(|url| ServiceUrl::parse(url, tls.is_some()))
            .collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(Pool {
            service,
            urls,
            tls,
            replicas: RwLock::new(Arc::new([])),
            turn: AtomicUsize::new(0),
            changed: Arc::default(),
            looked_up: OnceCell::new(),
        })))
    }

    /// Sends a call to a replica that is connected, each in turn; to another if it was not taken. See [`failure`] for how
    /// that is known.
    pub(crate) async fn call(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let pool = &self.0;
        pool.looked_up.get_or_try_init(|| pool.begin()).await?;
        let (parts, body) = request.into_parts();
        let mut body = Gathered::of(body);
        let mut left = AGAIN;
        loop {
            let (service_url, mut sender) = pool.sender(&mut left).await?;
            let copy = body.again();
            let sent = sender.try_send_request(addressed(&parts, &service_url, body, self.0.tls.is_some()));
            let mut error = match sent.await {
                Ok(response) => return Ok(response.map(Body::new)),
                Err(error) => error,
            };
            // Handed back: it never left this process.
            let unsent = error.take_message().map(Request::into_body);
            let error = error.into_error();
            let again = unsent.or_else(|| copy.filter(|_| failure::was_not_taken(&error)));
            match again {
                Some(again) if left > 0 => {
                    left -= 1;
                    body = again;
                    // The connection is about to be known as closed.
                    tokio::task::yield_now().await;
                }
                _ => return Err(failure::status(pool.service, error)),
            }
        }
    }
}

/// The request as it goes to one place.
fn addressed(parts: &Parts, service_url: &ServiceUrl, body: Gathered, tls: bool) -> Request<Gathered> {
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = parts.headers.clone();
    let agent = HeaderValue::from_static(concat!("stoa/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().entry(USER_AGENT).or_insert(agent);
    let mut uri = parts.uri.clone().into_parts();
    uri.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(service_url.authority.clone());
    // A path, a scheme and an authority always make an address.
    *request.uri_mut() = uri.try_into().unwrap_or_default();
    request
}

impl Pool {
    /// Looks the names up for the first time; whoever fails leaves it to the next call.
    async fn begin(self: &Arc<Self>) -> Result<(), Status> {
        let problems = self.look_up().await;
        if self.replicas.read().is_empty() {
            return Err(Status::unavailable(format!(
                "service '{}' cannot be found: {}",
                self.service,
                problems.join("; ")
            )));
        }
        if self
            .urls
            .iter()
            .any(|service_url| service_url.address().is_none())
        {
            tokio::spawn(look_up_again(Arc::downgrade(self)));
        }
        Ok(())
    }

    /// Finds out where the replicas are, and says what could not be. Replicas that are still there keep their connections;
    /// those of a name that cannot be looked up stay.
    async fn look_up(&self) -> Vec<String> {
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        for service_url in &self.urls {
            match service_url.look_up().await {
                Ok(addresses) => found.extend(addresses.into_iter().map(|address| (service_url, address))),
                Err(error) => {
                    problems.push(format!("{}: {error}", service_url.host()));
                    let known = self.replicas.read().clone();
                    let stay = known
                        .iter()
                        .filter(|one| Arc::ptr_eq(&one.service_url, service_url));
                    found.extend(stay.map(|one| (service_url, one.address)));
                }
            }
        }
        let mut seen: HashSet<SocketAddr> = HashSet::new();
        found.retain(|(_, address)| seen.insert(*address));
        let known = self.replicas.read().clone();
        let replicas = found.into_iter().map(|(service_url, address)| {
            let same =
                |one: &&Arc<Replica>| one.address == address && Arc::ptr_eq(&one.service_url, service_url);
            known.iter().find(same).cloned().unwrap_or_else(|| {
                Replica::new(
                    self.service,
                    Arc::clone(service_url),
                    address,
                    self.tls.clone(),
                    Arc::clone(&self.changed),
                )
            })
        });
        *self.replicas.write() = replicas.collect();
        problems
    }

    /// A connection to the replica whose turn it is among those that have one. If none has, waits for the first; tries
    /// again to connect as often as `left` says.
    async fn sender(&self, left: &mut u32) -> Result<(Arc<ServiceUrl>, SendRequest<Gathered>), Status> {
        loop {
            let changed = self.changed.notified();
            let replicas = self.replicas.read().clone();
            let (mut live, mut connecting) = (Vec::with_capacity(replicas.len()), false);
            let (mut next, mut problems) = (None::<Instant>, Vec::new());
            for replica in replicas.iter() {
                match replica.look() {
                    Availability::Live(sender) => live.push((replica, sender)),
                    Availability::Connecting => connecting = true,
                    Availability::Out { until, why } => {
                        next = Some(next.map_or(until, |next| next.min(until)));
                        problems.push(why);
                    }
                }
            }
            if !live.is_empty() {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed) % live.len();
                let (replica, sender) = live.swap_remove(turn);
                return Ok((Arc::clone(&replica.service_url), sender));
            }
            if connecting {
                changed.await;
                continue;
            }
            match next.filter(|next| *left > 0 && next.duration_since(Instant::now()) < PATIENCE) {
                Some(next) => {
                    *left -= 1;
                    sleep_until(next).await;
                }
                None => {
                    return Err(Status::unavailable(format!(
                        "service '{}' cannot be reached: {}",
                        self.service,
                        problems.join("; ")
                    )));
                }
            }
        }
    }
}

async fn look_up_again(pool: Weak<Pool>) {
    let mut known = Vec::new();
    loop {
        sleep(LOOK_UP).await;
        let Some(pool) = pool.upgrade() else { return };
        let problems = pool.look_up().await;
        if !problems.is_empty() && problems != known {
            tracing::warn!(
                service = pool.service,
                problems = problems.join("; "),
                "hosts cannot be looked up; the addresses known stay in use"
            );
        }
        known = problems;
    }
}
