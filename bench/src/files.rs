//! A large file, up and down, beside nginx with the same.

use std::{path::Path, time::Instant};

use reqwest::{Client, RequestBuilder};
use serde_json::json;

use crate::{
    peer::Peer,
    report::Report,
    rounds::{ROUNDS, median},
    server::Server,
};

/// Size of the file, in bytes.
const SIZE: usize = 256 * 1024 * 1024;

pub(crate) async fn measure(stoa: &Path, report: &mut Report) -> Result<(), crate::Error> {
    let server = Server::with(stoa, &[("GATEWAY__MAX_UPLOAD", "1000000000")]).await?;
    let token = server.register().await?;
    let (client, nginx) = (Client::new(), Peer::files()?);
    let bucket = client.post(format!("{}/api/v1/storage/buckets", server.url));
    let bucket = bucket.bearer_auth(&token).json(&json!({ "name": "bench" }));
    bucket.send().await?.error_for_status()?;
    let ours = |request: RequestBuilder| request.bearer_auth(&token);
    let our_url = |name: &str| format!("{}/api/v1/storage/bench/{name}", server.url);
    let peers_url = |name: &str| format!("http://{}/{name}", nginx.address());
    let mut rates = [const { Vec::new() }; 4];
    for round in 0..ROUNDS {
        // Other bytes each time: the same again would not be stored.
        let body = content(round);
        let name = format!("file{round}");
        let [up, peers_up, down, peers_down] = &mut rates;
        up.push(
            timed(ours(client.put(our_url(&name))).body(body.clone()))
                .await?
                .0,
        );
        peers_up.push(timed(client.put(peers_url(&name)).body(body)).await?.0);
        for (rates, request) in [
            (down, ours(client.get(our_url(&name)))),
            (peers_down, client.get(peers_url(&name))),
        ] {
            let (rate, length) = timed(request).await?;
            if length != SIZE {
                return Err(format!("{length} of {SIZE} bytes came").into());
            }
            rates.push(rate);
        }
    }
    let [up, peers_up, down, peers_down] = rates;
    let share = |ours: &[f64], peers: &[f64]| {
        100.0 * median(ours.iter().zip(peers).map(|(ours, peers)| ours / peers))
    };
    let downs = share(&down, &peers_down);
    report.bounded(
        "download of 256 MiB from a private bucket",
        format!("{:.0} MB/s", median(down)),
        format!("{downs:.0} % of nginx's {:.0} MB/s", median(peers_down)),
        "at least 70 % of nginx",
        downs >= 70.0,
    );
    let ups = share(&up, &peers_up);
    report.plain(
        "upload of 256 MiB, with MD5 and SHA-256, fsynced",
        format!("{:.0} MB/s", median(up)),
        &format!(
            "{ups:.0} % of nginx's {:.0} MB/s, which computes and syncs nothing",
            median(peers_up)
        ),
    );
    Ok(())
}

/// Bytes that no other round has.
fn content(round: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ round as u64;
    let mut bytes = Vec::with_capacity(SIZE);
    while bytes.len() < SIZE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes
}

/// Megabytes a second of the file, and the length of the answer.
async fn timed(request: RequestBuilder) -> Result<(f64, usize), crate::Error> {
    let start = Instant::now();
    let mut answer = request.send().await?.error_for_status()?;
    let mut length = 0;
    while let Some(piece) = answer.chunk().await? {
        length += piece.len();
    }
    Ok((SIZE as f64 / 1e6 / start.elapsed().as_secs_f64(), length))
}
