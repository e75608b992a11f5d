//! What is told of services of other processes: by `/health`, and in metrics.

use std::time::Duration;

use axum::Router;
use metrics_exporter_prometheus::PrometheusBuilder;
use stoa_edge::{Draining, PagesParts, pages};
use stoa_gateway::Upstreams;

use crate::{
    split::{gateway_on, replica},
    story::{Answer, Story, config, from, story_with},
};

fn pages_of(settings: &str, draining: &Draining) -> Story {
    let upstreams = Upstreams::new(
        &config(&format!("upstream.check_every = \"100ms\"\n{settings}")),
        None,
    )
    .unwrap();
    story_with("trusted_proxies = [\"10.0.0.0/8\"]", |edge| {
        let parts = PagesParts {
            version: "1.2.3",
            public_url: "http://stoa.test".into(),
            mailbox: false,
            checks: upstreams.checks(),
            codes: Vec::new(),
            metrics: std::sync::Arc::new(String::new),
            metrics_from: vec!["10.0.0.0/8".parse().unwrap()],
            draining: draining.clone(),
        };
        (edge.router, edge.openapi) = pages(parts).split_for_parts();
        edge.forwarded = upstreams.routes(Vec::new());
        edge.tunnels = upstreams.tunnels();
    })
}

async fn inside(story: &Story, path: &str) -> Answer {
    story.send(from("10.0.0.9", "GET", path)).await
}

#[tokio::test]
async fn each_service_tells_its_replicas_and_one_that_is_gone_is_no_reason_to_stop() {
    let shop = replica(Router::new()).await;
    let settings = format!(
        "upstreams.shop = [\"{}\", \"http://127.0.0.1:9\"]\nupstreams.post = [\"http://127.0.0.1:9\"]",
        shop.url()
    );
    let story = pages_of(&settings, &Draining::default());
    tokio::time::sleep(Duration::from_millis(800)).await;
    let health = inside(&story, "/health").await.json();
    assert_eq!(health["status"], "degraded", "{health}");
    let check = |name: &str| {
        let checks = health["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap().clone()
    };
    let detail = check("upstream.shop")["detail"].clone();
    assert_eq!(detail[shop.address.to_string()], "ready, 0 in flight");
    assert_eq!(detail["127.0.0.1:9"], "no answer, 0 in flight");
    assert_eq!(check("upstream.shop")["status"], "degraded");
    assert_eq!(
        check("upstream.post")["error"],
        "no replica is ready; 127.0.0.1:9: no answer"
    );
    assert_eq!(check("upstreams")["detail"]["reached"], "1 of 2");
    assert_eq!(inside(&story, "/health/ready").await.status, 200);

    shop.kill().await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(
        inside(&story, "/health/ready").await.status,
        503,
        "now it is cut off"
    );
}

#[tokio::test]
async fn a_process_that_is_about_to_stop_says_so_and_serves_on() {
    let draining = Draining::default();
    let story = pages_of("", &draining);
    assert_eq!(inside(&story, "/health/ready").await.status, 200);
    draining.begin();
    assert_eq!(inside(&story, "/health/ready").await.status, 503);
    assert_eq!(inside(&story, "/health/live").await.status, 200);

    let shop = replica(Router::new()).await;
    assert_eq!(shop.get("/plain").await.header("connection"), "");
    shop.draining.begin();
    let answer = shop.get("/plain").await;
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
}

#[test]
fn requests_are_counted_by_service_replica_and_outcome() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address = metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let shop = replica(Router::new()).await;
            // On this thread, where the recorder is.
            let gateway = gateway_on(0, "", &[shop.url()], None).await;
            for path in ["/plain", "/plain", "/own", "/things/7"] {
                gateway.get(path).await;
            }
            shop.address
        })
    });
    let text = recorder.handle().render();
    for line in [
        format!(
            "stoa_upstream_requests_total{{service=\"shop\",upstream=\"{address}\",outcome=\"answered\"}} 4"
        ),
        format!("stoa_upstream_request_seconds_count{{service=\"shop\",upstream=\"{address}\"}} 4"),
        format!("stoa_upstream_healthy{{service=\"shop\",upstream=\"{address}\"}} 1"),
        "stoa_upstream_breaker_open{service=\"shop\"} 0".to_owned(),
        "stoa_upstream_retries_total{service=\"shop\"} 0".to_owned(),
    ] {
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
    for route in ["/plain", "/things/{id}"] {
        assert!(
            text.contains(&format!("route=\"{route}\"")),
            "routes are named as in one process: {text}"
        );
    }
}
