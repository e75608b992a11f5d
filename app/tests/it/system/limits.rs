//! Limits that all processes keep together, and what becomes of them without the cache that they share. Of the split shape
//! alone.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use stoa_split::Split;
use tokio::task::block_in_place;

use super::{email, plan, shape};
use crate::stoa::{Caller, token};

/// Requests that one person has at once. The next one comes only minutes later.
const ALLOWED: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_across_gateways_and_for_each_by_itself_while_redis_is_gone() {
    let Some((bus, objects)) = shape() else {
        println!(
            "there are no two gateways: for that {} is to be nats or rabbitmq",
            super::SHAPE
        );
        return;
    };
    let mut plan = plan(bus, objects);
    let limit = format!("{ALLOWED}/h");
    plan.environment
        .retain(|(name, _)| name != "STOA_GATEWAY__RATE_LIMIT__PER_USER");
    plan.environment
        .push(("STOA_GATEWAY__RATE_LIMIT__PER_USER".to_owned(), limit));
    let mut split = block_in_place(|| Split::start(plan));
    let gateways: Vec<_> = split
        .nodes("gateway")
        .into_iter()
        .map(|node| Caller::new(node.url()))
        .collect();
    assert_eq!(let_through(&gateways).await, ALLOWED);
    health_becomes(&gateways, "up").await;

    split.engines().redis.kill();
    assert_eq!(let_through(&gateways).await, 2 * ALLOWED, "each counts by itself");
    health_becomes(&gateways, "degraded").await;

    block_in_place(|| split.engines().redis.start_again());
    health_becomes(&gateways, "up").await;
    // Soon after they count together again.
    for _ in 0..20 {
        if let_through(&gateways).await == ALLOWED {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("the gateways do not count together again after Redis came back");
}

/// How many requests of somebody new are let through, asked at both gateways in turn.
async fn let_through(gateways: &[Caller]) -> usize {
    let person = gateways[0].register(&email("eager")).await;
    let mut passed = 0;
    for gateway in gateways.iter().cycle().take(3 * ALLOWED) {
        let answer = gateway.get("/api/v1/users/me", token(&person)).await;
        match answer.status() {
            StatusCode::OK => passed += 1,
            StatusCode::TOO_MANY_REQUESTS => {}
            other => panic!("{other} {}", answer.text().await.unwrap()),
        }
    }
    passed
}

/// Waits until every gateway says that it is so.
async fn health_becomes(gateways: &[Caller], expected: &str) {
    for gateway in gateways {
        let mut found = Value::Null;
        for _ in 0..200 {
            found = gateway.look("/health").await.json().await.unwrap();
            if found["status"] == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(found["status"], expected, "{found}");
    }
}
