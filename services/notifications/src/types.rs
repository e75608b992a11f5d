//! The types of notifications: those that this service sends itself, and all that services of this program list.

use std::collections::BTreeMap;

use serde_json::Value;
use stoa_service::{Channel, Criticality, DefaultTemplate, NotificationType};

/// What follows from a registration. The name that somebody has registered with is only shown in the inbox: an address that nobody
/// has verified gets no text that a stranger wrote.
pub(crate) const WELCOME: NotificationType = NotificationType {
    about: "Somebody has registered",
    channels: &[Channel::InApp, Channel::Email],
    to_unverified: true,
    sample: r#"{"first_name": "Ada"}"#,
    templates: &[
        DefaultTemplate::email(
            "en",
            "Welcome to {{ product }}",
            include_str!("../templates/account.welcome/email.en.txt"),
            include_str!("../templates/account.welcome/email.en.html"),
        ),
        DefaultTemplate::email(
            "de",
            "Willkommen bei {{ product }}",
            include_str!("../templates/account.welcome/email.de.txt"),
            include_str!("../templates/account.welcome/email.de.html"),
        ),
        DefaultTemplate::in_app(
            "en",
            "Welcome to {{ product }}",
            "Hello{% if first_name %} {{ first_name }}{% endif %}, your account is ready.",
        ),
        DefaultTemplate::in_app(
            "de",
            "Willkommen bei {{ product }}",
            "Hallo{% if first_name %} {{ first_name }}{% endif %}, Ihr Konto ist bereit.",
        ),
    ],
    ..NotificationType::named("account.welcome", "account")
};

/// What people are warned by of changes that a thief of a session makes: whatever they have chosen, also at an address that nobody has
/// verified, and without text that a stranger wrote.
const NOTICE: NotificationType = NotificationType {
    criticality: Criticality::Critical,
    channels: &[Channel::InApp, Channel::Email],
    to_unverified: true,
    ..NotificationType::named("", "security")
};

/// Text messages go to another number from now on.
pub(crate) const PHONE_CHANGED: NotificationType = NotificationType {
    name: "account.phone_changed",
    about: "Text messages go to another number",
    sample: r#"{"number": "+49***67"}"#,
    templates: &[
        DefaultTemplate::email(
            "en",
            "Your phone number for {{ product }} was changed",
            include_str!("../templates/account.phone_changed/email.en.txt"),
            include_str!("../templates/account.phone_changed/email.en.html"),
        ),
        DefaultTemplate::email(
            "de",
            "Ihre Telefonnummer für {{ product }} wurde geändert",
            include_str!("../templates/account.phone_changed/email.de.txt"),
            include_str!("../templates/account.phone_changed/email.de.html"),
        ),
        DefaultTemplate::in_app(
            "en",
            "Your phone number was changed",
            "Text messages go to {{ number }} from now on. If that was not you, choose a new password at once.",
        ),
        DefaultTemplate::in_app(
            "de",
            "Ihre Telefonnummer wurde geändert",
            "Textnachrichten gehen von jetzt an an {{ number }}. Wenn Sie es nicht waren, wählen Sie sofort ein neues Passwort.",
        ),
    ],
    ..NOTICE
};

/// There are no text messages any more.
pub(crate) const PHONE_REMOVED: NotificationType = NotificationType {
    name: "account.phone_removed",
    about: "Your phone number was removed",
    sample: r#"{"by_reset": false}"#,
    templates: &[
        DefaultTemplate::email(
            "en",
            "Your phone number for {{ product }} was removed",
            include_str!("../templates/account.phone_removed/email.en.txt"),
            include_str!("../templates/account.phone_removed/email.en.html"),
        ),
        DefaultTemplate::email(
            "de",
            "Ihre Telefonnummer für {{ product }} wurde entfernt",
            include_str!("../templates/account.phone_removed/email.de.txt"),
            include_str!("../templates/account.phone_removed/email.de.html"),
        ),
        DefaultTemplate::in_app(
            "en",
            "Your phone number was removed",
            "{% if by_reset %}Your password was reset, and the number had been added lately. If it is yours, add it again.{% else %}If that was not you, choose a new password at once.{% endif %}",
        ),
        DefaultTemplate::in_app(
            "de",
            "Ihre Telefonnummer wurde entfernt",
            "{% if by_reset %}Ihr Passwort wurde zurückgesetzt, und die Nummer war erst vor Kurzem dazugekommen. Wenn es Ihre ist, fügen Sie sie wieder hinzu.{% else %}Wenn Sie es nicht waren, wählen Sie sofort ein neues Passwort.{% endif %}",
        ),
    ],
    ..NOTICE
};

/// All types, by name.
pub(crate) struct Types(BTreeMap<&'static str, &'static NotificationType>);

impl Types {
    /// # Errors
    /// When two have one name, or one of them could not be sent.
    pub(crate) fn new(all: &[&'static NotificationType]) -> Result<Self, String> {
        let mut known = BTreeMap::new();
        for one in all {
            check(one).map_err(|why| format!("the notification type {}: {why}", one.name))?;
            if known.insert(one.name, *one).is_some() {
                return Err(format!("two notification types have the name {}", one.name));
            }
        }
        Ok(Self(known))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'static NotificationType> {
        self.0.get(name).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static NotificationType> {
        self.0.values().copied()
    }
}

fn check(one: &NotificationType) -> Result<(), String> {
    let sample: Value =
        serde_json::from_str(one.sample).map_err(|e| format!("its sample is not JSON: {e}"))?;
    if !sample.is_object() {
        return Err("its sample is not an object".to_owned());
    }
    if one.details
        && one
            .channels
            .iter()
            .any(|channel| !matches!(channel, Channel::Email | Channel::InApp))
    {
        return Err("it has details, which only mails can say".to_owned());
    }
    for channel in one.channels {
        let english = |text: &&DefaultTemplate| text.channel == *channel && text.language == "en";
        if !one.templates.iter().any(|text| english(&text)) {
            return Err(format!("it has no English text for {}", channel.name()));
        }
    }
    Ok(())
}

/// Languages in which a text is looked for: `de-CH`, then `de`, then `en`.
pub(crate) fn languages(wanted: Option<&str>) -> Vec<String> {
    let mut languages = Vec::new();
    let mut rest = wanted;
    while let Some(tag) = rest {
        languages.push(tag.to_owned());
        rest = tag.rsplit_once('-').map(|(parent, _)| parent);
    }
    if languages.iter().all(|tag| tag != "en") {
        languages.push("en".to_owned());
    }
    languages
}

/// The embedded text of a type for a channel, in the first of these languages that it has.
pub(crate) fn default_text(
    of: &NotificationType,
    channel: Channel,
    languages: &[String],
) -> Option<&'static DefaultTemplate> {
    languages.iter().find_map(|language| {
        let fits =
            |text: &&DefaultTemplate| text.channel == channel && text.language.eq_ignore_ascii_case(language);
        of.templates.iter().find(fits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_for_in_the_language_then_without_its_region_then_in_english() {
        assert_eq!(languages(Some("de-CH")), ["de-CH", "de", "en"]);
        assert_eq!(
            languages(Some("zh-Hant-TW")),
            ["zh-Hant-TW", "zh-Hant", "zh", "en"]
        );
        assert_eq!(languages(Some("en-GB")), ["en-GB", "en"]);
        assert_eq!(languages(None), ["en"]);
        let subject = |language| {
            let found = default_text(&WELCOME, Channel::Email, &languages(Some(language)));
            found.map(|text| text.subject)
        };
        assert_eq!(subject("de-CH"), Some("Willkommen bei {{ product }}"));
        assert_eq!(subject("el"), Some("Welcome to {{ product }}"));
    }

    #[test]
    fn a_type_that_could_not_be_sent_is_refused() {
        static NO_TEXT: NotificationType = NotificationType::named("a.b", "a");
        static NO_SAMPLE: NotificationType = NotificationType {
            sample: "[]",
            channels: &[],
            ..NotificationType::named("a.b", "a")
        };
        for wrong in [&[&NO_TEXT][..], &[&NO_SAMPLE], &[&WELCOME, &WELCOME]] {
            assert!(Types::new(wrong).is_err());
        }
        assert!(Types::new(&[&WELCOME]).is_ok());
    }
}
