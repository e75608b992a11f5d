//! What a template may do that somebody writes: show data, decide and repeat. Whatever makes much of little is refused, for steps are
//! counted when a template runs, and memory is not.

use minijinja::machinery::{Token, tokenize};

/// Longest part of a template, in bytes.
pub(crate) const SOURCE_MAX: usize = 32 * 1024;
/// Filters that make a text hardly longer than it was, and nothing that is not escaped.
const FILTERS: [&str; 19] = [
    "abs",
    "capitalize",
    "count",
    "date_time",
    "default",
    "duration",
    "e",
    "escape",
    "first",
    "int",
    "join",
    "last",
    "length",
    "lower",
    "role_name",
    "round",
    "title",
    "trim",
    "upper",
];
/// Statements.
const STATEMENTS: [&str; 10] = [
    "if", "elif", "else", "endif", "for", "endfor", "block", "endblock", "extends", "raw",
];

/// Refuses what a template may not do: the line, counted from 1, and why.
pub(crate) fn check(source: &str) -> Result<(), (usize, String)> {
    check_up_to(source, SOURCE_MAX)
}

/// The same of a part that may have so many bytes.
pub(crate) fn check_up_to(source: &str, most: usize) -> Result<(), (usize, String)> {
    if source.len() > most {
        return Err((1, format!("it has more than {most} bytes")));
    }
    // The text before a token says what it is.
    let mut before: Option<Token<'_>> = None;
    let mut name: Option<&str> = None;
    for found in tokenize(source, false, minijinja::syntax::SyntaxConfig::default()) {
        // What cannot be read at all is said when it is rendered.
        let Ok((token, span)) = found else { return Ok(()) };
        let line = usize::from(span.start_line).max(1);
        let refuse = |what: String| Err((line, what));
        match (&before, &token) {
            (Some(Token::BlockStart), Token::Ident(word)) if !STATEMENTS.contains(word) => {
                return refuse(format!("'{word}' cannot be used here"));
            }
            (Some(Token::Pipe), Token::Ident(filter)) if !FILTERS.contains(filter) => {
                return refuse(format!("the filter '{filter}' cannot be used here"));
            }
            (_, Token::Ident("recursive")) => return refuse("'recursive' cannot be used here".to_owned()),
            (_, Token::Mul | Token::Pow | Token::Tilde) => {
                return refuse("'*', '**' and '~' cannot be used here".to_owned());
            }
            (Some(Token::Ident(called)), Token::ParenOpen)
                if name.is_none()
                    && !["and", "or", "not", "in", "if", "else", "is", "elif"].contains(called) =>
            {
                return refuse(format!("'{called}' cannot be called here"));
            }
            _ => {}
        }
        // A filter is called with its arguments.
        name = match (&before, &token) {
            (Some(Token::Pipe), Token::Ident(filter)) => Some(filter),
            _ => None,
        };
        before = Some(token);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_texts_need_can_be_done() {
        for source in [
            "plain { text } 100 %",
            "{{ name }} {{ a.b[0] }} {{ name|upper|default('x') }} {{ items|join(', ') }}",
            "{% extends 'layout.html' %}{% block body %}{{ x }}{% endblock %}",
            "{% if a and (b or not c) %}{{ a }}{% elif b is defined %}x{% else %}y{% endif %}",
            "{% for item in items %}{{ loop.index + 1 }}{{ item }}{% else %}none{% endfor %}",
            "{{ 'a' if (b) else 'c' }}{# a comment #}",
        ] {
            assert_eq!(check(source), Ok(()), "{source}");
        }
    }

    #[test]
    fn what_makes_much_of_little_is_refused_with_its_line() {
        for source in [
            "\n{{ 'x' * 100000000 }}",
            "\n{% set x = x ~ x %}",
            "\n{{ x ~ x }}",
            "\n{{ 2 ** 99 }}",
            "\n{% macro m() %}{% endmacro %}",
            "\n{% include 'x' %}",
            "\n{% import 'x' as y %}",
            "\n{% filter upper %}x{% endfilter %}",
            "\n{% for x in y recursive %}{{ loop(x) }}{% endfor %}",
            "\n{% for x in range(100000) %}x{% endfor %}",
            "\n{{ x|replace('a', 'aaaaaaaa') }}",
            "\n{{ x|safe }}",
            "\n{{ x|indent(100000000) }}",
            "\n{{ debug() }}",
            "\n{{ x.y() }}",
        ] {
            let (line, why) = check(source).unwrap_err();
            assert_eq!(line, 2, "{source}: {why}");
        }
        assert!(check(&"x".repeat(SOURCE_MAX + 1)).is_err());
    }
}
