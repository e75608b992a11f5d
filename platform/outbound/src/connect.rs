//! Connections, each looked at before it is made.

use std::{
    error::Error,
    io,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::{net::TcpStream, time::timeout};
use tower::Service;

use crate::{
    OutboundError,
    io::{Count, Counted},
    resolve::Resolver,
};

pub(crate) type Stream = MaybeHttpsStream<Counted<TokioIo<TcpStream>>>;
type BoxError = Box<dyn Error + Send + Sync>;

/// Makes connections: address, TCP and TLS within one time limit.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Guarded>,
    limit: Duration,
}

impl Connector {
    pub(crate) fn new(
        resolver: Resolver,
        tls: Arc<rustls::ClientConfig>,
        limit: Duration,
        count: Count,
    ) -> Self {
        let mut http = HttpConnector::new_with_resolver(resolver.clone());
        http.enforce_http(false);
        http.set_connect_timeout(Some(limit));
        http.set_nodelay(true);
        let guarded = Guarded {
            http,
            resolver,
            count,
        };
        Self {
            https: HttpsConnector::from((guarded, tls)),
            limit,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Stream, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, limit) = (self.https.call(uri), self.limit);
        Box::pin(async move {
            timeout(limit, connecting)
                .await
                .unwrap_or_else(|_| Err(OutboundError::Timeout(limit).into()))
        })
    }
}

/// TCP connections to addresses that may be called. Names go through the filter of the resolver; the HTTP connector does not ask that
/// for an address, so it is asked here.
#[derive(Clone)]
struct Guarded {
    http: HttpConnector<Resolver>,
    resolver: Resolver,
    count: Count,
}

impl Service<Uri> for Guarded {
    type Response = Counted<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let checked = literal(&uri).map_or(Ok(()), |address| self.resolver.check(address));
        let (connecting, count) = (checked.is_ok().then(|| self.http.call(uri)), self.count.clone());
        Box::pin(async move {
            checked?;
            let connecting = connecting.ok_or_else(|| io::Error::other("nothing to connect to"))?;
            Ok(Counted::new(connecting.await?, &count))
        })
    }
}

/// The address that stands in the place of a name.
fn literal(uri: &Uri) -> Option<IpAddr> {
    let host = uri.host()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}
