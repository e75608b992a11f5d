//! What a storm of sign-ins does to everybody else.

use std::{path::Path, time::Duration};

use crate::{
    report::Report,
    rounds::{ROUNDS, median},
    server::Server,
    wrk::{self, Load},
};

/// `users/me` alone, then beside 32 clients that log in without pause.
pub(crate) async fn measure(stoa: &Path, seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let server = Server::start(stoa).await?;
    let (me_url, token) = (server.me(), server.register().await?);
    let me = Load {
        url: &me_url,
        connections: 32,
        seconds,
        script: None,
        token: Some(&token),
    };
    let login_url = format!("{}/api/v1/auth/login", server.url);
    let login = Load {
        url: &login_url,
        seconds: seconds + 2,
        script: Some("login.lua"),
        token: None,
        ..me.clone()
    };
    let (mut alone, mut beside, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(wrk::run(&me).await?.p99.as_secs_f64());
        let (storm, calm) = tokio::join!(wrk::run(&login), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            wrk::run(&me).await
        });
        rates.push(storm?.rate);
        beside.push(calm?.p99.as_secs_f64());
    }
    let times = median(beside.iter().zip(&alone).map(|(beside, alone)| beside / alone));
    report.bounded(
        "p99 of users/me while 32 clients log in",
        format!("{:.2} ms", median(beside) * 1e3),
        format!(
            "{times:.1} times its {:.2} ms alone; {:.0} logins/s",
            median(alone) * 1e3,
            median(rates)
        ),
        "at most 3 times",
        times <= 3.0,
    );
    Ok(())
}
