//! Processes that come and go while people are at work, and what is told in one and holds in all. Of the split shape alone.

use std::{
    ops::DerefMut,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::Value;
use stoa_split::Split;
use tokio::task::block_in_place;

use super::{email, split_alone, traffic::Traffic};
use crate::stoa::{Caller, token};

/// More than what the balancer and the gateways need to find a process again: both look every 250 ms.
const FOUND: Duration = Duration::from_millis(1500);
/// Requests between two interventions.
const SOME: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn every_process_is_restarted_in_turn_and_not_one_request_fails() {
    let Some(mut split) = split_alone("no process is restarted").await else {
        return;
    };
    let traffic = Traffic::start(&split.url()).await;
    for service in split.services() {
        for number in 0..2 {
            traffic.flows(SOME).await;
            block_in_place(|| split.nodes(&service)[number].restart());
            tokio::time::sleep(FOUND).await;
        }
    }
    traffic.flows(SOME).await;
    let (answered, failed) = traffic.stop().await;
    assert!(failed.is_empty(), "of {answered} requests: {failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_killed_and_only_posts_that_were_under_way_fail() {
    let Some(mut split) = split_alone("no process is killed").await else {
        return;
    };
    for service in split.services() {
        let traffic = Traffic::start(&split.url()).await;
        traffic.flows(SOME).await;
        block_in_place(|| split.nodes(&service)[0].kill());
        let killed = Instant::now();
        traffic.flows(4 * SOME).await;
        block_in_place(|| {
            let node = &mut split.nodes(&service)[0];
            node.start();
            node.wait();
        });
        tokio::time::sleep(FOUND).await;
        traffic.flows(SOME).await;
        let (_, mut failed) = traffic.stop().await;
        failed.retain(|failed| failed.method != Method::POST || failed.sent > killed);
        assert!(failed.is_empty(), "{service}: {failed:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_on_one_process_is_refused_by_every_other_within_a_second() {
    let Some(mut split) = split_alone("there is only one process").await else {
        return;
    };
    let balancer = Caller::new(split.url());
    let (mut asked, mut ending) = (Vec::new(), Vec::new());
    for (service, path) in [
        ("auth", "/api/v1/auth/sessions"),
        ("users", "/api/v1/users/me"),
        ("gateway", "/api/v1/auth/sessions"),
        ("gateway", "/api/v1/users/me"),
    ] {
        for caller in callers(split.deref_mut(), service) {
            asked.push((service, caller.clone(), path));
            if path.starts_with("/api/v1/auth/") {
                ending.push(caller);
            }
        }
    }
    for end in ending {
        let session = balancer.register(&email("ada")).await;
        for (service, caller, path) in &asked {
            let status = caller.get(path, token(&session)).await.status();
            assert_eq!(status, 200, "{service} before the end");
        }
        let ended = end
            .request(Method::POST, "/api/v1/auth/logout")
            .bearer_auth(token(&session))
            .send()
            .await
            .unwrap();
        assert_eq!(ended.status(), 204);
        tokio::time::sleep(Duration::from_secs(1)).await;
        for (service, caller, path) in &asked {
            let answer = caller.get(path, token(&session)).await;
            let status = answer.status();
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(status, 401, "{service} at {}: {problem}", caller.url);
            assert_eq!(problem["code"], "token_revoked");
        }
    }
}

/// Calls to each process of a service, by its own port.
fn callers(split: &mut Split, service: &str) -> Vec<Caller> {
    let nodes = split.nodes(service);
    nodes.into_iter().map(|node| Caller::new(node.url())).collect()
}
