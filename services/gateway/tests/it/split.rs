//! Two shapes of processes on sockets: a gateway, and replicas of a service behind it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use stoa_edge::{Draining, Edge, ServerLimits, ServerOptions, serve_with};
use stoa_gateway::{GatewayConfig, RemoteRoutes, Upstreams};
use stoa_tls::Mutual;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::{HttpMethod, OpenApi, PathItem, path::Operation};

use crate::story::{Answer, config, story_with};

/// Quick checks, so that tests do not wait.
const QUICK: &str = "upstream.check_every = \"100ms\"\nupstream.connect_timeout = \"2s\"\n\
                     rate_limit.per_address = \"off\"\n";

/// How long a stop waits for requests and sockets.
pub(crate) const GRACE: Duration = Duration::from_secs(3);

/// A process that listens.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    pub(crate) draining: Draining,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Process {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// As a process does that is told to stop and knows that it is balanced: drains first.
    pub(crate) async fn stop_gently(self) {
        self.draining.begin();
        tokio::time::sleep(Duration::from_millis(1000)).await;
        self.stop().await;
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(10), self.server)
            .await
            .unwrap()
            .unwrap();
    }

    /// At once, whatever is under way.
    pub(crate) async fn kill(self) {
        self.server.abort();
        let _ = self.server.await;
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of its own and reads until it is closed or silent.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes).await;
        silence(&mut stream).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    pub(crate) async fn send(&self, request: http::request::Builder) -> Answer {
        self.send_body(request, Body::empty()).await
    }

    pub(crate) async fn send_body(&self, request: http::request::Builder, body: impl Into<Body>) -> Answer {
        read(self.open(request, body).await).await
    }

    /// The head of an answer, whose body is still to come.
    pub(crate) async fn open(
        &self,
        request: http::request::Builder,
        body: impl Into<Body>,
    ) -> Response<hyper::body::Incoming> {
        let mut client = client(self.address).await;
        let mut request = request.body(body.into()).unwrap();
        let host = || HeaderValue::try_from(self.address.to_string()).unwrap();
        request.headers_mut().entry(header::HOST).or_insert_with(host);
        client.send_request(request).await.unwrap()
    }
}

/// A connection to send requests on.
pub(crate) async fn client(address: SocketAddr) -> http1::SendRequest<Body> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

pub(crate) async fn read(response: Response<hyper::body::Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = timeout(Duration::from_secs(10), body.collect()).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.unwrap().to_bytes(),
    }
}

/// What comes until there is nothing for a while.
pub(crate) async fn silence(stream: &mut TcpStream) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(Ok(count @ 1..)) = timeout(Duration::from_millis(500), stream.read(&mut buffer)).await {
        bytes.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A replica of a service, behind a gateway on this machine.
pub(crate) async fn replica(router: Router) -> Process {
    replica_at("127.0.0.1:0".parse().unwrap(), router).await
}

pub(crate) async fn replica_at(address: SocketAddr, router: Router) -> Process {
    let draining = Draining::default();
    let ready = draining.clone();
    let ready = get(async move || {
        if ready.has_begun() {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        }
    });
    let edge = story_with(
        "max_json = 4194304\ntrusted_proxies = [\"127.0.0.0/8\"]\ncors.origins = [\"https://app.example\"]",
        |parts| {
            parts.router = std::mem::take(&mut parts.router)
                .merge(router)
                .route("/health/ready", ready);
            parts.behind_gateway = true;
            parts.draining = draining.clone();
        },
    );
    listen(address, edge.edge, draining, ServerOptions::default()).await
}

/// A gateway in front of replicas, which serves nothing itself.
pub(crate) async fn gateway(settings: &str, replicas: &[&Process]) -> Process {
    let urls: Vec<_> = replicas.iter().map(|replica| replica.url()).collect();
    gateway_to(settings, &urls).await
}

pub(crate) async fn gateway_to(settings: &str, urls: &[String]) -> Process {
    gateway_with(settings, urls, None).await
}

/// A gateway that has these certificates for replicas at https.
pub(crate) async fn gateway_with(settings: &str, urls: &[String], peers: Option<&Arc<Mutual>>) -> Process {
    gateway_on(2, settings, urls, peers).await
}

/// A gateway with so many threads that drive connections.
pub(crate) async fn gateway_on(
    threads: usize,
    settings: &str,
    urls: &[String],
    peers: Option<&Arc<Mutual>>,
) -> Process {
    let options = ServerOptions {
        threads,
        ..ServerOptions::default()
    };
    let edge = edge_to(settings, urls, peers);
    listen("127.0.0.1:0".parse().unwrap(), edge, Draining::default(), options).await
}

/// A gateway that takes so many connections of one address.
pub(crate) async fn gateway_limited(connections_per_address: usize, replicas: &[&Process]) -> Process {
    let urls: Vec<_> = replicas.iter().map(|replica| replica.url()).collect();
    let options = ServerOptions {
        limits: ServerLimits {
            connections_per_address,
            ..ServerLimits::default()
        },
        ..ServerOptions::default()
    };
    let edge = edge_to("", &urls, None);
    listen("127.0.0.1:0".parse().unwrap(), edge, Draining::default(), options).await
}

fn edge_to(settings: &str, urls: &[String], peers: Option<&Arc<Mutual>>) -> Edge {
    let settings = format!("{QUICK}upstreams.shop = {urls:?}\n{settings}");
    let story = story_with(&settings, |parts| {
        let paths = described();
        let upstreams = Upstreams::new(&config::<GatewayConfig>(&settings), peers).unwrap();
        parts.tunnels = upstreams.tunnels();
        parts.forwarded = upstreams.routes(vec![RemoteRoutes {
            service: "shop",
            paths: paths
                .paths
                .paths
                .keys()
                .cloned()
                .chain(["/anything/{*rest}".into(), "/ws".into()])
                .collect(),
        }]);
        parts.unlisted = vec!["/anything/{*rest}".into(), "/ws".into()];
        parts.openapi = paths;
        parts.router = Router::new();
    });
    story.edge
}

/// What the description of the service offers.
fn described() -> OpenApi {
    let mut openapi = OpenApi::default();
    for (path, methods) in [
        ("/plain", vec![HttpMethod::Get]),
        ("/things/{id}", vec![HttpMethod::Get, HttpMethod::Put]),
        ("/echo", vec![HttpMethod::Post, HttpMethod::Put]),
        ("/long", vec![HttpMethod::Get]),
        ("/own", vec![HttpMethod::Get]),
        ("/facts", vec![HttpMethod::Get]),
        ("/me", vec![HttpMethod::Get]),
        ("/count", vec![HttpMethod::Post]),
        ("/slow", vec![HttpMethod::Get]),
        ("/page", vec![HttpMethod::Get]),
    ] {
        openapi.paths.paths.insert(
            path.into(),
            PathItem::from_http_methods(methods, Operation::new()),
        );
    }
    openapi
}

async fn listen(address: SocketAddr, edge: Edge, draining: Draining, options: ServerOptions) -> Process {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve_with(listener, edge, stop.clone(), GRACE, options));
    Process {
        address,
        draining,
        stop,
        server,
    }
}

/// A server that says what it is told to: each connection is handed to `serve`.
pub(crate) async fn bare<F, Fut>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Reads a request's head.
pub(crate) async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A body that goes out piece by piece.
pub(crate) fn pieces(pieces: Vec<&'static str>) -> Body {
    let pieces = pieces
        .into_iter()
        .map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
    Body::from_stream(futures::stream::iter(pieces))
}
