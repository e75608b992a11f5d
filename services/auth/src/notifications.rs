//! The notifications that auth asks for.

use stoa_service::{Channel, DefaultTemplate, NotificationType};

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
