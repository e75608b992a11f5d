//! Templates and what is made of them. A template reads its data and nothing else; steps and length of the result are bounded.

use std::io;

use minijinja::{AutoEscape, Environment, ErrorKind, HtmlEscape, Output, State, UndefinedBehavior};
use serde_json::{Map, Value};
use stoa_kernel::text;
use stoa_notifications_api::filters;
use stoa_service::DefaultTemplate;

/// Steps that one part may take: some thousand lines of a table.
const FUEL: u64 = 100_000;
/// Longest subject or title, in characters.
const SUBJECT_MAX: usize = 250;
/// Longest text or HTML, in bytes.
const BODY_MAX: usize = 256 * 1024;

/// The page, and what the HTML of mails extends.
const SHARED: [(&str, &str); 4] = [
    ("page.html", include_str!("../templates/page.html")),
    ("layout.html", include_str!("../templates/layout.html")),
    ("button.html", include_str!("../templates/button.html")),
    ("link.html", include_str!("../templates/link.html")),
];

/// What every text can say beside its data.
const OWN: [&str; 6] = [
    "product",
    "public_url",
    "language",
    "unsubscribe_url",
    "email",
    "subject",
];

/// The templates of one text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    pub(crate) subject: &'a str,
    pub(crate) text: &'a str,
    pub(crate) html: &'a str,
    pub(crate) link: &'a str,
}

impl From<&'static DefaultTemplate> for Sources<'static> {
    fn from(given: &'static DefaultTemplate) -> Self {
        Self {
            subject: given.subject,
            text: given.text,
            html: given.html,
            link: given.link,
        }
    }
}

/// A text as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
    /// Below the public address.
    pub(crate) link: Option<String>,
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part}, line {line}: {message}")]
pub(crate) struct Broken {
    /// `subject`, `text`, `html` or `link`.
    pub(crate) part: &'static str,
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// What every text can say beside its data.
#[derive(Clone, Debug)]
pub(crate) struct About<'a> {
    pub(crate) product: &'a str,
    /// Without a slash at its end.
    pub(crate) public_url: &'a str,
    pub(crate) language: &'a str,
    /// Empty where nobody can unsubscribe.
    pub(crate) unsubscribe_url: &'a str,
    /// Where a mail goes to; none for what is no mail.
    pub(crate) email: Option<&'a str>,
}

/// Makes texts of templates.
pub(crate) struct Renderer(Environment<'static>);

impl Renderer {
    pub(crate) fn new() -> Result<Self, String> {
        let mut env = Environment::new();
        env.set_auto_escape_callback(|name| {
            if name == "html" || name.ends_with(".html") {
                AutoEscape::Html
            } else {
                AutoEscape::None
            }
        });
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_formatter(escape);
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(50);
        env.set_debug(false);
        filters::add(&mut env);
        env.add_filter("join", join);
        for (name, source) in SHARED {
            env.add_template(name, source)
                .map_err(|e| format!("the template {name} is broken: {e}"))?;
        }
        Ok(Self(env))
    }

    /// A page.
    pub(crate) fn page(&self, context: &Map<String, Value>) -> Result<String, String> {
        let root = minijinja::Value::from(minijinja::value::Serde(context));
        let made = self
            .0
            .get_template("page.html")
            .and_then(|page| page.render(root));
        made.map_err(|e| format!("a page cannot be written: {e}"))
    }

    /// The text that these templates make of `data`.
    pub(crate) fn render(
        &self,
        sources: Sources<'_>,
        data: &Map<String, Value>,
        about: &About<'_>,
    ) -> Result<Rendered, Broken> {
        let mut context = data.clone();
        let own = [
            ("product", about.product),
            ("public_url", about.public_url),
            ("language", about.language),
            ("unsubscribe_url", about.unsubscribe_url),
        ];
        context.extend(own.map(|(name, value)| (name.to_owned(), Value::from(value))));
        if let Some(email) = about.email {
            context.insert("email".to_owned(), Value::from(email));
        }
        let subject = one_line(&self.part("subject", sources.subject, &context)?);
        context.insert("subject".to_owned(), Value::from(subject.as_str()));
        let optional = |part, source: &str| {
            let given = !source.trim().is_empty();
            given.then(|| self.part(part, source, &context)).transpose()
        };
        let link = optional("link", sources.link)?.map(|link| link.trim().to_owned());
        Ok(Rendered {
            text: self.part("text", sources.text, &context)?.trim_end().to_owned(),
            html: optional("html", sources.html)?,
            link: link.filter(|link| is_path(link)),
            subject,
        })
    }

    /// The variable that `data` lacks, where that is why these templates cannot be made of it: `order`, `order.number`.
    pub(crate) fn missing(
        &self,
        sources: Sources<'_>,
        data: &Map<String, Value>,
        broken: &Broken,
    ) -> Option<String> {
        if !broken.message.starts_with(&ErrorKind::UndefinedError.to_string()) {
            return None;
        }
        let source = match broken.part {
            "subject" => sources.subject,
            "text" => sources.text,
            "html" => sources.html,
            _ => sources.link,
        };
        let template = self.0.template_from_named_str(broken.part, source).ok()?;
        let lacks = |name: &String| !OWN.contains(&name.as_str()) && !has(data, name);
        let names = template.undeclared_variables(true).into_iter();
        let mut names: Vec<_> = names.filter(lacks).collect();
        names.sort_unstable();
        // Others may be looked at with care, elsewhere in it.
        let line = source
            .lines()
            .nth(broken.line.saturating_sub(1))
            .unwrap_or_default();
        let in_line = names.iter().position(|name| line.contains(name.as_str()));
        (!names.is_empty()).then(|| names.swap_remove(in_line.unwrap_or(0)))
    }

    fn part(&self, part: &'static str, source: &str, context: &Map<String, Value>) -> Result<String, Broken> {
        let broken = |error: minijinja::Error| Broken {
            part,
            line: error.line().unwrap_or(1),
            message: words(&error),
        };
        let template = self.0.template_from_named_str(part, source).map_err(broken)?;
        let mut out = Bounded(Vec::with_capacity(source.len() * 2));
        let root = minijinja::Value::from(minijinja::value::Serde(context));
        template.render_captured_to(root, &mut out).map_err(broken)?;
        String::from_utf8(out.0).map_err(|_| Broken {
            part,
            line: 1,
            message: "it does not make text".to_owned(),
        })
    }
}

/// Whether the data has this variable, `order` or `order.number`.
fn has(data: &Map<String, Value>, name: &str) -> bool {
    let mut parts = name.split('.');
    let first = parts.next().and_then(|part| data.get(part));
    parts
        .try_fold(first, |value, part| Some(value?.get(part)))
        .flatten()
        .is_some()
}

/// As the filter of minijinja, of lists alone, and no longer than a text may be: of a text it would be one piece for each of its characters.
fn join(list: minijinja::Value, between: Option<String>) -> Result<String, minijinja::Error> {
    let between = between.unwrap_or_default();
    let mut joined = String::new();
    for (number, item) in list.try_iter()?.enumerate() {
        if number > 0 {
            joined.push_str(&between);
        }
        joined.push_str(&item.to_string());
        if joined.len() > BODY_MAX {
            return Err(ErrorKind::WriteFailure.into());
        }
    }
    Ok(joined)
}

/// What is wrong, without the names of programs.
fn words(error: &minijinja::Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => "it takes too many steps".to_owned(),
        ErrorKind::WriteFailure => format!("it makes more than {BODY_MAX} bytes"),
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    }
}

fn one_line(subject: &str) -> String {
    let blank = |c: char| if text::is_forbidden(c) { ' ' } else { c };
    let line: String = subject.trim().chars().map(blank).collect();
    let words: Vec<_> = line.split_whitespace().collect();
    words.join(" ").chars().take(SUBJECT_MAX).collect()
}

/// Whether a link leads to a path of this installation and nowhere else.
fn is_path(link: &str) -> bool {
    link.starts_with('/') && !link.starts_with("//") && !link.contains(['\\', '\n', '\r', '\t'])
}

/// As minijinja escapes, but for slashes: programs that make links of the text of a mail do not know them when they are escaped.
fn escape(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &minijinja::Value,
) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if *state.auto_escape() == AutoEscape::Html && !value.is_safe() => {
            let escaped = HtmlEscape(text).to_string().replace("&#x2f;", "/");
            Ok(out.write_str(&escaped)?)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// Takes so much and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > BODY_MAX {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ABOUT: About<'_> = About {
        product: "Stoa",
        public_url: "https://stoa.example",
        language: "en",
        unsubscribe_url: "",
        email: None,
    };

    fn render(sources: Sources<'_>, data: &Value) -> Result<Rendered, Broken> {
        let data = data.as_object().unwrap();
        Renderer::new().unwrap().render(sources, data, &ABOUT)
    }

    fn of(
        subject: &'static str,
        text: &'static str,
        html: &'static str,
        link: &'static str,
    ) -> Sources<'static> {
        Sources {
            subject,
            text,
            html,
            link,
        }
    }

    #[test]
    fn html_is_escaped_and_text_is_not_and_a_subject_is_one_line() {
        let sources = of(
            "{{ name }}",
            "{{ name }}",
            "<p>{{ name }}</p>",
            "/people/{{ name }}",
        );
        let made = render(sources, &json!({"name": "<a>\r\nBcc: x"})).unwrap();
        assert_eq!(made.subject, "<a> Bcc: x");
        assert_eq!(made.text, "<a>\r\nBcc: x");
        assert_eq!(made.html.as_deref(), Some("<p>&lt;a&gt;\r\nBcc: x</p>"));
        assert_eq!(made.link, None, "it is no path");
    }

    #[test]
    fn the_variable_that_is_missing_is_named() {
        for (text, data, name) in [
            ("{{ order }}", json!({}), Some("order")),
            (
                "{{ product }}, {{ order.number.last }}",
                json!({"order": {"number": "1"}}),
                Some("order.number.last"),
            ),
            (
                "{{ order.number.last }}",
                json!({"order": "1"}),
                Some("order.number.last"),
            ),
            ("{% if a is defined %}{% endif %}\n{{ b }}", json!({}), Some("b")),
            (
                "{% for one in all %}{{ one }}{% endfor %}",
                json!({}),
                Some("all"),
            ),
            ("{{ 1 / order }}", json!({"order": "x"}), None),
        ] {
            let text = Box::leak(text.to_owned().into_boxed_str());
            let sources = of("s", text, "", "");
            let broken = render(sources, &data).unwrap_err();
            let missing = Renderer::new()
                .unwrap()
                .missing(sources, data.as_object().unwrap(), &broken);
            assert_eq!(missing.as_deref(), name, "{text}: {broken}");
        }
    }

    #[test]
    fn a_link_leads_nowhere_else() {
        for (link, kept) in [
            ("/a?b=c#d", true),
            ("//evil.example", false),
            ("https://evil.example", false),
            ("/\\evil", false),
        ] {
            let made = render(of("s", "t", "", "{{ link }}"), &json!({"link": link})).unwrap();
            assert_eq!(made.link.is_some(), kept, "{link}");
        }
    }

    #[test]
    fn lists_are_joined_and_no_text_is_made_of_many_short_ones() {
        let data = json!({"items": ["a", "b"], "long": vec!["x"; 1000]});
        let made = render(of("s", "{{ items|join(', ') }} {{ items|join }}", "", ""), &data);
        assert_eq!(made.unwrap().text, "a, b ab");
        let ten_thousand = "x".repeat(10_000);
        let texts = [
            format!("{{{{ (long|join('{ten_thousand}'))|length }}}}"),
            format!("{{{{ '{ten_thousand}'|join('{ten_thousand}')|length }}}}"),
        ];
        for text in texts {
            let text = Box::leak(text.into_boxed_str());
            assert!(render(of("s", text, "", ""), &data).is_err());
        }
    }

    #[test]
    fn what_is_broken_is_said_with_its_part_and_line() {
        for (sources, part, line, message) in [
            (of("{{ no }}", "t", "", ""), "subject", 1, "undefined"),
            (of("s", "a\n{% if %}", "", ""), "text", 2, "syntax"),
            (of("s", "t", "<p>\n\n{{ x.y.z }}", ""), "html", 3, "undefined"),
            (
                of(
                    "s",
                    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
                    "",
                    "",
                ),
                "text",
                1,
                "steps",
            ),
            (
                of(
                    "s",
                    "{% for i in range(9000) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}",
                    "",
                    "",
                ),
                "text",
                1,
                "bytes",
            ),
            (
                of("s", "{% include '/etc/passwd' %}", "", ""),
                "text",
                1,
                "not found",
            ),
        ] {
            let broken = render(sources, &json!({})).unwrap_err();
            assert_eq!((broken.part, broken.line), (part, line), "{broken}");
            assert!(broken.message.contains(message), "{broken}");
        }
    }
}
