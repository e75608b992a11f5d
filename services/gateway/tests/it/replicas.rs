//! Which replica a request goes to.

use std::{collections::HashMap, time::Duration};

use axum::{
    Router,
    routing::{any, get},
};
use tokio::time::{Instant, sleep};

use crate::split::{Process, gateway, gateway_to, replica, replica_at};

/// A replica that tells its name.
fn named(name: &'static str) -> Router {
    Router::new()
        .route("/anything/name", any(async move || name))
        .route(
            "/anything/slow",
            get(async move || {
                sleep(Duration::from_millis(600)).await;
                name
            }),
        )
}

async fn name(gateway: &Process) -> String {
    let answer = gateway.get("/anything/name").await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    String::from_utf8(answer.body.to_vec()).unwrap()
}

async fn names(gateway: &Process, count: usize) -> HashMap<String, usize> {
    let mut names = HashMap::new();
    for _ in 0..count {
        *names.entry(name(gateway).await).or_default() += 1;
    }
    names
}

/// Asks until `holds`, for a few seconds.
async fn until(gateway: &Process, holds: impl Fn(&HashMap<String, usize>) -> bool) {
    let begun = Instant::now();
    loop {
        let names = names(gateway, 20).await;
        if holds(&names) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(8), "{names:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn all_replicas_get_their_share() {
    let steady = |name: &'static str| {
        let answer = async move || {
            sleep(Duration::from_millis(10)).await;
            name
        };
        Router::new().route("/anything/name", get(answer))
    };
    let (a, b, c) = (
        replica(steady("a")).await,
        replica(steady("b")).await,
        replica(steady("c")).await,
    );
    let gateway = gateway("", &[&a, &b, &c]).await;
    let names = names(&gateway, 150).await;
    assert!(
        names.len() == 3 && names.values().all(|&count| count > 10),
        "{names:?}"
    );
}

#[tokio::test]
async fn the_quicker_one_of_two_gets_more() {
    let slow = Router::new().route(
        "/anything/name",
        get(async || {
            sleep(Duration::from_millis(30)).await;
            "slow"
        }),
    );
    let (slow, quick) = (replica(slow).await, replica(named("quick")).await);
    let gateway = gateway("", &[&slow, &quick]).await;
    let names = names(&gateway, 100).await;
    assert!(names["quick"] > 80, "{names:?}");
}

#[tokio::test]
async fn a_replica_that_is_gone_is_left_alone_until_it_is_back() {
    let (a, b) = (replica(named("a")).await, replica(named("b")).await);
    let gateway = gateway("upstream.eject_for = \"100ms\"", &[&a, &b]).await;
    until(&gateway, |names| names.len() == 2).await;
    let address = a.address;
    a.kill().await;
    assert_eq!(
        names(&gateway, 50).await.get("b"),
        Some(&50),
        "others answer meanwhile"
    );
    let _a = replica_at(address, named("a")).await;
    until(&gateway, |names| names.len() == 2).await;
}

#[tokio::test]
async fn a_draining_replica_finishes_what_it_has_and_gets_nothing_new() {
    let (a, b) = (replica(named("a")).await, replica(named("b")).await);
    let gateway = gateway("", &[&a, &b]).await;
    let running: Vec<_> = (0..8)
        .map(|_| {
            let address = gateway.address;
            tokio::spawn(async move {
                let mut client = crate::split::client(address).await;
                let request = http::Request::get("/anything/slow")
                    .header("host", "x")
                    .body(axum::body::Body::empty())
                    .unwrap();
                crate::split::read(client.send_request(request).await.unwrap())
                    .await
                    .status
            })
        })
        .collect();
    sleep(Duration::from_millis(100)).await;
    a.draining.begin();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(names(&gateway, 50).await.get("b"), Some(&50));
    for one in running {
        assert_eq!(one.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn while_none_is_fit_all_are_tried() {
    let only = replica(named("only")).await;
    let gateway = gateway("", &[&only]).await;
    only.draining.begin();
    sleep(Duration::from_millis(400)).await;
    assert_eq!(name(&gateway).await, "only");
}

#[tokio::test]
async fn each_address_of_a_name_is_a_replica() {
    // localhost is 127.0.0.1, and on most machines ::1 as well, where nobody listens.
    let a = replica(named("a")).await;
    let gateway = gateway_to("", &[format!("http://localhost:{}", a.address.port())]).await;
    let begun = Instant::now();
    while gateway.get("/anything/name").await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(5));
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(names(&gateway, 20).await.get("a"), Some(&20));
}
