//! What those are notified of whose things they are: the person, or who manages the organization.

use serde_json::json;
use stoa_db::{Error, Tx};
use stoa_events::TxExt as _;
use stoa_kernel::Owner;
use stoa_notifications_api::NotificationRequested;
use stoa_service::{Channel, Criticality, DefaultTemplate, NotificationType};

use crate::store::access_keys::AccessKeyRow;

/// Somebody else who is signed in with the account could have made it, so no choice switches it off.
pub(crate) const ACCESS_KEY_CREATED: NotificationType = NotificationType {
    about: "An access key of the S3 API was made",
    criticality: Criticality::Critical,
    channels: &[Channel::InApp, Channel::Email],
    to_unverified: true,
    sample: r#"{"access_key_id": "AKIAEXAMPLEEXAMPLEEX", "organization": true, "read_only": false}"#,
    templates: &[
        DefaultTemplate::email(
            "en",
            "An access key for files was made at {{ product }}",
            include_str!("../templates/access_key_created.en.txt"),
            include_str!("../templates/access_key_created.en.html"),
        ),
        DefaultTemplate::email(
            "de",
            "Bei {{ product }} wurde ein Zugangsschlüssel für Dateien erstellt",
            include_str!("../templates/access_key_created.de.txt"),
            include_str!("../templates/access_key_created.de.html"),
        ),
        DefaultTemplate::in_app(
            "en",
            "An access key for files was made",
            "The key {{ access_key_id }} {% if read_only %}reads{% else %}reads and changes{% endif %} the files of {% if organization %}an \
                   organization that you manage{% else %}your account{% endif %}. If nobody should have made it, delete it and choose a new password.",
        ),
        DefaultTemplate::in_app(
            "de",
            "Ein Zugangsschlüssel für Dateien wurde erstellt",
            "Der Schlüssel {{ access_key_id }} {% if read_only %}liest{% else %}liest und ändert{% endif %} die Dateien {% if organization \
                   %}einer Organisation, die Sie verwalten{% else %}Ihres Kontos{% endif %}. Sollte ihn niemand erstellt haben, löschen Sie ihn und \
                   wählen Sie ein neues Passwort.",
        ),
    ],
    ..NotificationType::named("access_key.created", "security")
};

/// From now on the key opens files.
pub(crate) async fn access_key_created(tx: &mut Tx, key: &AccessKeyRow) -> Result<(), Error> {
    let data = json!({
        "access_key_id": key.key_id,
        "organization": matches!(key.owner, Owner::Organization(_)),
        "read_only": key.is_read_only,
    });
    let request = NotificationRequested::to_owner(ACCESS_KEY_CREATED.name, key.owner, data);
    tx.emit(&request).await.map(drop)
}
