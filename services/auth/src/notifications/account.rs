//! Notifications about somebody's account. All of them are critical: they go out at once, also to an address that is not verified.

use stoa_service::{Channel, Criticality, DefaultTemplate, NotificationType};

/// By mail alone, with a link that auth makes when the mail is sent.
const LINK: NotificationType = NotificationType {
    criticality: Criticality::Critical,
    channels: &[Channel::Email],
    to_unverified: true,
    details: true,
    sample: r#"{"user_id": "01890000-0000-7000-8000-000000000000", "link": "https://stoa.example/auth/verify?token=abc&x=1", "works_for": "2 days"}"#,
    ..NotificationType::named("", "security")
};

pub(super) const VERIFY_EMAIL: NotificationType = NotificationType {
    name: "account.verify_email",
    about: "A link by which you show that your address is yours",
    category: "account",
    templates: &[DefaultTemplate {
        subject: "Verify your e-mail address for {{ product }}",
        text: include_str!("../../templates/verify_email.en.txt"),
        html: include_str!("../../templates/verify_email.en.html"),
        ..DefaultTemplate::empty(Channel::Email, "en")
    }],
    ..LINK
};

pub(super) const PASSWORD_RESET: NotificationType = NotificationType {
    name: "account.password_reset",
    about: "A link to a new password, which somebody has asked for",
    templates: &[DefaultTemplate {
        subject: "Choose a new password for {{ product }}",
        text: include_str!("../../templates/reset_password.en.txt"),
        html: include_str!("../../templates/reset_password.en.html"),
        ..DefaultTemplate::empty(Channel::Email, "en")
    }],
    ..LINK
};

/// By mail and in the inbox.
const NOTICE: NotificationType = NotificationType {
    criticality: Criticality::Critical,
    channels: &[Channel::InApp, Channel::Email],
    to_unverified: true,
    ..NotificationType::named("", "security")
};

pub(super) const GUESSES_LIMITED: NotificationType = NotificationType {
    name: "account.guesses_limited",
    about: "Somebody has entered too many wrong passwords or codes for your account",
    templates: &[
        DefaultTemplate {
            subject: "Somebody is trying to get into your account at {{ product }}",
            text: include_str!("../../templates/guesses_limited.en.txt"),
            html: include_str!("../../templates/guesses_limited.en.html"),
            ..DefaultTemplate::empty(Channel::Email, "en")
        },
        DefaultTemplate {
            subject: "Somebody is trying to get into your account",
            text: "Somebody who is signed in to your account, or who knows its password, has entered too many wrong passwords or codes. \
                   If it was not you, choose a new password at once.",
            ..DefaultTemplate::empty(Channel::InApp, "en")
        },
    ],
    ..NOTICE
};

/// A notice that only tells what happened: its name, what it tells of, the subjects of the mail and in the inbox, and a sentence
/// without its full stop.
macro_rules! notice {
    ($name:literal, $about:literal, $subject:literal, $title:literal, $event:literal) => {
        NotificationType {
            name: $name,
            about: $about,
            templates: &[
                DefaultTemplate {
                    subject: $subject,
                    text: concat!(
                        "Hello,\n\nThis is about your account {{ email }} at {{ product }}.\n\n",
                        $event,
                        ".\n\nIf it was you, do nothing. If not, choose a new password at once, which ends every session and every API \
                         key of the account: {{ public_url }}/auth/forgotten\n"
                    ),
                    html: concat!(
                        "{% extends \"layout.html\" %}\n{% block body %}\n<p>This is about your account {{ email }} at {{ product }}.</p>\n<p><strong>",
                        $event,
                        ".</strong></p>\n<p>If it was you, do nothing. If not, <a href=\"{{ public_url }}/auth/forgotten\">choose a new \
                         password</a> at once, which ends every session and every API key of the account.</p>\n{% endblock %}\n"
                    ),
                    ..DefaultTemplate::empty(Channel::Email, "en")
                },
                DefaultTemplate {
                    subject: $title,
                    text: concat!($event, ". If it was not you, choose a new password at once."),
                    ..DefaultTemplate::empty(Channel::InApp, "en")
                },
            ],
            ..NOTICE
        }
    };
}

pub(super) const PASSWORD_CHANGED: NotificationType = notice!(
    "account.password_changed",
    "Your password was changed",
    "Your password for {{ product }} was changed",
    "Your password was changed",
    "The password was changed"
);

pub(super) const API_KEY_CREATED: NotificationType = notice!(
    "account.api_key_created",
    "An API key was made with your account",
    "An API key was made for {{ product }}",
    "An API key was made",
    "An API key was made"
);

pub(super) const API_KEYS_REMOVED: NotificationType = notice!(
    "account.api_keys_removed",
    "All API keys of your account were removed",
    "Your API keys for {{ product }} were removed",
    "Your API keys were removed",
    "All API keys were removed"
);

pub(super) const SECOND_FACTOR_ENABLED: NotificationType = notice!(
    "account.second_factor_enabled",
    "A second factor was set up for your account",
    "A second factor was set up for {{ product }}",
    "A second factor was set up",
    "A second factor was set up, and signing in now asks for its code"
);

pub(super) const SECOND_FACTOR_DISABLED: NotificationType = notice!(
    "account.second_factor_disabled",
    "The second factor of your account was removed",
    "Your second factor for {{ product }} was removed",
    "Your second factor was removed",
    "The second factor was removed, and signing in asks for no code any more"
);

pub(super) const RECOVERY_CODES_RENEWED: NotificationType = notice!(
    "account.recovery_codes_renewed",
    "New recovery codes were made for your account",
    "New recovery codes were made for {{ product }}",
    "New recovery codes were made",
    "New recovery codes were made, and the old ones no longer work"
);
