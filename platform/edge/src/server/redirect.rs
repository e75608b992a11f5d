//! The listener without TLS that sends everybody to the one with TLS.

use std::{collections::HashMap, convert::Infallible, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HOST, LOCATION},
    uri::Authority,
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::RwLock;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{accept, slots::Slots};

/// Texts under `/.well-known/acme-challenge/`, by which a certificate authority sees that a name is ours (RFC 8555, 8.3).
/// Cheap to clone; clones share the texts.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<RwLock<HashMap<String, String>>>);

impl Answers {
    /// From now on `token` is answered with `text`; with none, no longer.
    pub fn set(&self, token: &str, text: Option<String>) {
        let mut answers = self.0.write();
        match text {
            Some(text) => _ = answers.insert(token.to_owned(), text),
            None => _ = answers.remove(token),
        }
    }

    fn get(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix("/.well-known/acme-challenge/")?;
        self.0.read().get(token).cloned()
    }
}

/// A request and its answer take no longer.
const TIME: Duration = Duration::from_secs(10);
/// Connections at once, and such of one address; further ones take the place of the oldest.
const CONNECTIONS: usize = 256;
const CONNECTIONS_PER_ADDRESS: usize = 32;
/// Larger heads are refused.
const BUFFER: usize = 32 * 1024;

/// Answers every request with 308 to the same address by https at `port`, and [`Answers`] with their text, until
/// `shutdown`.
pub async fn redirect(listener: TcpListener, port: u16, answers: Answers, shutdown: CancellationToken) {
    let slots = Slots::new(CONNECTIONS, CONNECTIONS_PER_ADDRESS);
    while let Some((stream, _, slot)) = accept(&listener, &slots, |_| false, &shutdown).await {
        let answers = answers.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = slot.evicted() => {}
                // A caller who is slow or writes nonsense has ended the connection; there is nobody to tell.
                _ = timeout(TIME, connection(stream, port, answers)) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, port: u16, answers: Answers) {
    let service = service_fn(move |request: Request<Incoming>| {
        std::future::ready(Ok::<_, Infallible>(answer(&request, port, &answers)))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(TIME)
        .max_buf_size(BUFFER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let _ = pin!(connection).await;
}

fn answer<B>(request: &Request<B>, port: u16, answers: &Answers) -> Response<Full<Bytes>> {
    if let Some(text) = answers.get(request.uri().path()) {
        return response(StatusCode::OK, text);
    }
    let Some(location) = secure(request, port) else {
        return response(
            StatusCode::BAD_REQUEST,
            "The request does not say for whom it is.".to_owned(),
        );
    };
    let mut moved = response(StatusCode::PERMANENT_REDIRECT, String::new());
    moved.headers_mut().insert(LOCATION, location);
    moved
}

/// The same address by https.
fn secure<B>(request: &Request<B>, port: u16) -> Option<HeaderValue> {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority: Authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => named?.parse().ok()?,
    };
    let (host, port) = (
        authority.host(),
        if port == 443 {
            String::new()
        } else {
            format!(":{port}")
        },
    );
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if host.is_empty() || !path.starts_with('/') {
        return None;
    }
    HeaderValue::try_from(format!("https://{host}{port}{path}")).ok()
}

fn response(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(uri: &str, host: Option<&str>, port: u16) -> (u16, String) {
        let mut request = Request::get(uri);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let answers = Answers::default();
        answers.set("known", Some("text".to_owned()));
        let answer = answer(&request.body(()).unwrap(), port, &answers);
        let location = answer
            .headers()
            .get(LOCATION)
            .map(|location| location.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location.unwrap_or_default())
    }

    #[test]
    fn the_address_stays_and_the_scheme_changes() {
        for (uri, host, port, location) in [
            ("/a/b?c=d", "example.com", 443, "https://example.com/a/b?c=d"),
            ("/", "example.com:80", 8443, "https://example.com:8443/"),
            (
                "//evil.example/x",
                "example.com",
                443,
                "https://example.com//evil.example/x",
            ),
            ("/", "[::1]:80", 443, "https://[::1]/"),
            ("/", "user@example.com", 443, "https://example.com/"),
        ] {
            assert_eq!(ask(uri, Some(host), port), (308, location.to_owned()));
        }
        assert_eq!(
            ask("http://example.com/x", None, 443),
            (308, "https://example.com/x".to_owned())
        );
    }

    #[test]
    fn who_names_no_host_is_refused_and_authorities_get_their_text() {
        assert_eq!(ask("/", None, 443).0, 400);
        assert_eq!(ask("/", Some("a b"), 443).0, 400);
        assert_eq!(ask("*", Some("example.com"), 443).0, 400);
        assert_eq!(
            ask("/.well-known/acme-challenge/known", Some("example.com"), 443).0,
            200
        );
        assert_eq!(
            ask("/.well-known/acme-challenge/other", Some("example.com"), 443).0,
            308
        );
    }
}
