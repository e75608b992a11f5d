//! Requests a second, beside a bare handler that answers the same.

use std::path::Path;

use crate::{
    report::Report,
    rounds,
    server::{Bare, Server, get},
    wrk::{Load, Run},
};

pub(crate) async fn measure(stoa: &Path, seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let server = Server::start(stoa).await?;
    let token = server.register().await?;
    let me_url = server.me();
    let bare = Bare::start(&get(&me_url, &token).await?).await?;

    let bare_url = bare.me();
    let bare = Load {
        url: &bare_url,
        connections: 64,
        seconds,
        script: None,
        token: None,
    };
    let me = Load {
        url: &me_url,
        token: Some(&token),
        ..bare.clone()
    };
    let put_url = format!("{me_url}/preferences/theme");
    let put = Load {
        url: &put_url,
        script: Some("put_theme.lua"),
        ..me.clone()
    };
    let [bares, mes] = rounds::in_turn([&bare, &me]).await?;
    report.plain(
        "bare axum handler, same JSON",
        format!("{:.0} requests/s", rounds::rate(&bares)),
        "the bound",
    );
    share(report, "GET users/me, everything on", &mes, &bares, 50.0);
    let [bares, puts] = rounds::in_turn([&bare, &put]).await?;
    share(
        report,
        "PUT preferences/theme, durable, 64 connections",
        &puts,
        &bares,
        12.0,
    );
    Ok(())
}

fn share(report: &mut Report, what: &str, runs: &[Run], bare: &[Run], least: f64) {
    let share = rounds::ratio(runs, bare) * 100.0;
    report.bounded(
        what,
        format!("{:.0} requests/s", rounds::rate(runs)),
        format!("{share:.0} % of the bare handler"),
        &format!("at least {least:.0} %"),
        share >= least,
    );
}
