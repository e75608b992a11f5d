//! One event as one line of JSON: `{"time":…,"level":…,"target":…,"message":…, fields…, "spans":[…]}`.

use std::{error::Error, fmt};

use serde::Serialize;
use stoa_kernel::Clock;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

pub(crate) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Object(String::with_capacity(256));
        line.add("time", &Clock::system().now());
        line.add("level", metadata.level().as_str());
        line.add("target", metadata.target());
        event.record(&mut line);
        if let Some(scope) = context.event_scope() {
            let spans = scope.from_root().map(|span| {
                let extensions = span.extensions();
                let fields = extensions
                    .get::<FormattedFields<N>>()
                    .map_or("", |fields| fields.fields.as_str());
                with_name(span.name(), fields)
            });
            line.add_raw("spans", &format!("[{}]", spans.collect::<Vec<_>>().join(",")));
        }
        writer.write_str(&line.0)?;
        writer.write_str("}\n")
    }
}

/// The span's fields, which are an object already, with its name put first.
fn with_name(name: &str, fields: &str) -> String {
    let mut object = Object(String::new());
    object.add("span", name);
    match fields.strip_prefix('{').filter(|rest| *rest != "}") {
        Some(rest) => object.0 + "," + rest,
        None => object.0 + "}",
    }
}

/// A JSON object without its closing brace.
struct Object(String);

impl Object {
    fn add<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        // Plain values can always be written; null stands for one that cannot.
        self.add_raw(
            name,
            &serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()),
        );
    }

    fn add_raw(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&serde_json::to_string(name).unwrap_or_default());
        self.0.push(':');
        self.0.push_str(json);
    }
}

impl Visit for Object {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), &value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), &value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), &value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), &value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field.name(), &value.to_string());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), &format!("{value:?}"));
    }
}
