//! The gateway in front of a service of another process, beside nginx and HAProxy in front of the same.

use std::path::Path;

use crate::{
    peer::Peer,
    report::Report,
    rounds,
    server::{Bare, Server, get},
    wrk::Load,
};

/// A profile, as users answers it.
const ANSWER: &str = r#"{"id":"01932c07-a0a4-7bb1-8f3c-111122223333","user_id":"01932c07-a0a4-7bb1-8f3c-444455556666","first_name":"Ada","last_name":"Lovelace","avatar_url":null,"bio":null,"created_at":"2026-01-02T03:04:05.678901Z","updated_at":"2026-01-02T03:04:05.678901Z"}"#;

pub(crate) async fn measure(stoa: &Path, seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let upstream = Bare::start(ANSWER).await?;
    let auth = Server::auth(stoa).await?;
    let gateway = Server::gateway(stoa, &auth, &[&upstream.url()]).await?;
    let token = gateway.register().await?;
    let nginx = Peer::proxy("nginx", &upstream.address)?;
    let haproxy = Peer::proxy("haproxy", &upstream.address)?;

    let direct = get(&upstream.me(), &token).await?;
    let urls = [gateway.me(), nginx.me(), haproxy.me()];
    for url in &urls {
        if get(url, &token).await? != direct {
            return Err(format!("{url} does not answer what stands behind it").into());
        }
    }
    let [ours, nginx, haproxy] = urls.each_ref().map(|url| Load {
        url,
        connections: 64,
        seconds,
        script: None,
        token: Some(&token),
    });
    let [ours, nginx, haproxy] = rounds::in_turn([&ours, &nginx, &haproxy]).await?;
    let share = rounds::ratio(&ours, &nginx) * 100.0;
    report.bounded(
        "gateway before another process: token, limits, access log",
        format!("{:.0} requests/s", rounds::rate(&ours)),
        format!(
            "{share:.0} % of nginx's {:.0} requests/s, {:.0} % of HAProxy's {:.0} requests/s, both of which only forward and log",
            rounds::rate(&nginx),
            rounds::ratio(&ours, &haproxy) * 100.0,
            rounds::rate(&haproxy)
        ),
        "at least 80 % of nginx",
        share >= 80.0,
    );
    Ok(())
}
