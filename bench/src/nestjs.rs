//! `users/me` on PostgreSQL, beside NestJS with Prisma on the same PostgreSQL.

use std::path::Path;

use stoa_engines::Postgres;
use tokio::task::block_in_place;

use crate::{peer::Peer, report::Report, rounds, server::Server, wrk::Load};

pub(crate) async fn measure(stoa: &Path, seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let postgres = block_in_place(Postgres::start);
    let server = Server::on_postgres(stoa, postgres.url()).await?;
    let (url, token) = (server.me(), server.register().await?);
    let ours = Load {
        url: &url,
        connections: 64,
        seconds,
        script: None,
        token: Some(&token),
    };
    let peer = |workers| {
        let database = format!("nestjs_{workers}");
        // A database for each: at its start a peer makes its rows anew.
        block_in_place(|| postgres.sql(&format!("CREATE DATABASE {database}")));
        let server = postgres.url();
        let server = server.trim_end_matches("/postgres");
        Peer::nestjs(format!("{server}/{database}"), workers)
    };
    let (one, two) = (peer(1)?, peer(2)?);
    let (one_url, two_url) = (one.me(), two.me());
    let (one_token, two_token) = (one.token()?, two.token()?);
    let beside = |url, token| Load {
        url,
        token: Some(token),
        ..ours.clone()
    };
    let (one, two) = (beside(&one_url, &one_token), beside(&two_url, &two_token));
    let [ours, one, two] = rounds::in_turn([&ours, &one, &two]).await?;
    let (workers, faster) = if rounds::rate(&one) > rounds::rate(&two) {
        ("one process, faster than two", one)
    } else {
        ("two processes, faster than one", two)
    };
    let times = rounds::ratio(&ours, &faster);
    report.bounded(
        "GET users/me on PostgreSQL, everything on",
        format!("{:.0} requests/s", rounds::rate(&ours)),
        format!(
            "{times:.1} times the {:.0} requests/s of NestJS and Prisma on the same PostgreSQL ({workers})",
            rounds::rate(&faster)
        ),
        "at least 6 times",
        times >= 6.0,
    );
    Ok(())
}
