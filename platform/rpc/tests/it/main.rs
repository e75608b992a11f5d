//! The same client over both kinds of channel.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod echo;
mod listener;
mod parity;

use std::net::SocketAddr;

use stoa_rpc::{Directory, Server};
use tokio::net::TcpListener;

/// A directory in which "echo" runs in this process.
fn local() -> Directory {
    let directory = Directory::new();
    let server = Server {
        routes: tonic::service::Routes::new(echo::EchoServer),
        descriptors: echo::descriptors(),
        names: vec!["stoa.test.v1.Echo"],
    };
    directory.set_local("echo", server);
    directory
}

/// Serves what runs in this process on a port of its own.
async fn serve(directory: &Directory) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = directory.serve_routes();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// A directory in which "echo" runs behind a socket.
async fn remote() -> Directory {
    let address = serve(&local()).await;
    let directory = Directory::new();
    directory
        .set_remote("echo", &format!("http://{address}"))
        .unwrap();
    directory
}
