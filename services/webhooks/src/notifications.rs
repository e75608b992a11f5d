//! What those are notified of whose endpoints they are: the person, or who manages the organization.

use std::time::Duration;

use serde_json::json;
use stoa_db::{Error, Tx};
use stoa_events::TxExt as _;
use stoa_notifications_api::NotificationRequested;
use stoa_service::{Channel, Criticality, DefaultTemplate, NotificationType, Throttle};
use url::Url;

use crate::{events::DisabledReason, owner::EndpointOwner, store::endpoints::EndpointRow};

/// Somebody else who is signed in with the account could have done it, so no choice switches it off.
pub(crate) const DESTINATION_ADDED: NotificationType = NotificationType {
    about: "Events are sent to a server that they were not sent to before",
    criticality: Criticality::Critical,
    channels: &[Channel::InApp, Channel::Email],
    to_unverified: true,
    sample: r#"{"host": "hooks.example.com", "organization": true}"#,
    templates: &[
        DefaultTemplate::email(
            "en",
            "Events at {{ product }} are sent to {{ host }}",
            include_str!("../templates/destination_added.en.txt"),
            include_str!("../templates/destination_added.en.html"),
        ),
        DefaultTemplate::email(
            "de",
            "Ereignisse bei {{ product }} gehen an {{ host }}",
            include_str!("../templates/destination_added.de.txt"),
            include_str!("../templates/destination_added.de.html"),
        ),
        DefaultTemplate::in_app(
            "en",
            "Events are sent to {{ host }}",
            "A webhook sends the events of {% if organization %}an organization that you manage{% else %}your account{% endif %} to {{ host }} \
                   from now on. If nobody should have set it up, delete it and choose a new password.",
        ),
        DefaultTemplate::in_app(
            "de",
            "Ereignisse gehen an {{ host }}",
            "Ein Webhook sendet die Ereignisse {% if organization %}einer Organisation, die Sie verwalten,{% else %}Ihres Kontos{% endif %} von \
                   nun an {{ host }}. Sollte ihn niemand eingerichtet haben, löschen Sie ihn und wählen Sie ein neues Passwort.",
        ),
    ],
    ..NotificationType::named("webhook.destination_added", "security")
};

/// The program itself has disabled an endpoint.
pub(crate) const DISABLED: NotificationType = NotificationType {
    about: "A webhook was disabled, because its server fails or the password was reset",
    channels: &[Channel::InApp, Channel::Email],
    throttle: Some(Throttle {
        most: 10,
        within: Duration::from_secs(3600),
    }),
    sample: r#"{"host": "hooks.example.com", "organization": true, "reason": "failing"}"#,
    templates: &[
        DefaultTemplate::email(
            "en",
            "Your webhook to {{ host }} was disabled",
            include_str!("../templates/disabled.en.txt"),
            include_str!("../templates/disabled.en.html"),
        ),
        DefaultTemplate::email(
            "de",
            "Ihr Webhook zu {{ host }} wurde abgeschaltet",
            include_str!("../templates/disabled.de.txt"),
            include_str!("../templates/disabled.de.html"),
        ),
        DefaultTemplate::in_app(
            "en",
            "A webhook was disabled",
            "No events are sent to {{ host }} any more: {% if reason == 'gone' %}its server says that the address is gone{% elif reason == \
                   'failing' %}every attempt has failed for days{% else %}the password of the account was reset{% endif %}. Enable the webhook to \
                   have events sent again.",
        ),
        DefaultTemplate::in_app(
            "de",
            "Ein Webhook wurde abgeschaltet",
            "An {{ host }} werden keine Ereignisse mehr gesendet: {% if reason == 'gone' %}Der Server meldet, dass es die Adresse nicht mehr \
                   gibt{% elif reason == 'failing' %}Seit Tagen ist jeder Versuch gescheitert{% else %}Das Passwort des Kontos wurde \
                   zurückgesetzt{% endif %}. Schalten Sie den Webhook ein, damit wieder Ereignisse gesendet werden.",
        ),
    ],
    ..NotificationType::named("webhook.disabled", "account")
};

/// Events are sent to the endpoint's server from now on.
pub(crate) async fn destination_added(tx: &mut Tx, endpoint: &EndpointRow) -> Result<(), Error> {
    notify(tx, &DESTINATION_ADDED, endpoint, None).await
}

/// The endpoint is disabled, and not by its owner.
pub(crate) async fn disabled(tx: &mut Tx, endpoint: &EndpointRow, why: DisabledReason) -> Result<(), Error> {
    notify(tx, &DISABLED, endpoint, Some(why)).await
}

/// The host of an endpoint's URL.
pub(crate) fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// The rest of the URL may hold a secret. Those who run the installation have its log.
async fn notify(
    tx: &mut Tx,
    kind: &NotificationType,
    endpoint: &EndpointRow,
    reason: Option<DisabledReason>,
) -> Result<(), Error> {
    let Some(owner) = endpoint.owner().owner() else {
        return Ok(());
    };
    let data = json!({
        "host": host(&endpoint.url),
        "organization": matches!(endpoint.owner(), EndpointOwner::Organization(_)),
        "reason": reason,
    });
    tx.emit(&NotificationRequested::to_owner(kind.name, owner, data))
        .await
        .map(drop)
}
