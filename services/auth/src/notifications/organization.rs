//! Notifications about organizations.

use stoa_service::{Channel, Criticality, DefaultTemplate, NotificationType};

/// Somebody has given a member of an organization another role.
pub(crate) const ROLE_CHANGED: NotificationType = NotificationType {
    about: "Your role in an organization was changed",
    channels: &[Channel::InApp, Channel::Push],
    sample: r#"{"organization_id": "01890000-0000-7000-8000-000000000000", "organization": "Analytical Engines", "role": "an admin"}"#,
    templates: &[
        DefaultTemplate {
            subject: "Your role in {{ organization }} was changed",
            text: "You are {{ role }} now.",
            ..DefaultTemplate::empty(Channel::InApp, "en")
        },
        DefaultTemplate {
            subject: "Your role in {{ organization }} was changed",
            text: "You are {{ role }} now.",
            ..DefaultTemplate::empty(Channel::Push, "en")
        },
    ],
    ..NotificationType::named("organization.role_changed", "organization")
};

/// To an address that need not have an account. auth says which when the mail is sent, and makes its link.
const TO_ADDRESS: NotificationType = NotificationType {
    channels: &[Channel::Email],
    details: true,
    sample: r#"{"organization": "Analytical <Engines>", "by": "charles@example.org", "role": "an admin", "domain": "example.org", "link": "https://stoa.example/auth/invitation?token=abc&x=1", "works_for": "7 days"}"#,
    ..NotificationType::named("", "organization")
};

pub(super) const INVITATION: NotificationType = NotificationType {
    name: "organization.invitation",
    about: "Somebody invites you to an organization",
    templates: &[DefaultTemplate {
        subject: "You are invited to {{ organization }} at {{ product }}",
        text: include_str!("../../templates/invitation.en.txt"),
        html: include_str!("../../templates/invitation.en.html"),
        ..DefaultTemplate::empty(Channel::Email, "en")
    }],
    ..TO_ADDRESS
};

pub(super) const DOMAIN_CLAIMED: NotificationType = NotificationType {
    name: "organization.domain_claimed",
    about: "An organization asks the administrators of a domain whether its people may join",
    templates: &[DefaultTemplate {
        subject: "May people of {{ domain }} join {{ organization }} at {{ product }}?",
        text: include_str!("../../templates/domain.en.txt"),
        html: include_str!("../../templates/domain.en.html"),
        ..DefaultTemplate::empty(Channel::Email, "en")
    }],
    ..TO_ADDRESS
};

/// To the owners of an organization, by mail and in the inbox. Its mails name people by their addresses, which auth says when they are sent.
const TO_OWNERS: NotificationType = NotificationType {
    criticality: Criticality::Critical,
    channels: &[Channel::InApp, Channel::Email],
    to_unverified: true,
    details: true,
    sample: r#"{"organization_id": "01890000-0000-7000-8000-000000000000", "organization": "Analytical <Engines>", "domain": "example.org", "purge_at": "1 May 2026, 12:00 UTC", "about": "mary@example.org", "by": "charles@example.org"}"#,
    ..NotificationType::named("", "organization")
};

/// A notice to the owners: its name, what it tells of, the subjects of the mail and in the inbox, a sentence without its full stop for
/// the mail, and a text for the inbox, which has no addresses. Then the names of the templates of the mail.
macro_rules! notice {
    ($name:literal, $about:literal, $subject:literal, $title:literal, $event:literal, $text:literal) => {
        notice!($name, $about, $subject, $title, $event, $text, "", "", "look at its members, domains and keys")
    };
    ($name:literal, $about:literal, $subject:literal, $title:literal, $event:literal, $text:literal, $more:literal, $more_html:literal, $then:literal) => {
        NotificationType {
            name: $name,
            about: $about,
            templates: &[
                DefaultTemplate {
                    subject: $subject,
                    text: concat!(
                        "Hello,\n\nThis is about {{ organization }} at {{ product }}. You are, or were, one of its owners.\n\n",
                        $event,
                        ".{% if about != by %} {{ by }} did this.{% endif %}\n\n",
                        $more,
                        "If you expected this, do nothing. If not, sign in and ",
                        $then,
                        ". If you are\nnamed here and did not do it, choose a new password at once: {{ public_url }}/auth/forgotten\n"
                    ),
                    html: concat!(
                        "{% extends \"layout.html\" %}\n{% block body %}\n<p>This is about {{ organization }} at {{ product }}. You are, or were, one of its owners.</p>\n<p><strong>",
                        $event,
                        ".</strong>{% if about != by %} {{ by }} did this.{% endif %}</p>\n",
                        $more_html,
                        "<p>If you expected this, do nothing. If not, sign in and ",
                        $then,
                        ". If you are named here and did not do it, <a href=\"{{ public_url }}/auth/forgotten\">choose a new password</a> at once.</p>\n{% endblock %}\n"
                    ),
                    ..DefaultTemplate::empty(Channel::Email, "en")
                },
                DefaultTemplate {
                    subject: $title,
                    text: $text,
                    ..DefaultTemplate::empty(Channel::InApp, "en")
                },
            ],
            ..TO_OWNERS
        }
    };
}

pub(super) const OWNER_ADDED: NotificationType = notice!(
    "organization.owner_added",
    "An organization of yours has a new owner",
    "{{ organization }} at {{ product }} has a new owner",
    "{{ organization }} has a new owner",
    "{{ about }} is an owner now",
    "A member of {{ organization }} is an owner now. If you did not expect this, look at its members."
);

pub(super) const OWNER_REMOVED: NotificationType = notice!(
    "organization.owner_removed",
    "An organization of yours has one owner less",
    "Somebody is no longer an owner of {{ organization }} at {{ product }}",
    "Somebody is no longer an owner of {{ organization }}",
    "{{ about }} is no longer an owner",
    "An owner of {{ organization }} is no longer one. If you did not expect this, look at its members."
);

pub(super) const DELETED: NotificationType = notice!(
    "organization.deleted",
    "An organization of yours was deleted",
    "{{ organization }} at {{ product }} was deleted",
    "{{ organization }} was deleted",
    "{{ about }} has deleted it",
    "{{ organization }} was deleted.{% if purge_at %} Until {{ purge_at }} an owner can restore it. Then everything that it owns is erased.{% endif %}",
    "{% if purge_at %}Until {{ purge_at }} an owner can restore it. Then everything that it owns is erased.\n\n{% endif %}",
    "{% if purge_at %}<p>Until {{ purge_at }} an owner can restore it. Then everything that it owns is erased.</p>\n{% endif %}",
    "restore the organization"
);

pub(super) const DOMAIN_VERIFIED: NotificationType = notice!(
    "organization.domain_verified",
    "People of a domain can join an organization of yours",
    "People of {{ domain }} can join {{ organization }} at {{ product }}",
    "People of {{ domain }} can join {{ organization }}",
    "People with a verified address at {{ domain }} can join it without an invitation",
    "People with a verified address at {{ domain }} can join {{ organization }} without an invitation."
);

pub(super) const API_KEYS_REMOVED: NotificationType = notice!(
    "organization.api_keys_removed",
    "API keys of an organization of yours were removed",
    "API keys of {{ organization }} at {{ product }} were removed",
    "API keys of {{ organization }} were removed",
    "{{ about }} has chosen a new password, and the API keys that they had made for it were removed",
    "A member of {{ organization }} has chosen a new password, and the API keys that they had made for it were removed."
);
