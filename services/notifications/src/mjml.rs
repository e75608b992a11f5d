//! HTML of mails that is written as MJML: made once, when it is saved. Statements of templates stay in it as they are.

use std::collections::HashMap;

use mrml::prelude::{
    parser::{Error, ParserOptions},
    render::RenderOptions,
};

/// Longest HTML that may come of it, in bytes.
pub(crate) const HTML_MAX: usize = 128 * 1024;
/// Elements within each other: each takes of the stack.
const DEPTH: usize = 40;
/// Elements of HTML that have no end.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
];

/// The HTML that it stands for; or the line, counted from 1, and why it stands for none. It reads no other file, and names no fonts to be loaded
/// from elsewhere.
pub(crate) fn compile(source: &str) -> Result<String, (usize, String)> {
    if let Some(line) = too_deep(source) {
        return Err((line, format!("more than {DEPTH} elements are within each other")));
    }
    let parsed = mrml::parse_with_options(source, &ParserOptions::default());
    let parsed = parsed.map_err(|error| refusal(source, &error))?;
    if let Some(warning) = parsed.warnings.first() {
        let line = line_of(source, warning.span.start);
        return Err((line, warning.kind.to_string().replace('-', " ")));
    }
    let options = RenderOptions {
        fonts: HashMap::new(),
        ..RenderOptions::default()
    };
    let html = parsed.element.render(&options).map_err(|e| (1, e.to_string()))?;
    // What is not known is passed on as it is.
    if let Some((_, rest)) = html.split_once("<mj-") {
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        let position = source.find(&format!("<mj-{name}")).unwrap_or_default();
        return Err((
            line_of(source, position),
            format!("'mj-{name}' is not known, or cannot stand here"),
        ));
    }
    if html.len() > HTML_MAX {
        return Err((1, format!("it makes more than {HTML_MAX} bytes of HTML")));
    }
    Ok(html)
}

fn refusal(source: &str, error: &Error) -> (usize, String) {
    let at = |position: usize, words: &str| (line_of(source, position), words.to_owned());
    let end = source.len();
    match error {
        Error::UnexpectedElement { position, .. } => at(position.start, "this element cannot stand here"),
        Error::UnexpectedToken { position, .. } => at(position.start, "this cannot stand here"),
        Error::MissingAttribute { name, position, .. } => {
            at(position.start, &format!("the attribute '{name}' is missing"))
        }
        Error::InvalidAttribute { position, .. } => at(position.start, "this attribute cannot be read"),
        Error::InvalidFormat { position, .. } => at(position.start, "this cannot be read"),
        Error::IncludeLoaderError { position, .. } => at(position.start, "nothing can be included"),
        Error::EndOfStream { .. } => at(end, "it ends early"),
        Error::SizeLimit { .. } => at(0, "it is too long"),
        Error::ParserError { source: cause, .. } => (
            usize::try_from(cause.pos().row).unwrap_or(1).max(1),
            "it is no XML".to_owned(),
        ),
        Error::NoRootNode => at(0, "it does not begin with <mjml>"),
    }
}

fn line_of(source: &str, position: usize) -> usize {
    let before = source.as_bytes().iter().take(position);
    before.filter(|byte| **byte == b'\n').count() + 1
}

/// The line in which elements are too deep within each other, if they are.
fn too_deep(source: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, _) in source.match_indices('<') {
        let rest = &source[at + 1..];
        if rest.starts_with('/') {
            depth = depth.saturating_sub(1);
            continue;
        }
        let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        let ends_itself = rest.find('>').is_some_and(|end| rest[..end].ends_with('/'));
        if name.is_empty() || ends_itself || VOID.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        depth += 1;
        if depth > DEPTH {
            return Some(line_of(source, at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "<mjml>\n<mj-body>\n<mj-section><mj-column>\n<mj-text>Order {{ order }}<br>{% if a %}x{% endif %}</mj-text>\n\
        <mj-button href=\"{{ public_url }}/orders\">Look</mj-button>\n</mj-column></mj-section>\n</mj-body>\n</mjml>";

    #[test]
    fn it_makes_tables_and_leaves_statements_of_templates_alone() {
        let html = compile(GOOD).unwrap();
        for part in [
            "<table",
            "Order {{ order }}<br",
            "{% if a %}x{% endif %}",
            "href=\"{{ public_url }}/orders\"",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("fonts.googleapis"), "{html}");
    }

    #[test]
    fn what_is_broken_is_said_with_its_line() {
        for (source, line) in [
            ("", 1),
            ("plain", 1),
            ("<html></html>", 1),
            ("<mjml>\n<mj-body>\n<mj-nonsense/>\n</mj-body></mjml>", 3),
            ("<mjml>\n<mj-body>\n<mj-section>\n</mj-body></mjml>", 4),
            (
                "<mjml>\n<mj-head>\n<mj-include path=\"/etc/passwd\"/></mj-head><mj-body></mj-body></mjml>",
                3,
            ),
            ("<mjml>\n<mj-body", 2),
        ] {
            let (at, why) = compile(source).unwrap_err();
            assert_eq!(at, line, "{source}: {why}");
        }
    }

    #[test]
    fn nothing_that_is_deep_or_makes_much_gets_far() {
        let deep = |open: &str| format!("<mjml><mj-body><mj-raw>\n{}", open.repeat(8000));
        for open in ["<a>", "<mj-section>", "<a b='/'>", "<div\n>"] {
            assert!(compile(&deep(open)).unwrap_err().0 > 1, "{open}");
        }
        let much = format!("<mjml><mj-body>{}</mj-body></mjml>", "<mj-section/>".repeat(2000));
        assert!(compile(&much).unwrap_err().1.contains("more than"));
        let breaks = format!(
            "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section></mj-body></mjml>",
            "<br>x".repeat(200)
        );
        assert!(compile(&breaks).is_ok());
    }
}
