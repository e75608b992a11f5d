//! HTTP to the authority: a few requests every few weeks, each on a connection of its own.

use std::{error::Error as StdError, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// A request and its answer take no longer.
const TIME: Duration = Duration::from_secs(30);
/// Answers are not longer.
const MOST: usize = 1 << 20;

pub(crate) struct Client(pub(crate) Arc<ClientConfig>);

type Failure = Box<dyn StdError + Send + Sync>;

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let tls = Arc::clone(&self.0);
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            let sent = timeout(TIME, send(tls, request)).await;
            let sent = sent.unwrap_or_else(|_| Err(format!("no answer within {TIME:?}").into()));
            sent.map(BytesResponse::from)
                .map_err(|error| Error::Other(format!("{host}: {error}").into()))
        })
    }
}

async fn send(
    tls: Arc<ClientConfig>,
    request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<Full<Bytes>>, Failure> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().ok_or("an address without a host")?.clone();
    if parts.uri.scheme_str() != Some("https") {
        return Err(format!("'{}' is not https", parts.uri).into());
    }
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let stream = TcpStream::connect((host.as_str(), authority.port_u16().unwrap_or(443))).await?;
    let stream = TlsConnector::from(tls)
        .connect(ServerName::try_from(host)?, stream)
        .await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    parts
        .headers
        .insert(HOST, HeaderValue::try_from(authority.as_str())?);
    parts.uri = parts
        .uri
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .parse()?;
    let answer = sender.send_request(Request::from_parts(parts, body)).await?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, MOST).collect().await?.to_bytes();
    connection.abort();
    Ok(Response::from_parts(parts, Full::new(body)))
}
