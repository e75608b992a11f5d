//! The section `[server]`: addresses, certificates, and where people reach this installation.

use std::net::SocketAddr;

use stoa_config::Settings;
use stoa_rpc::RpcConfig;
use url::Url;

use super::{Problems, engines::folder};
use crate::{
    services::{KnownService, Services},
    settings::ServerConfig,
};

pub(super) fn check(settings: &Settings, services: &Services, problems: &mut Problems) {
    let Some(server) = problems.take(settings.section::<ServerConfig>("server")) else {
        return;
    };
    if server.data_dir.as_os_str().is_empty() {
        problems.add("server.data_dir is empty: name a folder");
    }
    problems.take(folder("server.data_dir", &server.data_dir));
    let peers = settings.section::<RpcConfig>("rpc").ok();
    let peers = peers.and_then(|config| config.tls_files().ok().flatten());
    problems.take(server.tls.check(peers.is_some()));
    if stoa_kernel::text::line(&server.product_name).is_none() {
        problems.add("server.product_name is blank: mails, pages and authenticator apps need a name to show");
    }
    problems.take(public_url(&server));
    problems.take(links(&server, services));
    same_port(&server, problems);
}

/// Refuses what is not the address of a site, and http where people come by https.
fn public_url(server: &ServerConfig) -> Result<(), String> {
    let text = &server.public_url;
    if text.is_empty() {
        return Ok(());
    }
    let wrong = |why: &str| {
        let shown = if text.contains('@') { "set" } else { text };
        format!("server.public_url is {shown}, {why}: write such as \"https://example.com\"")
    };
    let url = Url::parse(text).map_err(|_| wrong("which is not a URL"))?;
    let bare = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("which does not begin with http:// or https:// and a host"));
    }
    if !bare || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(
            "and may have no user, no password and nothing after ? or #",
        ));
    }
    if server.tls.is_on() && !server.tls.peers_only && url.scheme() == "http" {
        return Err(format!(
            "server.public_url is {text}, but with server.tls people come by https: begin it with https://"
        ));
    }
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        Ok(address) if address.is_unspecified() => Err(wrong("which nobody can reach")),
        _ => Ok(()),
    }
}

/// Links in mails lead to the public address; "all addresses of this machine" is none.
fn links(server: &ServerConfig, services: &Services) -> Result<(), String> {
    let sends_links = [
        KnownService::AUTH,
        KnownService::NOTIFICATIONS,
        KnownService::GATEWAY,
    ]
    .into_iter()
    .any(|service| services.has(service));
    if sends_links && server.public_url.is_empty() && server.listen.ip().is_unspecified() {
        return Err(format!(
            "server.public_url is empty and server.listen is {}, so links in mails would lead to {}: set server.public_url \
             to where people reach this installation, such as \"https://example.com\"",
            server.listen,
            server.listen.ip()
        ));
    }
    Ok(())
}

/// One port cannot be listened on twice.
fn same_port(server: &ServerConfig, problems: &mut Problems) {
    let others = [
        ("server.rpc_listen", &server.rpc_listen),
        ("server.tls.redirect_listen", &server.tls.redirect_listen),
    ];
    let mut taken = vec![("server.listen", server.listen)];
    for (key, text) in others {
        let Ok(address) = text.parse::<SocketAddr>() else {
            continue;
        };
        let clash = |(_, other): &&(&str, SocketAddr)| {
            let meets =
                address.ip() == other.ip() || address.ip().is_unspecified() || other.ip().is_unspecified();
            address.port() != 0 && address.port() == other.port() && meets
        };
        if let Some((other, _)) = taken.iter().find(clash) {
            problems.add(format!(
                "{key} and {other} are the same port {}: choose another for one",
                address.port()
            ));
        }
        taken.push((key, address));
    }
}
