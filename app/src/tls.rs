//! TLS of the public listener, and the listener beside it that sends people there.

use std::{path::Path, sync::Arc};

use stoa_acme::{Acme, Challenge};
use stoa_edge::Answers;
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

    /// Refuses what nobody could be shown. Certificates are read. `peers`: whether processes show one another certificates.
    pub(crate) fn check(&self, peers: bool) -> Result<(), Error> {
        if self.peers_only {
            return among_peers(self, peers);
        }
        if !self.is_on() {
            return match self.redirect_listen.as_str() {
                "" => Ok(()),
                _ => Err(format!("{SECTION}.redirect_listen is set, but there is no certificate: set {SECTION}.certificate and {SECTION}.key").into()),
            };
        }
        self.source()?.look()?;
        self.acme.check()?;
        if self.acme.is_on() && self.acme.challenge == Challenge::Http && self.redirect_listen.is_empty() {
            return Err(format!(
                "{SECTION}.acme.challenge is \"http\", but nobody listens without TLS: set {SECTION}.redirect_listen, such as to \"0.0.0.0:80\""
            )
            .into());
        }
        let has_port = |text: &str| {
            text.rsplit_once(':')
                .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        };
        if !self.redirect_listen.is_empty() && !has_port(&self.redirect_listen) {
            return Err(format!(
                "{SECTION}.redirect_listen is '{}', which is not an address and a port: write such as \"0.0.0.0:80\"",
                self.redirect_listen
            )
            .into());
        }
        Ok(())
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
pub(crate) fn public_url(server: &ServerConfig, listening: &str) -> String {
    match server.public_url.trim_end_matches('/') {
        "" => url(server, listening),
        public => public.to_owned(),
    }
}

/// Everything that is needed to speak TLS, opened but not serving yet.
pub(crate) struct Tls {
    acceptor: Option<Acceptor>,
    redirect: Option<TcpListener>,
    answers: Answers,
    acme: Option<Acme>,
    certificates: Option<Arc<Certificates>>,
}

impl Tls {
    /// Reads certificates, those obtained earlier from `data_dir`, and takes the address of the redirect. The settings were
    /// checked by [`TlsConfig::check`].
    pub(crate) async fn open(
        server: &ServerConfig,
        data_dir: &Path,
        peers: Option<&Arc<Mutual>>,
    ) -> Result<Self, Error> {
        let config = &server.tls;
        let answers = Answers::default();
        if config.peers_only || !config.is_on() {
            let peers = peers.filter(|_| config.peers_only);
            return Ok(Self {
                acceptor: peers.map(|peers| Acceptor::mutual_http(Arc::clone(peers), Handshakes::default())),
                redirect: None,
                answers,
                acme: None,
                certificates: None,
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
            acme: acme(config, data_dir, Arc::clone(&certificates), &answers)?,
            answers,
            certificates: Some(certificates),
        })
    }

    /// The certificates from files.
    pub(crate) fn certificates(&self) -> Option<Arc<Certificates>> {
        self.certificates.clone()
    }

    /// Starts the redirect and what obtains certificates, and hands over what the public listener speaks TLS with.
    pub(crate) fn start(self, public_url: &str, stop: &CancellationToken) -> Option<Acceptor> {
        if let Some(listener) = self.redirect {
            let port = https_port(public_url);
            tokio::spawn(stoa_edge::redirect(listener, port, self.answers, stop.clone()));
        }
        if let Some(acme) = self.acme {
            tokio::spawn(acme.run(stop.clone()));
        }
        self.acceptor
    }
}

/// TLS for the gateway alone: with the certificates between processes, and no others.
fn among_peers(config: &TlsConfig, peers: bool) -> Result<(), Error> {
    if config.has_certificates() || !config.redirect_listen.is_empty() {
        return Err(format!(
            "{SECTION}.peers_only is set: then the certificates are those of rpc.tls, and nothing else of {SECTION} counts"
        )
        .into());
    }
    if !peers {
        return Err(format!(
            "{SECTION}.peers_only is set: set rpc.tls.certificate, rpc.tls.key and rpc.tls.ca as well"
        )
        .into());
    }
    Ok(())
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
