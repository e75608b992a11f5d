//! What `garde` finds wrong, as fields with stable codes.

use std::{borrow::Cow, fmt::Display};

use garde::{
    Validate,
    i18n::{I18n, InvalidCreditCard, InvalidEmail, InvalidPhoneNumber, InvalidUrl, IpKind, with_i18n},
};

use stoa_kernel::text;

use crate::{Failure, Result, codes};

/// Stands between code and message in the one text that `garde` carries.
const BETWEEN: char = '\u{1f}';

/// Checks `value`, and lists every wrong field.
pub(crate) fn check<T: Validate<Context = ()>>(value: &T) -> Result<()> {
    let Err(report) = with_i18n(Messages, || value.validate()) else {
        return Ok(());
    };
    let mut failure = Failure::new(codes::INVALID_INPUT);
    for (path, error) in report.iter() {
        let (code, message) = error
            .message()
            .split_once(BETWEEN)
            .unwrap_or(("invalid", error.message()));
        failure = failure.field(path.to_string(), code.to_owned(), message);
    }
    Err(failure)
}

/// For custom rules of `garde`: an error with a code of its own. A plain `garde::Error` has the code `invalid`.
#[must_use]
pub fn field_error(code: &'static str, message: impl Display) -> garde::Error {
    garde::Error::new(format!("{code}{BETWEEN}{message}"))
}

/// For custom rules of `garde`: a line of text in which something can be seen, of at most `most` characters. It is kept as
/// [`text::line`] has it.
///
/// # Errors
/// `blank`, `too_long` or `invalid`.
pub fn is_line(given: &str, most: usize) -> garde::Result {
    let Some(line) = text::line(given) else {
        return Err(field_error("blank", "It has no visible characters"));
    };
    if line.chars().count() > most {
        return Err(field_error(
            "too_long",
            format_args!("The greatest length is {most}"),
        ));
    }
    if line.contains(text::is_forbidden) {
        return Err(field_error("invalid", "Control characters are not accepted"));
    }
    Ok(())
}

fn say(code: &str, message: impl Display) -> Cow<'static, str> {
    format!("{code}{BETWEEN}{message}").into()
}

struct Messages;

impl I18n for Messages {
    fn length_lower_than(&self, min: usize) -> Cow<'static, str> {
        say("too_short", format_args!("The shortest length is {min}"))
    }
    fn length_greater_than(&self, max: usize) -> Cow<'static, str> {
        say("too_long", format_args!("The greatest length is {max}"))
    }
    fn range_lower_than(&self, min: &dyn Display) -> Cow<'static, str> {
        say("range", format_args!("The least value is {min}"))
    }
    fn range_greater_than(&self, max: &dyn Display) -> Cow<'static, str> {
        say("range", format_args!("The greatest value is {max}"))
    }
    fn credit_card_invalid(&self, reason: InvalidCreditCard) -> Cow<'static, str> {
        say("format", format_args!("Not a card number: {reason}"))
    }
    fn pattern_no_match(&self, pattern: &dyn Display) -> Cow<'static, str> {
        say("format", format_args!("It must match {pattern}"))
    }
    fn contains_missing(&self, pattern: &dyn Display) -> Cow<'static, str> {
        say("format", format_args!("It must contain \"{pattern}\""))
    }
    fn url_invalid(&self, reason: InvalidUrl) -> Cow<'static, str> {
        say("format", format_args!("Not a URL: {reason}"))
    }
    fn prefix_missing(&self, pattern: &dyn Display) -> Cow<'static, str> {
        say("format", format_args!("It must begin with \"{pattern}\""))
    }
    fn suffix_missing(&self, pattern: &dyn Display) -> Cow<'static, str> {
        say("format", format_args!("It must end with \"{pattern}\""))
    }
    fn phone_number_invalid(&self, reason: InvalidPhoneNumber) -> Cow<'static, str> {
        say("format", format_args!("Not a phone number: {reason}"))
    }
    fn ip_invalid(&self, kind: IpKind) -> Cow<'static, str> {
        say("format", format_args!("Not an {kind} address"))
    }
    fn matches_field_mismatch(&self, field: &dyn Display) -> Cow<'static, str> {
        say("invalid", format_args!("It must be the same as {field}"))
    }
    fn email_invalid(&self, reason: InvalidEmail) -> Cow<'static, str> {
        say("format", format_args!("Not an e-mail address: {reason}"))
    }
    fn ascii_invalid(&self) -> Cow<'static, str> {
        say("format", "Only ASCII characters are accepted")
    }
    fn alphanumeric_invalid(&self) -> Cow<'static, str> {
        say("format", "Only letters and digits are accepted")
    }
    fn required_not_set(&self) -> Cow<'static, str> {
        say("missing_field", "This field is required")
    }
}
