//! Processes that serve "echo", as near as one process comes: each with threads of its own that can be killed.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use stoa_rpc::{Directory, RpcConfig, RpcOptions, RpcTlsConfig};
use stoa_tls::testing::{Authority, Issued};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::sync::CancellationToken;

use crate::{echo::EchoServer, local_as};

/// An authority, and a folder for what it issues.
pub(crate) struct Pki {
    pub(crate) authority: Authority,
    folder: TempDir,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(&folder.path().display().to_string());
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        Self { authority, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn issue(&self) -> Issued {
        self.authority.issue(&["localhost", "127.0.0.1"])
    }

    /// A peer with a certificate of its own.
    pub(crate) fn options(&self, name: &str) -> RpcOptions {
        self.options_with(name, &self.issue())
    }

    pub(crate) fn options_with(&self, name: &str, issued: &Issued) -> RpcOptions {
        let (certificate, key) = issued.write(self.folder(), name);
        let tls = RpcTlsConfig {
            certificate,
            key,
            ca: self.folder().join("ca.pem"),
        };
        let config = RpcConfig {
            tls,
            ..RpcConfig::default()
        };
        config.options().unwrap()
    }
}

pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    pub(crate) taken: Arc<AtomicUsize>,
    stop: CancellationToken,
    runtime: Option<Runtime>,
}

/// A port that was free.
pub(crate) fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Replica {
    pub(crate) fn start(name: &'static str, options: RpcOptions, port: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let (taken, stop) = (Arc::<AtomicUsize>::default(), CancellationToken::new());
        let directory = local_as(EchoServer {
            name,
            taken: Arc::clone(&taken),
        });
        let stopped = stop.clone();
        let (ready, is_ready) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            ready.send(()).unwrap();
            directory.serve(listener, &options, stopped).await;
        });
        is_ready.recv_timeout(Duration::from_secs(5)).expect("it listens");
        Self {
            address,
            taken,
            stop,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// Its connections break, whatever is under way.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// It finishes what is under way and takes nothing more.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// It runs until the tests end.
    pub(crate) fn forget(mut self) {
        std::mem::forget(self.runtime.take());
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A directory in which "echo" runs there.
pub(crate) fn directory(urls: &[String], options: &RpcOptions) -> Directory {
    let directory = Directory::new();
    directory.set_remote("echo", urls, options).unwrap();
    directory
}
