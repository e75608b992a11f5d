//! The HTTP client: hyper, with rustls where there is TLS, and no more than S3 needs.

use std::{error::Error, io, time::Duration};

use async_trait::async_trait;
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{
        HttpClient, HttpConnector as Connect, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
        HttpResponse, HttpResponseBody, HttpService,
    },
};
use tokio::time::timeout;

use super::resolve::Resolver;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may take to begin its answer once it has been asked, a part's upload included.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a connection that is not used is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Makes the client.
#[derive(Debug)]
pub(super) struct Connector;

#[derive(Debug)]
struct Client(legacy::Client<HttpsConnector<HttpConnector<Resolver>>, HttpRequestBody>);

impl Connect for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut http = HttpConnector::new_with_resolver(Resolver);
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|e| object_store::Error::Generic {
                store: "S3",
                source: Box::new(e),
            })?;
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let tls = if plain.as_deref() == Some("true") {
            tls.https_or_http()
        } else {
            tls.https_only()
        };
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(tls.enable_http1().wrap_connector(http));
        Ok(HttpClient::new(Client(client)))
    }
}

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = match timeout(ANSWER, self.0.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(HttpError::new(kind(&error), error)),
            Err(elapsed) => return Err(HttpError::new(HttpErrorKind::Timeout, elapsed)),
        };
        let lost = |error: hyper::Error| HttpError::new(HttpErrorKind::Interrupted, error);
        Ok(response.map(|body| HttpResponseBody::new(body.map_err(lost))))
    }
}

/// Whether it is worth trying again: a connection that could not be had, or broke before the request was understood.
fn kind(error: &legacy::Error) -> HttpErrorKind {
    if error.is_connect() {
        return HttpErrorKind::Connect;
    }
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    for cause in causes {
        if let Some(cause) = cause.downcast_ref::<hyper::Error>()
            && (cause.is_closed() || cause.is_incomplete_message())
        {
            return HttpErrorKind::Request;
        }
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return match cause.kind() {
                io::ErrorKind::TimedOut => HttpErrorKind::Timeout,
                _ => HttpErrorKind::Interrupted,
            };
        }
    }
    HttpErrorKind::Unknown
}
