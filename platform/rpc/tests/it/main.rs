//! The same client over both kinds of channel.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod echo;
mod listener;
mod log;
mod parity;
mod refused;
mod replica;
mod replicas;
mod tls;

use std::net::SocketAddr;

use stoa_rpc::{Directory, RpcOptions, Server};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A directory in which "echo" runs in this process.
fn local() -> Directory {
    local_as(echo::EchoServer::default())
}

fn local_as(server: echo::EchoServer) -> Directory {
    let directory = Directory::new();
    let server = Server {
        routes: tonic::service::Routes::new(server),
        descriptors: echo::descriptors(),
        names: vec!["stoa.test.v1.Echo"],
    };
    directory.set_local("echo", server);
    directory
}

/// Without TLS.
fn plain() -> RpcOptions {
    RpcOptions::default()
}

/// Serves what runs in this process on a port of its own.
async fn serve(directory: &Directory) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let directory = directory.clone();
    tokio::spawn(async move {
        directory
            .serve(listener, &plain(), CancellationToken::new())
            .await
    });
    address
}

/// A directory in which "echo" runs behind a socket.
async fn remote() -> Directory {
    let address = serve(&local()).await;
    replica::directory(&[format!("http://{address}")], &plain())
}
