//! TLS to the server, with the meanings that `sslmode` and `sslrootcert` have for PostgreSQL's own clients.

use std::{future::Future, io, path::PathBuf, pin::Pin, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Socket,
    config::SslMode,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_rustls::{TlsConnector, client};

use super::tls_verifier::{Leniency, Lenient};
use crate::Error;

/// What an address says of TLS.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TlsOptions {
    mode: Mode,
    root: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    Disable,
    /// TLS if the server offers it; as PostgreSQL's own clients do without a word.
    #[default]
    Prefer,
    Require,
    /// The server's certificate must come from a known authority.
    VerifyCa,
    /// And be made out to its host.
    VerifyFull,
}

impl TlsOptions {
    /// Takes `sslmode` and `sslrootcert` out of an address.
    pub(super) fn take_from(url: &str) -> Result<(String, Self), Error> {
        let mut options = Self::default();
        let Some((before, query)) = url.split_once('?') else {
            return Ok((url.to_owned(), options));
        };
        let mut rest = Vec::new();
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("sslmode", mode)) => options.mode = Mode::read(mode)?,
                Some(("sslrootcert", path)) => {
                    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
                    options.root = Some(PathBuf::from(&*path));
                }
                _ => rest.push(pair),
            }
        }
        Ok((format!("{before}?{}", rest.join("&")), options))
    }

    pub(super) fn mode(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }

    pub(super) fn connector(&self) -> Result<Tls, Error> {
        let leniency = match self.mode {
            Mode::Disable | Mode::Prefer => Leniency::Anybody,
            // Who names an authority means it to be asked.
            Mode::Require if self.root.is_none() => Leniency::Anybody,
            Mode::Require | Mode::VerifyCa => Leniency::AnyName,
            Mode::VerifyFull => Leniency::None,
        };
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::Open(format!("TLS cannot be set up: {e}")))?;
        let config = match leniency {
            Leniency::None => builder
                .with_root_certificates(self.roots()?)
                .with_no_client_auth(),
            lenient => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(self.lenient(lenient, provider)?))
                .with_no_client_auth(),
        };
        Ok(Tls(TlsConnector::from(Arc::new(config))))
    }

    fn lenient(&self, leniency: Leniency, provider: Arc<CryptoProvider>) -> Result<Lenient, Error> {
        let roots = match leniency {
            Leniency::Anybody => None,
            Leniency::AnyName | Leniency::None => Some(self.roots()?),
        };
        Lenient::new(roots, provider).map_err(|e| Error::Open(format!("sslrootcert: {e}")))
    }

    /// The authorities of `sslrootcert`; without it, or with `system`, those that browsers trust.
    fn roots(&self) -> Result<RootCertStore, Error> {
        let Some(path) = self.root.as_ref().filter(|path| path.as_os_str() != "system") else {
            return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
        };
        let wrong = |why: String| Error::Open(format!("sslrootcert {}: {why}", path.display()));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))? {
            let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
            roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
        }
        if roots.is_empty() {
            return Err(wrong("holds no certificate".to_owned()));
        }
        Ok(roots)
    }
}

impl Mode {
    fn read(text: &str) -> Result<Self, Error> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(Error::Open(
                    "sslmode is one of disable, prefer, require, verify-ca, verify-full".to_owned(),
                ));
            }
        })
    }
}

/// Makes TLS connections for `tokio_postgres`.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

/// One that is about to be made, to a host.
pub(super) struct Connect {
    connector: TlsConnector,
    host: String,
}

/// One that was made.
pub(super) struct Stream(client::TlsStream<Socket>);

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Stream;
    type TlsConnect = Connect;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Connect> {
        Ok(Connect {
            connector: self.0.clone(),
            host: host.to_owned(),
        })
    }
}

impl TlsConnect<Socket> for Connect {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let name = ServerName::try_from(self.host).map_err(io::Error::other)?;
            self.connector.connect(name, socket).await.map(Stream)
        })
    }
}

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_tls_is_taken_out_of_the_address() {
        let (url, options) = TlsOptions::take_from(
            "postgres://a@b/c?connect_timeout=1&sslmode=verify-full&sslrootcert=%2Fetc%2Fca%20x.pem",
        )
        .unwrap();
        assert_eq!(url, "postgres://a@b/c?connect_timeout=1");
        assert_eq!(options.mode, Mode::VerifyFull);
        assert_eq!(options.root, Some(PathBuf::from("/etc/ca x.pem")));
        let (url, options) = TlsOptions::take_from("postgres://a@b/c").unwrap();
        assert_eq!((url.as_str(), options.mode), ("postgres://a@b/c", Mode::Prefer));
        assert!(TlsOptions::take_from("postgres://a@b/c?sslmode=always").is_err());
    }
}
