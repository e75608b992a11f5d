//! Sending traces to an OTLP collector.

use std::time::Duration;

use opentelemetry::{
    Context, KeyValue,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::{Span, Subscriber, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use crate::{TelemetryConfig, TelemetryError, TraceParent};

/// How long sending a batch may take, and how long the end of the process waits for the last one.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Crates that take part in sending: their spans would cause further ones without end.
const SENDERS: [&str; 5] = ["h2", "hyper", "opentelemetry", "tonic", "tower"];

/// The way to the collector, if one is named. Spans are sent in batches from a thread of their own.
pub(crate) fn provider(
    config: &TelemetryConfig,
    service_name: &'static str,
) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    config.check()?;
    let endpoint = &config.otlp_endpoint;
    if endpoint.is_empty() {
        return Ok(None);
    }
    let wrong = |why: String| {
        TelemetryError(format!(
            "telemetry.otlp_endpoint: '{endpoint}' cannot be used: {why}"
        ))
    };
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(TelemetryError(
            "traces can be sent from within a tokio runtime only".to_owned(),
        ));
    }
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(TIMEOUT);
    let resource = Resource::builder()
        .with_service_name(service_name)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let ratio = Sampler::TraceIdRatioBased(config.trace_ratio);
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter.build().map_err(|e| wrong(e.to_string()))?)
        .with_sampler(Sampler::ParentBased(Box::new(ratio)))
        .with_resource(resource.build());
    Ok(Some(provider.build()))
}

/// Hands spans to `provider`.
pub(crate) fn layer<S>(
    provider: &SdkTracerProvider,
    service_name: &'static str,
) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let quiet = SENDERS.map(|target| (target, LevelFilter::OFF));
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(service_name))
        .with_filter(Targets::new().with_default(LevelFilter::INFO).with_targets(quiet))
}

/// Makes `span` part of the trace that came with a request, an event or a job. Nothing happens unless traces are sent.
pub fn adopt(span: &Span, parent: &TraceParent) {
    let flags = if parent.is_sampled() {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    };
    let remote = SpanContext::new(
        TraceId::from_bytes(*parent.trace_id()),
        SpanId::from_bytes(*parent.span_id()),
        flags,
        true,
        TraceState::default(),
    );
    // Fails only where no traces are sent.
    let _ = span.set_parent(Context::new().with_remote_span_context(remote));
}
