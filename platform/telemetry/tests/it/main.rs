//! What is set up once for a process, so in one test: traces to a collector, metrics, and refusing a second time.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::{net::SocketAddr, time::Duration};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
};
use stoa_telemetry::{LogFormat, TelemetryConfig, TraceParent, adopt};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};
use tracing::Instrument;

/// Hands on what it is sent.
struct Collector(mpsc::UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0
            .send(request.into_inner())
            .map_err(|_| Status::internal("the test is over"))?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn collector() -> (SocketAddr, mpsc::UnboundedReceiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::unbounded_channel();
    let server = Server::builder().add_service(TraceServiceServer::new(Collector(sender)));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (address, received)
}

fn config(endpoint: &str) -> TelemetryConfig {
    TelemetryConfig {
        log: "info".to_owned(),
        log_format: LogFormat::Json,
        otlp_endpoint: endpoint.to_owned(),
        trace_ratio: 1.0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_reach_the_collector_and_metrics_are_rendered() {
    for endpoint in ["collector:4317", "https://collector:4317", "http://a b"] {
        let error = stoa_telemetry::init(&config(endpoint), "stoa").err().unwrap();
        assert!(
            error.to_string().starts_with("telemetry.otlp_endpoint"),
            "{error}"
        );
    }
    let mut wrong = config("");
    wrong.trace_ratio = 1.5;
    assert!(
        stoa_telemetry::init(&wrong, "stoa")
            .err()
            .unwrap()
            .to_string()
            .starts_with("telemetry.trace_ratio")
    );

    let (address, mut received) = collector().await;
    let telemetry = stoa_telemetry::init(&config(&format!("http://{address}")), "stoa-test").unwrap();
    assert!(telemetry.traces());
    assert!(
        stoa_telemetry::init(&config(""), "stoa").is_err(),
        "a second time"
    );

    let (parent, unsampled) = (TraceParent::generate(true), TraceParent::generate(false));
    for (from, name) in [(&parent, "ada"), (&unsampled, "eve")] {
        let span = tracing::info_span!("register", user = name);
        adopt(&span, from);
        async { tracing::info!("inside") }.instrument(span).await;
    }
    telemetry.shutdown();
    telemetry.shutdown();
    let sent = tokio::time::timeout(Duration::from_secs(10), received.recv())
        .await
        .unwrap()
        .unwrap();
    let resource = &sent.resource_spans[0];
    let name = resource
        .resource
        .as_ref()
        .unwrap()
        .attributes
        .iter()
        .find(|a| a.key == "service.name")
        .unwrap();
    assert_eq!(
        name.value.as_ref().unwrap().value,
        Some(Value::StringValue("stoa-test".to_owned()))
    );
    let spans: Vec<_> = resource
        .scope_spans
        .iter()
        .flat_map(|scope| &scope.spans)
        .collect();
    assert_eq!(
        spans.len(),
        1,
        "the trace whose beginner did not record it is not sent: {spans:?}"
    );
    assert_eq!(spans[0].name, "register");
    assert_eq!(spans[0].trace_id, parent.trace_id());
    assert_eq!(spans[0].parent_span_id, parent.span_id());
    assert!(spans[0].attributes.iter().any(|a| a.key == "user"));

    metrics::counter!("test_things_total", "kind" => "good").increment(3);
    metrics::histogram!("test_duration_seconds").record(0.003);
    metrics::histogram!("test_size_bytes").record(2000.0);
    let text = telemetry.metrics().render();
    for line in [
        "test_things_total{kind=\"good\"} 3",
        "test_duration_seconds_bucket{le=\"0.0025\"} 0",
        "test_duration_seconds_bucket{le=\"0.005\"} 1",
        "test_size_bytes_bucket{le=\"4096\"} 1",
        "# TYPE process_resident_memory_bytes gauge",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}
