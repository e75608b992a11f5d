//! Notifications about organizations, to people who are not told as owners.

use stoa_service::{Channel, DefaultTemplate, NotificationType};

/// Somebody has given a member of an organization another role.
pub(crate) const ROLE_CHANGED: NotificationType = NotificationType {
    about: "Your role in an organization was changed",
    channels: &[Channel::InApp, Channel::Push],
    sample: r#"{"organization_id": "01890000-0000-7000-8000-000000000000", "organization": "Analytical Engines", "role": "admin"}"#,
    templates: &[
        DefaultTemplate::in_app("en", ROLE_CHANGED_EN.0, ROLE_CHANGED_EN.1),
        DefaultTemplate::in_app("de", ROLE_CHANGED_DE.0, ROLE_CHANGED_DE.1),
        DefaultTemplate::push("en", ROLE_CHANGED_EN.0, ROLE_CHANGED_EN.1),
        DefaultTemplate::push("de", ROLE_CHANGED_DE.0, ROLE_CHANGED_DE.1),
    ],
    ..NotificationType::named("organization.role_changed", "organization")
};
const ROLE_CHANGED_EN: (&str, &str) = (
    "Your role in {{ organization }} was changed",
    "Your role is {{ role|role_name }} now.",
);
const ROLE_CHANGED_DE: (&str, &str) = (
    "Ihre Rolle in {{ organization }} wurde geändert",
    "Ihre Rolle ist jetzt {{ role|role_name }}.",
);

/// To an address that need not have an account. auth says which when the mail is sent, and makes its link.
const TO_ADDRESS: NotificationType = NotificationType {
    channels: &[Channel::Email],
    details: true,
    sample: r#"{"organization": "Analytical <Engines>", "by": "charles@example.org", "role": "admin", "domain": "example.org", "link": "https://stoa.example/auth/invitation?token=abc&x=1", "works_for": 604800}"#,
    ..NotificationType::named("", "organization")
};

pub(super) const INVITATION: NotificationType = NotificationType {
    name: "organization.invitation",
    about: "Somebody invites you to an organization",
    templates: &[
        DefaultTemplate::email(
            "en",
            "You are invited to {{ organization }} at {{ product }}",
            include_str!("../../templates/invitation.en.txt"),
            include_str!("../../templates/invitation.en.html"),
        ),
        DefaultTemplate::email(
            "de",
            "Sie sind zu {{ organization }} bei {{ product }} eingeladen",
            include_str!("../../templates/invitation.de.txt"),
            include_str!("../../templates/invitation.de.html"),
        ),
    ],
    ..TO_ADDRESS
};

pub(super) const DOMAIN_CLAIMED: NotificationType = NotificationType {
    name: "organization.domain_claimed",
    about: "An organization asks the administrators of a domain whether its people may join",
    templates: &[
        DefaultTemplate::email(
            "en",
            "May people of {{ domain }} join {{ organization }} at {{ product }}?",
            include_str!("../../templates/domain.en.txt"),
            include_str!("../../templates/domain.en.html"),
        ),
        DefaultTemplate::email(
            "de",
            "Dürfen Personen von {{ domain }} {{ organization }} bei {{ product }} beitreten?",
            include_str!("../../templates/domain.de.txt"),
            include_str!("../../templates/domain.de.html"),
        ),
    ],
    ..TO_ADDRESS
};
