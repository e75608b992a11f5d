//! Names that lead elsewhere than they did.

use std::{io, sync::Arc};

use futures::FutureExt;
use stoa_outbound::{Lookup, Outbound, OutboundConfig, OutboundError, UrlError};

use crate::server::{Server, allowing, client, get, resolving};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn a_name_that_was_public_when_it_was_saved_does_not_lead_inside_later() {
    let server = Server::answering("127.0.0.1", OK).await;
    for inside in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "64:ff9b::7f00:1",
    ] {
        let lookup = resolving(&[&["8.8.8.8"], &[inside]]);
        let outbound = Outbound::with_lookup(&OutboundConfig::default(), lookup).unwrap();
        let url = format!("http://hooks.example.com:{}/", server.address.port());
        let target = outbound.check_url(&url).unwrap();
        assert_eq!(outbound.check_host(&target).await, Ok(()), "{inside}");
        let error = outbound.send(get(&url)).await.unwrap_err();
        assert_eq!(error, OutboundError::Url(UrlError::Host), "{inside}");
    }
    assert_eq!(server.seen.connections(), 0);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_may_be_called_are() {
    let server = Server::answering("127.0.0.2", OK).await;
    let url = format!("http://hooks.example.com:{}/", server.address.port());
    let lookup = || resolving(&[&["127.0.0.1", "127.0.0.2", "::1"]]);
    let outbound = Outbound::with_lookup(&allowing(&["127.0.0.2"]), lookup()).unwrap();
    assert_eq!(&outbound.send(get(&url)).await.unwrap().body[..], b"hi");
    let outbound = Outbound::with_lookup(&allowing(&["127.0.0.3"]), lookup()).unwrap();
    assert_eq!(outbound.send(get(&url)).await.unwrap_err(), UrlError::Host.into());
    assert_eq!(server.seen.connections(), 1);
}

#[tokio::test]
async fn an_inner_name_and_one_that_is_not_known_look_alike() {
    let unknown: Lookup = Arc::new(|_| async { Err(io::Error::other("no such name")) }.boxed());
    let mut answers = Vec::new();
    for lookup in [unknown, resolving(&[&["10.0.0.7"]])] {
        let outbound = Outbound::with_lookup(&OutboundConfig::default(), lookup).unwrap();
        let target = outbound.check_url("http://db.example.com/").unwrap();
        let saved = outbound.check_host(&target).await.unwrap_err();
        let sent = outbound.send(get("http://db.example.com/")).await.unwrap_err();
        answers.push((saved.to_string(), sent.to_string()));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn addresses_in_the_place_of_a_name_are_looked_at_though_nobody_resolves_them() {
    let server = Server::answering("127.0.0.1", OK).await;
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "2130706433",
        "0x7f.1",
        "127.1",
        "localhost",
    ] {
        let error = client(&[])
            .send(get(&format!("http://{host}:{port}/")))
            .await
            .unwrap_err();
        assert!(matches!(error, OutboundError::Url(_)), "{host}: {error}");
    }
    assert_eq!(server.seen.connections(), 0);
    let url = format!("http://127.0.0.1:{port}/");
    assert_eq!(
        client(&["127.0.0.0/8"]).send(get(&url)).await.unwrap().status,
        200
    );
}
