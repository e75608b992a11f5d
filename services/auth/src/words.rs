//! What is said in words, in mails and on pages.

use std::time::Duration;

use stoa_kernel::OrganizationRole;

/// "a member", "an owner".
pub(crate) fn with_article(role: OrganizationRole) -> String {
    let name = role.name();
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {name}")
}

/// A length of time in words: "2 days", "1 hour", "90 minutes".
pub(crate) fn in_words(time: Duration) -> String {
    let minutes = time.as_secs().div_ceil(60).max(1);
    let (count, unit) = match minutes {
        m if m % 1440 == 0 => (m / 1440, "day"),
        m if m % 60 == 0 => (m / 60, "hour"),
        m => (m, "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_words() {
        let words = |minutes: u64| in_words(Duration::from_secs(minutes * 60));
        assert_eq!(
            [words(0), words(1), words(60), words(90), words(2880)],
            ["1 minute", "1 minute", "1 hour", "90 minutes", "2 days"]
        );
    }
}
