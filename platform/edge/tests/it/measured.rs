//! What is measured of requests.

use metrics_exporter_prometheus::PrometheusBuilder;

use crate::story::{request, story};

#[test]
fn durations_are_kept_by_route_method_and_class_whatever_is_asked_for() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let story = story("");
            for path in [
                "/things/1",
                "/things/2",
                "/unknown/1",
                "/unknown/2",
                "/things/1/more",
            ] {
                story.get(path).await;
            }
            story.send(request("PURGE", "/plain")).await;
        });
    });
    let text = recorder.handle().render();
    for (method, route, status, count) in [
        ("GET", "/things/{id}", "2xx", 2),
        ("GET", "(none)", "4xx", 3),
        ("other", "/plain", "4xx", 1),
    ] {
        let line = format!(
            "http_request_duration_seconds_count{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}} {count}"
        );
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
    assert!(!text.contains("unknown"), "labels are not of the callers' making");
    assert!(text.contains("http_requests_in_flight 0"), "{text}");
}
