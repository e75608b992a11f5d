//! An API of a provider for tests: it answers what it is told, and shows what it was asked.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use parking_lot::Mutex;
use stoa_outbound::{Outbound, OutboundConfig};

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `POST /v3/mail/send`.
    pub line: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    /// With this status and body. Status 0: the request is read and never answered.
    #[must_use]
    pub fn new(status: u16, body: impl ToString) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_string(),
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// The server. It ends with the runtime of the test.
#[derive(Clone)]
pub struct FakeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    asked: Mutex<Vec<Asked>>,
    next: Mutex<VecDeque<Answer>>,
    otherwise: Mutex<Answer>,
}

impl FakeApi {
    /// One that answers `otherwise` when nothing else was [asked for](FakeApi::next).
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(otherwise: Answer) -> Self {
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            next: Mutex::default(),
            otherwise: Mutex::new(otherwise),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap_or_else(|e| panic!("cannot listen: {e}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|e| panic!("cannot listen: {e}"));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers one of the next requests so, in order.
    pub fn next(&self, answer: Answer) {
        self.shared.next.lock().push_back(answer);
    }

    /// Answers so from now on when there is nothing else to answer.
    pub fn otherwise(&self, answer: Answer) {
        *self.shared.otherwise.lock() = answer;
    }

    /// What it was asked, oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().clone()
    }
}

/// A client that may call this machine.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn outbound() -> Outbound {
    let config = OutboundConfig {
        allow: vec!["127.0.0.0/8".to_owned()],
        ..OutboundConfig::default()
    };
    Outbound::new(&config).unwrap_or_else(|e| panic!("no client: {e}"))
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap_or_default();
    shared.asked.lock().push(Asked {
        line: format!("{} {}", head.method, head.uri),
        headers: head.headers,
        body,
    });
    let next = shared.next.lock().pop_front();
    let answer = next.unwrap_or_else(|| shared.otherwise.lock().clone());
    let Ok(status) = StatusCode::from_u16(answer.status) else {
        return std::future::pending().await;
    };
    let mut response = Response::builder().status(status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(answer.body))
        .unwrap_or_else(|e| panic!("not an answer: {e}"))
}
