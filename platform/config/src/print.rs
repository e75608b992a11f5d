//! Settings as TOML for people.

use std::fmt::Write;

use toml::{Table, Value};

use crate::{Source, value};

/// Writes settings section by section, in their order. `source` says for a key and its value what to tell of its origin.
pub(crate) fn table(values: &Table, source: impl Fn(&str, &Value) -> Option<Source>) -> String {
    let mut out = String::new();
    section(&mut out, "", values, &source);
    out
}

fn section(out: &mut String, name: &str, values: &Table, source: &dyn Fn(&str, &Value) -> Option<Source>) {
    let dotted = |key: &str| {
        if name.is_empty() {
            key.to_owned()
        } else {
            format!("{name}.{key}")
        }
    };
    let (inner, plain): (Vec<_>, Vec<_>) = values.iter().partition(|(_, value)| value.is_table());
    if !name.is_empty() && !plain.is_empty() {
        let gap = if out.is_empty() { "" } else { "\n" };
        line(out, format_args!("{gap}[{name}]"));
    }
    for (key, value) in plain {
        let full = dotted(key);
        let comment = source(&full, value)
            .map(|source| format!(" # from {source}"))
            .unwrap_or_default();
        line(
            out,
            format_args!("{key} = {}{comment}", value::shown(&full, value)),
        );
    }
    for (key, value) in inner {
        if let Value::Table(table) = value {
            section(out, &dotted(key), table, source);
        }
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{text}");
}
