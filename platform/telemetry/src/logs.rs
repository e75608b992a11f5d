//! Log lines: which, and how they look.

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{self, format::JsonFields, writer::BoxMakeWriter},
    registry::LookupSpan,
    reload,
};

use crate::{LogFormat, TelemetryConfig, TelemetryError, json_line::JsonLine};

/// Writes log lines.
type Lines<S> = Box<dyn Layer<S> + Send + Sync>;
/// What is logged, to be changed while the process runs.
pub(crate) type Directives<S> = reload::Handle<EnvFilter, S>;

/// Writes what the settings ask for to `writer`.
pub(crate) fn layer<S>(
    config: &TelemetryConfig,
    writer: BoxMakeWriter,
    terminal: bool,
) -> Result<(Lines<S>, Directives<S>), TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let (filter, directives) = reload::Layer::new(config.filter()?);
    let json = match config.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let layer = fmt::layer().with_ansi(false).with_writer(writer);
    let layer = if json {
        layer
            .fmt_fields(JsonFields::new())
            .event_format(JsonLine)
            .with_filter(filter)
            .boxed()
    } else {
        layer.compact().with_filter(filter).boxed()
    };
    Ok((layer, directives))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::Arc,
    };

    use parking_lot::Mutex;
    use serde_json::Value;
    use tracing_subscriber::{Registry, layer::SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `work` logs.
    fn logged(log: &str, log_format: LogFormat, terminal: bool, work: impl FnOnce()) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let config = TelemetryConfig {
            log: log.to_owned(),
            log_format,
            otlp_endpoint: String::new(),
            trace_ratio: 1.0,
        };
        let (layer, _) = layer(&config, BoxMakeWriter::new(move || writer.clone()), terminal).unwrap();
        tracing::subscriber::with_default(Registry::default().with(layer), work);
        let bytes = memory.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_is_one_object_with_the_events_fields_and_its_spans() {
        let text = logged("info", LogFormat::Json, true, || {
            let _outer = tracing::info_span!("job", name = "send \"mail\"", attempt = 2).entered();
            let _inner = tracing::info_span!("inner").entered();
            let error = io::Error::other("disk\nfull");
            tracing::warn!(user = "ada", count = 3, share = 0.5, last = true, %error, "it failed: {}", "line\nfeed");
        });
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "it failed: line\nfeed");
        assert_eq!(line["target"], "stoa_telemetry::logs::tests");
        assert_eq!(
            (&line["user"], &line["count"], &line["share"]),
            (&"ada".into(), &3.into(), &0.5.into())
        );
        assert_eq!(
            (&line["last"], &line["error"]),
            (&true.into(), &"disk\nfull".into())
        );
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        assert_eq!(
            line["spans"],
            serde_json::json!([{"span": "job", "name": "send \"mail\"", "attempt": 2}, {"span": "inner"}])
        );
    }

    #[test]
    fn a_line_outside_of_spans_names_none() {
        let text = logged("info", LogFormat::Json, true, || tracing::info!("hello"));
        assert!(
            serde_json::from_str::<Value>(&text)
                .unwrap()
                .get("spans")
                .is_none(),
            "{text}"
        );
    }

    #[test]
    fn auto_is_text_on_a_terminal_and_json_elsewhere() {
        let on = |terminal| logged("info", LogFormat::Auto, terminal, || tracing::info!("hello"));
        assert!(on(false).starts_with('{'));
        assert!(!on(true).starts_with('{') && on(true).contains("hello"));
    }

    #[test]
    fn directives_choose_what_is_logged() {
        let say = || {
            tracing::info!("quiet");
            tracing::warn!("loud");
            tracing::debug!(target: "stoa_auth", "detail");
        };
        let text = logged("warn,stoa_auth=debug", LogFormat::Json, true, say);
        assert!(
            !text.contains("quiet") && text.contains("loud") && text.contains("detail"),
            "{text}"
        );
    }

    #[test]
    fn wrong_directives_name_the_setting() {
        let config = TelemetryConfig {
            log: "info,=x=".to_owned(),
            log_format: LogFormat::Auto,
            otlp_endpoint: String::new(),
            trace_ratio: 1.0,
        };
        let Err(error) = layer::<Registry>(&config, BoxMakeWriter::new(io::sink), true) else {
            panic!("accepted")
        };
        assert!(
            error.to_string().starts_with("telemetry.log: 'info,=x='"),
            "{error}"
        );
    }
}
