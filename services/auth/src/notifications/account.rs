//! Notifications about somebody's account. All of them are critical: they go out at once, also to an address that is not verified.

use stoa_service::{Channel, Criticality, DefaultTemplate, NotificationType};

/// By mail alone, with a link that auth makes when the mail is sent.
const LINK: NotificationType = NotificationType {
    criticality: Criticality::Critical,
    channels: &[Channel::Email],
    to_unverified: true,
    details: true,
    sample: r#"{"user_id": "01890000-0000-7000-8000-000000000000", "link": "https://stoa.example/auth/verify?token=abc&x=1", "works_for": 172800}"#,
    ..NotificationType::named("", "security")
};

pub(super) const VERIFY_EMAIL: NotificationType = NotificationType {
    name: "account.verify_email",
    about: "A link by which you show that your address is yours",
    category: "account",
    templates: &[
        DefaultTemplate::email(
            "en",
            "Verify your e-mail address for {{ product }}",
            include_str!("../../templates/verify_email.en.txt"),
            include_str!("../../templates/verify_email.en.html"),
        ),
        DefaultTemplate::email(
            "de",
            "Bestätigen Sie Ihre E-Mail-Adresse für {{ product }}",
            include_str!("../../templates/verify_email.de.txt"),
            include_str!("../../templates/verify_email.de.html"),
        ),
    ],
    ..LINK
};

pub(super) const PASSWORD_RESET: NotificationType = NotificationType {
    name: "account.password_reset",
    about: "A link to a new password, which somebody has asked for",
    templates: &[
        DefaultTemplate::email(
            "en",
            "Choose a new password for {{ product }}",
            include_str!("../../templates/reset_password.en.txt"),
            include_str!("../../templates/reset_password.en.html"),
        ),
        DefaultTemplate::email(
            "de",
            "Wählen Sie ein neues Passwort für {{ product }}",
            include_str!("../../templates/reset_password.de.txt"),
            include_str!("../../templates/reset_password.de.html"),
        ),
    ],
    ..LINK
};

/// By mail and in the inbox; those with a text for it also by SMS, to people who have chosen that.
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
        DefaultTemplate::email(
            "en",
            "Somebody is trying to get into your account at {{ product }}",
            include_str!("../../templates/guesses_limited.en.txt"),
            include_str!("../../templates/guesses_limited.en.html"),
        ),
        DefaultTemplate::email(
            "de",
            "Jemand versucht, in Ihr Konto bei {{ product }} zu gelangen",
            include_str!("../../templates/guesses_limited.de.txt"),
            include_str!("../../templates/guesses_limited.de.html"),
        ),
        DefaultTemplate::in_app(
            "en",
            "Somebody is trying to get into your account",
            "Somebody who is signed in to your account, or who knows its password, has entered too many wrong passwords or codes. \
             If it was not you, choose a new password at once.",
        ),
        DefaultTemplate::in_app(
            "de",
            "Jemand versucht, in Ihr Konto zu gelangen",
            "Jemand, der in Ihrem Konto angemeldet ist oder dessen Passwort kennt, hat zu oft falsche Passwörter oder Codes eingegeben. \
             Wenn Sie es nicht waren, wählen Sie sofort ein neues Passwort.",
        ),
        DefaultTemplate::sms(
            "en",
            "{{ product }}: Too many wrong passwords or codes were entered for your account. If it was not you, choose a new password at \
             once: {{ public_url }}/auth/forgotten",
        ),
        DefaultTemplate::sms(
            "de",
            "{{ product }}: Für Ihr Konto wurden zu oft falsche Passwörter oder Codes eingegeben. Wenn Sie es nicht waren, wählen Sie sofort \
             ein neues Passwort: {{ public_url }}/auth/forgotten",
        ),
    ],
    ..NOTICE
};

/// A notice that only tells what happened: its name, what it tells of, and for each language the subject of the mail, the title in the
/// inbox, and a sentence without its full stop. Then its other texts.
macro_rules! notice {
    ($name:literal, $about:literal, [$subject:literal, $title:literal, $event:literal],
     [$subject_de:literal, $title_de:literal, $event_de:literal] $(, $more:expr)*) => {
        NotificationType {
            name: $name,
            about: $about,
            templates: &[
                DefaultTemplate::email(
                    "en",
                    $subject,
                    concat!(
                        "Hello,\n\nThis is about your account {{ email }} at {{ product }}.\n\n",
                        $event,
                        ".\n\nIf it was you, do nothing. If not, choose a new password at once, which ends every session and every API \
                         key of the account: {{ public_url }}/auth/forgotten\n"
                    ),
                    concat!(
                        "{% extends \"layout.html\" %}\n{% block body %}\n<p>This is about your account {{ email }} at {{ product }}.</p>\n<p><strong>",
                        $event,
                        ".</strong></p>\n<p>If it was you, do nothing. If not, <a href=\"{{ public_url }}/auth/forgotten\">choose a new \
                         password</a> at once, which ends every session and every API key of the account.</p>\n{% endblock %}\n"
                    ),
                ),
                DefaultTemplate::email(
                    "de",
                    $subject_de,
                    concat!(
                        "Guten Tag,\n\nes geht um Ihr Konto {{ email }} bei {{ product }}.\n\n",
                        $event_de,
                        ".\n\nWenn Sie es waren, brauchen Sie nichts zu tun. Wenn nicht, wählen Sie sofort ein neues Passwort. Das beendet \
                         alle Sitzungen und alle API-Schlüssel des Kontos: {{ public_url }}/auth/forgotten\n"
                    ),
                    concat!(
                        "{% extends \"layout.html\" %}\n{% block body %}\n<p>Es geht um Ihr Konto {{ email }} bei {{ product }}.</p>\n<p><strong>",
                        $event_de,
                        ".</strong></p>\n<p>Wenn Sie es waren, brauchen Sie nichts zu tun. Wenn nicht, <a href=\"{{ public_url }}/auth/forgotten\">wählen \
                         Sie sofort ein neues Passwort</a>. Das beendet alle Sitzungen und alle API-Schlüssel des Kontos.</p>\n{% endblock %}\n"
                    ),
                ),
                DefaultTemplate::in_app(
                    "en",
                    $title,
                    concat!($event, ". If it was not you, choose a new password at once."),
                ),
                DefaultTemplate::in_app(
                    "de",
                    $title_de,
                    concat!($event_de, ". Wenn Sie es nicht waren, wählen Sie sofort ein neues Passwort."),
                ),
                $($more,)*
            ],
            ..NOTICE
        }
    };
}

pub(super) const PASSWORD_CHANGED: NotificationType = notice!(
    "account.password_changed",
    "Your password was changed",
    [
        "Your password for {{ product }} was changed",
        "Your password was changed",
        "The password was changed"
    ],
    [
        "Ihr Passwort für {{ product }} wurde geändert",
        "Ihr Passwort wurde geändert",
        "Das Passwort wurde geändert"
    ],
    DefaultTemplate::sms(
        "en",
        "{{ product }}: Your password was changed. If it was not you, choose a new one at once: {{ public_url }}/auth/forgotten"
    ),
    DefaultTemplate::sms(
        "de",
        "{{ product }}: Ihr Passwort wurde geändert. Wenn Sie es nicht waren, wählen Sie sofort ein neues: {{ public_url }}/auth/forgotten"
    )
);

pub(super) const API_KEY_CREATED: NotificationType = notice!(
    "account.api_key_created",
    "An API key was made with your account",
    [
        "An API key was made for {{ product }}",
        "An API key was made",
        "An API key was made"
    ],
    [
        "Ein API-Schlüssel für {{ product }} wurde erstellt",
        "Ein API-Schlüssel wurde erstellt",
        "Ein API-Schlüssel wurde erstellt"
    ]
);

pub(super) const API_KEYS_REMOVED: NotificationType = notice!(
    "account.api_keys_removed",
    "All API keys of your account were removed",
    [
        "Your API keys for {{ product }} were removed",
        "Your API keys were removed",
        "All API keys were removed"
    ],
    [
        "Ihre API-Schlüssel für {{ product }} wurden entfernt",
        "Ihre API-Schlüssel wurden entfernt",
        "Alle API-Schlüssel wurden entfernt"
    ]
);

pub(super) const SECOND_FACTOR_ENABLED: NotificationType = notice!(
    "account.second_factor_enabled",
    "A second factor was set up for your account",
    [
        "A second factor was set up for {{ product }}",
        "A second factor was set up",
        "A second factor was set up, and signing in now asks for its code"
    ],
    [
        "Ein zweiter Faktor für {{ product }} wurde eingerichtet",
        "Ein zweiter Faktor wurde eingerichtet",
        "Ein zweiter Faktor wurde eingerichtet, und bei der Anmeldung wird nun nach seinem Code gefragt"
    ]
);

pub(super) const SECOND_FACTOR_DISABLED: NotificationType = notice!(
    "account.second_factor_disabled",
    "The second factor of your account was removed",
    [
        "Your second factor for {{ product }} was removed",
        "Your second factor was removed",
        "The second factor was removed, and signing in asks for no code any more"
    ],
    [
        "Ihr zweiter Faktor für {{ product }} wurde entfernt",
        "Ihr zweiter Faktor wurde entfernt",
        "Der zweite Faktor wurde entfernt, und bei der Anmeldung wird nicht mehr nach einem Code gefragt"
    ],
    DefaultTemplate::sms(
        "en",
        "{{ product }}: Your second factor was removed. If it was not you, choose a new password at once: {{ public_url }}/auth/forgotten"
    ),
    DefaultTemplate::sms(
        "de",
        "{{ product }}: Ihr zweiter Faktor wurde entfernt. Wenn Sie es nicht waren, wählen Sie sofort ein neues Passwort: {{ public_url }}/auth/forgotten"
    )
);

pub(super) const RECOVERY_CODES_RENEWED: NotificationType = notice!(
    "account.recovery_codes_renewed",
    "New recovery codes were made for your account",
    [
        "New recovery codes were made for {{ product }}",
        "New recovery codes were made",
        "New recovery codes were made, and the old ones no longer work"
    ],
    [
        "Neue Wiederherstellungscodes für {{ product }} wurden erstellt",
        "Neue Wiederherstellungscodes wurden erstellt",
        "Neue Wiederherstellungscodes wurden erstellt, und die alten gelten nicht mehr"
    ]
);
