//! Notices to the owners of an organization.

use stoa_service::{Channel, Criticality, DefaultTemplate, NotificationType};

/// By mail and in the inbox. The mails name people by their addresses, which auth says when they are sent.
const TO_OWNERS: NotificationType = NotificationType {
    criticality: Criticality::Critical,
    channels: &[Channel::InApp, Channel::Email],
    to_unverified: true,
    details: true,
    sample: r#"{"organization_id": "01890000-0000-7000-8000-000000000000", "organization": "Analytical <Engines>", "domain": "example.org", "purge_at": "2026-05-01T12:00:00Z", "about": "mary@example.org", "by": "charles@example.org"}"#,
    ..NotificationType::named("", "organization")
};

/// One in English: the subject of its mail and its title in the inbox; a sentence without its full stop for the mail, and a text for the
/// inbox, which has no addresses; what else the mail says, as text and as HTML; and what to do about it.
macro_rules! english {
    ($subject:literal, $event:literal, $more:literal, $more_html:literal, $then:literal) => {
        DefaultTemplate::email(
            "en",
            $subject,
            concat!(
                "Hello,\n\nThis is about {{ organization }} at {{ product }}. You are, or were, one of its owners.\n\n",
                $event,
                ".{% if about != by %} {{ by or 'Somebody' }} did this.{% endif %}\n\n",
                $more,
                "If you expected this, do nothing. If not, sign in and ",
                $then,
                ". If you are\nnamed here and did not do it, choose a new password at once: {{ public_url }}/auth/forgotten\n"
            ),
            concat!(
                "{% extends \"layout.html\" %}\n{% block body %}\n<p>This is about {{ organization }} at {{ product }}. You are, or were, one of its owners.</p>\n<p><strong>",
                $event,
                ".</strong>{% if about != by %} {{ by or 'Somebody' }} did this.{% endif %}</p>\n",
                $more_html,
                "<p>If you expected this, do nothing. If not, sign in and ",
                $then,
                ". If you are named here and did not do it, <a href=\"{{ public_url }}/auth/forgotten\">choose a new password</a> at once.</p>\n{% endblock %}\n"
            ),
        )
    };
}

/// The same in German.
macro_rules! german {
    ($subject:literal, $event:literal, $more:literal, $more_html:literal, $then:literal) => {
        DefaultTemplate::email(
            "de",
            $subject,
            concat!(
                "Guten Tag,\n\nes geht um {{ organization }} bei {{ product }}. Sie sind oder waren Inhaber dieser Organisation.\n\n",
                $event,
                ".{% if about != by %} Veranlasst hat das {{ by or 'jemand' }}.{% endif %}\n\n",
                $more,
                "Wenn Sie damit gerechnet haben, brauchen Sie nichts zu tun. Wenn nicht, melden Sie sich an und ",
                $then,
                ". Wenn Sie\nhier genannt sind und es nicht waren, wählen Sie sofort ein neues Passwort: {{ public_url }}/auth/forgotten\n"
            ),
            concat!(
                "{% extends \"layout.html\" %}\n{% block body %}\n<p>Es geht um {{ organization }} bei {{ product }}. Sie sind oder waren Inhaber dieser Organisation.</p>\n<p><strong>",
                $event,
                ".</strong>{% if about != by %} Veranlasst hat das {{ by or 'jemand' }}.{% endif %}</p>\n",
                $more_html,
                "<p>Wenn Sie damit gerechnet haben, brauchen Sie nichts zu tun. Wenn nicht, melden Sie sich an und ",
                $then,
                ". Wenn Sie hier genannt sind und es nicht waren, <a href=\"{{ public_url }}/auth/forgotten\">wählen Sie sofort ein neues Passwort</a>.</p>\n{% endblock %}\n"
            ),
        )
    };
}

/// A notice: its name, what it tells of, and for each language what `english!` says, where the last three may be left out.
macro_rules! notice {
    ($name:literal, $about:literal, [$($en:literal),*], [$($de:literal),*]) => {
        notice!(
            $name, $about,
            [$($en),*; "", "", "look at its members, domains and keys"],
            [$($de),*; "", "", "prüfen Sie Mitglieder, Domains und API-Schlüssel"]
        )
    };
    ($name:literal, $about:literal,
     [$subject:literal, $title:literal, $event:literal, $text:literal; $($more:literal),*],
     [$subject_de:literal, $title_de:literal, $event_de:literal, $text_de:literal; $($more_de:literal),*]) => {
        NotificationType {
            name: $name,
            about: $about,
            templates: &[
                english!($subject, $event, $($more),*),
                german!($subject_de, $event_de, $($more_de),*),
                DefaultTemplate::in_app("en", $title, $text),
                DefaultTemplate::in_app("de", $title_de, $text_de),
            ],
            ..TO_OWNERS
        }
    };
}

pub(super) const OWNER_ADDED: NotificationType = notice!(
    "organization.owner_added",
    "An organization of yours has a new owner",
    [
        "{{ organization }} at {{ product }} has a new owner",
        "{{ organization }} has a new owner",
        "{{ about or 'Somebody' }} is an owner now",
        "A member of {{ organization }} is an owner now. If you did not expect this, look at its members."
    ],
    [
        "{{ organization }} bei {{ product }} hat einen neuen Inhaber",
        "{{ organization }} hat einen neuen Inhaber",
        "{{ about or 'Jemand' }} ist jetzt Inhaber",
        "Ein Mitglied von {{ organization }} ist jetzt Inhaber. Wenn Sie damit nicht gerechnet haben, prüfen Sie die Mitglieder."
    ]
);

pub(super) const OWNER_REMOVED: NotificationType = notice!(
    "organization.owner_removed",
    "An organization of yours has one owner less",
    [
        "Somebody is no longer an owner of {{ organization }} at {{ product }}",
        "Somebody is no longer an owner of {{ organization }}",
        "{{ about or 'Somebody' }} is no longer an owner",
        "An owner of {{ organization }} is no longer one. If you did not expect this, look at its members."
    ],
    [
        "Jemand ist nicht mehr Inhaber von {{ organization }} bei {{ product }}",
        "Jemand ist nicht mehr Inhaber von {{ organization }}",
        "{{ about or 'Jemand' }} ist nicht mehr Inhaber",
        "Ein Inhaber von {{ organization }} ist es nicht mehr. Wenn Sie damit nicht gerechnet haben, prüfen Sie die Mitglieder."
    ]
);

pub(super) const DELETED: NotificationType = notice!(
    "organization.deleted",
    "An organization of yours was deleted",
    [
        "{{ organization }} at {{ product }} was deleted",
        "{{ organization }} was deleted",
        "{{ about or 'Somebody' }} has deleted it",
        "{{ organization }} was deleted.{% if purge_at %} Until {{ purge_at|date_time }} an owner can restore it. Then everything that it owns is erased.{% endif %}";
        "{% if purge_at %}Until {{ purge_at|date_time }} an owner can restore it. Then everything that it owns is erased.\n\n{% endif %}",
        "{% if purge_at %}<p>Until {{ purge_at|date_time }} an owner can restore it. Then everything that it owns is erased.</p>\n{% endif %}",
        "restore the organization"
    ],
    [
        "{{ organization }} bei {{ product }} wurde gelöscht",
        "{{ organization }} wurde gelöscht",
        "{{ about or 'Jemand' }} hat die Organisation gelöscht",
        "{{ organization }} wurde gelöscht.{% if purge_at %} Bis zum {{ purge_at|date_time }} kann ein Inhaber sie wiederherstellen. Danach wird alles gelöscht, was ihr gehört.{% endif %}";
        "{% if purge_at %}Bis zum {{ purge_at|date_time }} kann ein Inhaber sie wiederherstellen. Danach wird alles gelöscht, was ihr gehört.\n\n{% endif %}",
        "{% if purge_at %}<p>Bis zum {{ purge_at|date_time }} kann ein Inhaber sie wiederherstellen. Danach wird alles gelöscht, was ihr gehört.</p>\n{% endif %}",
        "stellen Sie die Organisation wieder her"
    ]
);

pub(super) const DOMAIN_VERIFIED: NotificationType = notice!(
    "organization.domain_verified",
    "People of a domain can join an organization of yours",
    [
        "People of {{ domain }} can join {{ organization }} at {{ product }}",
        "People of {{ domain }} can join {{ organization }}",
        "People with a verified address at {{ domain }} can join it without an invitation",
        "People with a verified address at {{ domain }} can join {{ organization }} without an invitation."
    ],
    [
        "Personen von {{ domain }} können {{ organization }} bei {{ product }} beitreten",
        "Personen von {{ domain }} können {{ organization }} beitreten",
        "Wer eine bestätigte Adresse bei {{ domain }} hat, kann ohne Einladung beitreten",
        "Wer eine bestätigte Adresse bei {{ domain }} hat, kann {{ organization }} ohne Einladung beitreten."
    ]
);

pub(super) const API_KEYS_REMOVED: NotificationType = notice!(
    "organization.api_keys_removed",
    "API keys of an organization of yours were removed",
    [
        "API keys of {{ organization }} at {{ product }} were removed",
        "API keys of {{ organization }} were removed",
        "{{ about or 'Somebody' }} has chosen a new password, and the API keys that they had made for it were removed",
        "A member of {{ organization }} has chosen a new password, and the API keys that they had made for it were removed."
    ],
    [
        "API-Schlüssel von {{ organization }} bei {{ product }} wurden entfernt",
        "API-Schlüssel von {{ organization }} wurden entfernt",
        "{{ about or 'Jemand' }} hat ein neues Passwort gewählt, und die API-Schlüssel, die mit diesem Konto für die Organisation erstellt worden waren, wurden entfernt",
        "Ein Mitglied von {{ organization }} hat ein neues Passwort gewählt, und die API-Schlüssel, die es für die Organisation erstellt hatte, wurden entfernt."
    ]
);
