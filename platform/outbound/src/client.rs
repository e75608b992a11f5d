//! The client.

use std::{
    error::Error,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Builder, Client},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    Lookup, OutboundConfig, OutboundError, Target, UrlError,
    connect::Connector,
    io::Count,
    resolve::{Resolver, system},
    tls,
    url::Rules,
};

/// How long a connection that is not used is kept.
const IDLE: Duration = Duration::from_secs(15);
/// Connections to one host that are kept while they are not used.
const IDLE_PER_HOST: usize = 4;
/// Connections beyond which none is kept after its request.
const MOST_KEPT: usize = 512;
/// The longest head of an answer, in bytes, and the most fields of it.
const HEAD: usize = 64 * 1024;
const FIELDS: usize = 100;
/// The longest that a request waits for a turn.
const TURN: Duration = Duration::from_secs(10);
/// How long the name of a URL that is to be saved may take to resolve.
const CHECK: Duration = Duration::from_secs(3);

/// Calls addresses that users give. Cheap to clone; clones share connections and limits.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>, Arc<Semaphore>);

struct Inner {
    rules: Rules,
    resolver: Resolver,
    tls: Arc<rustls::ClientConfig>,
    connect_timeout: Duration,
    concurrency: usize,
    count: Count,
    /// Made by the first request, which needs a runtime.
    client: OnceLock<Client<Connector, Full<Bytes>>>,
}

/// What is to be sent.
#[derive(Debug)]
pub struct Request<'a> {
    /// Such as `POST`.
    pub method: Method,
    /// Where to, as [`Outbound::check_url`] takes it.
    pub url: &'a str,
    /// Besides `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Bytes,
    /// How long connecting, sending, and reading the answer may take together. Before that it waits for a turn:
    /// as long at most, and ten seconds at most.
    pub timeout: Duration,
    /// Most bytes that are read of the answer's body.
    pub max_body: usize,
}

/// What came back. A redirect is an answer as any other.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, or the beginning of it.
    pub body: Bytes,
    /// Whether there was, or may have been, more of the body than was read.
    pub truncated: bool,
}

impl Outbound {
    /// As the settings say.
    ///
    /// # Errors
    /// [`OutboundError::Settings`] when they cannot be used.
    pub fn new(config: &OutboundConfig) -> Result<Self, OutboundError> {
        Self::with_lookup(config, system())
    }

    /// With another resolver than the system's. What it answers is filtered all the same. For tests.
    ///
    /// # Errors
    /// As [`Outbound::new`].
    pub fn with_lookup(config: &OutboundConfig, lookup: Lookup) -> Result<Self, OutboundError> {
        let networks = config.networks()?;
        let inner = Inner {
            resolver: Resolver::new(networks.clone(), lookup),
            rules: Rules::new(config, networks),
            tls: tls::config(&config.ca)?,
            connect_timeout: config.connect_timeout.0,
            concurrency: config.concurrency,
            count: Count::default(),
            client: OnceLock::new(),
        };
        Ok(Self(
            Arc::new(inner),
            Arc::new(Semaphore::new(config.concurrency)),
        ))
    }

    /// The same with a limit of its own on requests at once: whom one service calls, and who does not answer, does not keep the requests of
    /// another from being sent.
    #[must_use]
    pub fn apart(&self) -> Self {
        let turns = Semaphore::new(self.0.concurrency);
        Self(Arc::clone(&self.0), Arc::new(turns))
    }

    /// Looks at a URL that a user gives, without asking anybody.
    ///
    /// # Errors
    /// Why it is refused, in words for the user.
    pub fn check_url(&self, url: &str) -> Result<Target, UrlError> {
        self.0.rules.check(url)
    }

    /// Looks whether the name in it leads to an address that may be called, now. Each request looks again. A name server that does
    /// not answer is no reason to refuse.
    ///
    /// # Errors
    /// [`UrlError::Host`].
    pub async fn check_host(&self, target: &Target) -> Result<(), UrlError> {
        let Some(name) = target.name() else { return Ok(()) };
        match timeout(CHECK, self.0.resolver.resolve(name)).await {
            Ok(Err(_)) => Err(UrlError::Host),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    /// Sends a request once, and reads the answer.
    ///
    /// # Errors
    /// When the address may not be called, or there is no whole answer; [`OutboundError::Busy`] when no turn was to be had, which
    /// says nothing about the address.
    pub async fn send(&self, request: Request<'_>) -> Result<Response, OutboundError> {
        let target = self.check_url(request.url)?;
        let (limit, max_body) = (request.timeout, request.max_body);
        let turn = self.turn(limit).await?;
        let exchange = async {
            let mut answer = self.head(target, request, turn).await?;
            answer.read(max_body).await?;
            Ok(answer.end())
        };
        timeout(limit, exchange)
            .await
            .unwrap_or(Err(OutboundError::Timeout(limit)))
    }

    /// Sends a request once, for the status of the answer and its headers. Of the body there is what comes within `body_time`; where that is
    /// not all of it, or it breaks off, it is truncated, and the answer counts nonetheless.
    ///
    /// # Errors
    /// When the address may not be called, or there is no answer; [`OutboundError::Busy`] as in [`Outbound::send`].
    pub async fn send_for_status(
        &self,
        request: Request<'_>,
        body_time: Duration,
    ) -> Result<Response, OutboundError> {
        let target = self.check_url(request.url)?;
        let (limit, max_body) = (request.timeout, request.max_body);
        let turn = self.turn(limit).await?;
        let end = Instant::now() + limit;
        let head = timeout_at(end, self.head(target, request, turn)).await;
        let mut answer = head.unwrap_or(Err(OutboundError::Timeout(limit)))?;
        let until = end.min(Instant::now() + body_time);
        if !matches!(timeout_at(until, answer.read(max_body)).await, Ok(Ok(()))) {
            answer.truncated = true;
        }
        Ok(answer.end())
    }

    /// Waits for a turn. That is no part of the request's own time: what others took is not counted against whom this one asks.
    async fn turn(&self, limit: Duration) -> Result<SemaphorePermit<'_>, OutboundError> {
        match timeout(limit.min(TURN), self.1.acquire()).await {
            Ok(turn) => turn.map_err(|_| OutboundError::Broken("the client was closed".to_owned())),
            Err(_) => Err(OutboundError::Busy),
        }
    }

    /// Sends a request, and reads the head of the answer.
    async fn head<'a>(
        &self,
        target: Target,
        request: Request<'_>,
        turn: SemaphorePermit<'a>,
    ) -> Result<Answer<'a>, OutboundError> {
        let made = self.made(target, request)?;
        let answer = self.client().request(made).await;
        let (head, body) = answer.map_err(|error| in_words(&error))?.into_parts();
        Ok(Answer {
            head,
            body,
            read: BytesMut::new(),
            truncated: false,
            _turn: turn,
        })
    }

    /// The connections that are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.count.get()
    }

    fn made(
        &self,
        target: Target,
        request: Request<'_>,
    ) -> Result<http::Request<Full<Bytes>>, OutboundError> {
        let mut made = http::Request::new(Full::new(request.body));
        *made.method_mut() = request.method;
        *made.uri_mut() = target.uri;
        *made.headers_mut() = request.headers;
        if self.connections() >= MOST_KEPT {
            let close = HeaderValue::from_static("close");
            made.headers_mut().insert(header::CONNECTION, close);
        }
        if made.headers().contains_key(header::HOST) {
            return Err(OutboundError::Request("the host follows from the URL".to_owned()));
        }
        Ok(made)
    }

    fn client(&self) -> &Client<Connector, Full<Bytes>> {
        let inner = &*self.0;
        inner.client.get_or_init(|| {
            let (resolver, tls) = (inner.resolver.clone(), Arc::clone(&inner.tls));
            let connector = Connector::new(resolver, tls, inner.connect_timeout, inner.count.clone());
            Builder::new(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(IDLE_PER_HOST)
                .http1_max_buf_size(HEAD)
                .http1_max_headers(FIELDS)
                .build(connector)
        })
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}

/// An answer whose body is being read.
struct Answer<'a> {
    head: response::Parts,
    body: Incoming,
    read: BytesMut,
    truncated: bool,
    _turn: SemaphorePermit<'a>,
}

impl Answer<'_> {
    /// Reads up to `max_body` bytes of the body. Where it is dropped meanwhile, what was read so far is there.
    async fn read(&mut self, max_body: usize) -> Result<(), OutboundError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| OutboundError::Broken(plain(&error)))?;
            let Some(data) = frame.data_ref() else { continue };
            let room = max_body - self.read.len();
            self.read.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                // The rest is not read, and with it ends the connection.
                self.truncated = true;
                break;
            }
        }
        Ok(())
    }

    fn end(self) -> Response {
        Response {
            status: self.head.status,
            headers: self.head.headers,
            body: self.read.freeze(),
            truncated: self.truncated,
        }
    }
}

/// What went wrong, for the person who gave the URL.
fn in_words(error: &hyper_util::client::legacy::Error) -> OutboundError {
    let causes = || std::iter::successors(error.source(), |&cause| cause.source());
    for cause in causes() {
        if let Some(refused) = inner::<UrlError>(cause) {
            return (*refused).into();
        }
        if let Some(known) = inner::<OutboundError>(cause) {
            return known.clone();
        }
        if let Some(tls) = inner::<rustls::Error>(cause) {
            return OutboundError::Tls(tls.to_string());
        }
    }
    let last = causes().last().map_or_else(|| error.to_string(), plain);
    if error.is_connect() {
        OutboundError::Connect(last)
    } else {
        OutboundError::Broken(last)
    }
}

/// The error itself, or what an I/O error is made of, which may be another.
fn inner<'a, E: Error + 'static>(cause: &'a (dyn Error + 'static)) -> Option<&'a E> {
    cause.downcast_ref().or_else(|| {
        let io = cause.downcast_ref::<std::io::Error>()?;
        inner(io.get_ref()?)
    })
}

/// Without "(os error 111)", which says nothing to its reader.
fn plain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&cause| cause.source());
    let text = causes.last().map_or_else(String::new, ToString::to_string);
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_lowercase(),
        None => text,
    }
}
