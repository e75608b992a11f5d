//! Webhooks: from a write to what the server of its owner has taken.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use serde_json::json;

use crate::{report::Report, rounds::median, server::Server};

/// Endpoints that each event goes to: one alone is given four at a time.
const ENDPOINTS: u64 = 10;
/// Events of a round.
const EVENTS: u64 = 500;
/// Writers at once.
const WRITERS: u64 = 16;
const ROUNDS: usize = 3;

pub(crate) async fn measure(stoa: &Path, report: &mut Report) -> Result<(), crate::Error> {
    let taken = Arc::new(AtomicU64::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let router = Router::new()
        .route("/", post(take))
        .with_state(Arc::clone(&taken));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let server = Server::with(stoa, &[("OUTBOUND__ALLOW", r#"["127.0.0.1"]"#)]).await?;
    let token = server.register().await?;
    let client = reqwest::Client::new();
    for _ in 0..ENDPOINTS {
        let made = client
            .post(format!("{}/api/v1/webhooks/endpoints", server.url))
            .bearer_auth(&token)
            .json(&json!({ "url": url, "events": ["preference.changed"] }));
        made.send().await?.error_for_status()?;
    }
    let mut rates = Vec::new();
    for round in 0..ROUNDS {
        let (before, start) = (taken.load(Ordering::Relaxed), Instant::now());
        write(&server, &client, &token, round).await?;
        let all = before + EVENTS * ENDPOINTS;
        while taken.load(Ordering::Relaxed) < all {
            if start.elapsed() > Duration::from_secs(120) {
                return Err(format!("{} of {all} webhooks came", taken.load(Ordering::Relaxed)).into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        rates.push((EVENTS * ENDPOINTS) as f64 / start.elapsed().as_secs_f64());
    }
    report.plain(
        "webhooks to a local server",
        format!("{:.0} deliveries/s", median(rates)),
        "signed; ten endpoints, SQLite, each attempt kept with its answer and fsynced",
    );
    Ok(())
}

/// So many changes, each of which is an event.
async fn write(
    server: &Server,
    client: &reqwest::Client,
    token: &str,
    round: usize,
) -> Result<(), crate::Error> {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (client, token) = (client.clone(), token.to_owned());
        let url = format!("{}/api/v1/users/me/preferences/bench{writer}", server.url);
        let share = EVENTS / WRITERS + u64::from(writer < EVENTS % WRITERS);
        writers.spawn(async move {
            for number in 0..share {
                let value = json!({ "value": format!("{round}-{number}") });
                let put = client.put(&url).bearer_auth(&token).json(&value);
                put.send().await?.error_for_status()?;
            }
            Ok::<_, reqwest::Error>(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    Ok(())
}

async fn take(State(taken): State<Arc<AtomicU64>>, _: axum::body::Bytes) -> StatusCode {
    taken.fetch_add(1, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}
