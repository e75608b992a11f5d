//! TLS of the public listener, and the listener beside it that sends people there.

use std::{path::Path, sync::Arc};

use stoa_acme::{Acme, Challenge};
use stoa_gateway::Answers;
use stoa_kernel::Clock;
use stoa_tls::{Acceptor, Certificates, Handshakes, Mutual, Source};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    mount::Error,
    settings::{ServerConfig, TlsConfig},
};

const SECTION: &str = "server.tls";

impl TlsConfig {
    /// Whether the listener speaks TLS.
    pub(crate) fn is_on(&self) -> bool {
        self.peers_only || self.has_certificates()
    }

    fn has_certificates(&self) -> bool {
        let files = [&self.certificate, &self.key, &self.folder];
        self.acme.is_on() || files.iter().any(|path| !path.as_os_str().is_empty())
    }

    /// Where the files stand.
    pub(crate) fn source(&self) -> Result<Source, Error> {
        let path = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
        let pair = match (path(&self.certificate), path(&self.key)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(alone("certificate", "key")),
            (None, Some(_)) => return Err(alone("key", "certificate")),
        };
        Ok(Source {
            section: SECTION,
            pair,
            folder: path(&self.folder),
        })
    }
}

fn alone(set: &str, missing: &str) -> Error {
    format!("{SECTION}.{set} is set and {SECTION}.{missing} is not: both are needed").into()
}

/// Where the process itself is reached.
pub(crate) fn url(server: &ServerConfig, listening: &str) -> String {
    let scheme = if server.tls.is_on() { "https" } else { "http" };
    format!("{scheme}://{listening}")
}

/// Where people reach this installation.
pub(crate) fn public_url(server: &ServerConfig, listening: &str) -> Result<String, Error> {
    match server.public_url.trim_end_matches('/') {
        "" => Ok(url(server, listening)),
        public if server.tls.is_on() && public.starts_with("http://") => Err(format!(
            "server.public_url is {public}, but with {SECTION} people come by https: begin it with https://"
        )
        .into()),
        public => Ok(public.to_owned()),
    }
}

/// Everything that is needed to speak TLS, opened but not serving yet.
pub(crate) struct Tls {
    acceptor: Option<Acceptor>,
    redirect: Option<TcpListener>,
    answers: Answers,
    acme: Option<Acme>,
}

impl Tls {
    /// Reads certificates, those obtained earlier from `data_dir`, and takes the address of the redirect.
    pub(crate) async fn open(
        server: &ServerConfig,
        data_dir: &Path,
        peers: Option<&Arc<Mutual>>,
    ) -> Result<Self, Error> {
        let config = &server.tls;
        let answers = Answers::default();
        if config.peers_only {
            return Ok(Self {
                acceptor: Some(among_peers(config, peers)?),
                redirect: None,
                answers,
                acme: None,
            });
        }
        if !config.is_on() {
            if !config.redirect_listen.is_empty() {
                return Err(format!("{SECTION}.redirect_listen is set, but there is no certificate: set {SECTION}.certificate and {SECTION}.key").into());
            }
            return Ok(Self {
                acceptor: None,
                redirect: None,
                answers,
                acme: None,
            });
        }
        let certificates = Certificates::watch(config.source()?)?;
        let acceptor = Acceptor::new(
            certificates.server_config(config.min_version)?,
            Handshakes::default(),
        );
        let redirect = match config.redirect_listen.as_str() {
            "" => None,
            address => Some(TcpListener::bind(address).await.map_err(|e| {
                format!("cannot listen on {address}: {e}; set {SECTION}.redirect_listen to another address, or to none")
            })?),
        };
        Ok(Self {
            acceptor: Some(acceptor),
            redirect,
            acme: acme(config, data_dir, certificates, &answers)?,
            answers,
        })
    }

    /// Starts the redirect and what obtains certificates, and hands over what the public listener speaks TLS with.
    pub(crate) fn start(self, public_url: &str, stop: &CancellationToken) -> Option<Acceptor> {
        if let Some(listener) = self.redirect {
            let port = https_port(public_url);
            tokio::spawn(stoa_gateway::redirect(listener, port, self.answers, stop.clone()));
        }
        if let Some(acme) = self.acme {
            tokio::spawn(acme.run(stop.clone()));
        }
        self.acceptor
    }
}

/// TLS for the gateway alone.
fn among_peers(config: &TlsConfig, peers: Option<&Arc<Mutual>>) -> Result<Acceptor, Error> {
    if config.has_certificates() || !config.redirect_listen.is_empty() {
        return Err(format!(
            "{SECTION}.peers_only is set: then the certificates are those of rpc.tls, and nothing else of {SECTION} counts"
        )
        .into());
    }
    let peers = peers.ok_or_else(|| {
        format!("{SECTION}.peers_only is set: set rpc.tls.certificate, rpc.tls.key and rpc.tls.ca as well")
    })?;
    Ok(Acceptor::mutual_http(Arc::clone(peers), Handshakes::default()))
}

/// What obtains certificates, if there are names for it.
fn acme(
    config: &TlsConfig,
    data_dir: &Path,
    certificates: Arc<Certificates>,
    answers: &Answers,
) -> Result<Option<Acme>, Error> {
    if !config.acme.is_on() {
        return Ok(None);
    }
    if config.acme.challenge == Challenge::Http && config.redirect_listen.is_empty() {
        return Err(format!(
            "{SECTION}.acme.challenge is \"http\", but nobody listens without TLS: set {SECTION}.redirect_listen, such as to \"0.0.0.0:80\""
        )
        .into());
    }
    let answers = answers.clone();
    let acme = Acme::open(
        config.acme.clone(),
        &data_dir.join("acme"),
        Clock::system(),
        certificates,
        Box::new(move |token, text| answers.set(token, text)),
    );
    Ok(Some(acme?))
}

/// The port of an https address.
fn https_port(url: &str) -> u16 {
    let authority = url
        .trim_start_matches("https://")
        .split('/')
        .next()
        .unwrap_or_default();
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.unwrap_or(443)
}
