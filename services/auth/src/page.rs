//! The pages that links in mails lead to, as a template.

use minijinja::{AutoEscape, Environment, HtmlEscape, Output, State, Value};

/// The template, read once.
pub(crate) struct PageTemplate(Environment<'static>);

impl PageTemplate {
    pub(crate) fn new() -> Result<Self, String> {
        let mut env = Environment::new();
        env.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        env.set_formatter(escape);
        env.add_template("page.html", include_str!("../templates/page.html"))
            .map_err(|e| format!("the page is broken: {e}"))?;
        Ok(Self(env))
    }

    pub(crate) fn render(&self, content: Value) -> Result<String, String> {
        let rendered = self
            .0
            .get_template("page.html")
            .and_then(|page| page.render(content));
        rendered.map_err(|e| format!("a page cannot be written: {e}"))
    }
}

/// As minijinja escapes, but for slashes: programs that make links of the text of a mail do not know them when they are escaped.
fn escape(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if *state.auto_escape() == AutoEscape::Html && !value.is_safe() => {
            let escaped = HtmlEscape(text).to_string().replace("&#x2f;", "/");
            Ok(out.write_str(&escaped)?)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}
