//! What other services need of notifications: the event by which they ask for one.
//!
//! A service lists its [types](../stoa_service/struct.NotificationType.html) in `notifications` of its descriptor and
//! [`NotificationRequested::INFO`] in `emits`, and emits the event in the transaction that the notification tells of:
//!
//! ```ignore
//! tx.emit(&NotificationRequested::to("order.shipped", user, json!({ "order": order.number }))).await?;
//! ```

#[cfg(feature = "filters")]
pub mod filters;
#[cfg(feature = "testing")]
pub mod testing;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stoa_events::Event;
use stoa_kernel::{OrganizationId, Owner, Timestamp, UserId, random};
use utoipa::ToSchema;
use uuid::Uuid;

/// People that one notification names, at most. More of them follow a topic.
pub const RECIPIENTS_MAX: usize = 1000;
/// Longest data of a notification, in bytes of JSON.
pub const DATA_MAX: usize = 16 * 1024;

/// A notification is to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(
    name = "notification.requested",
    key = "notification:{idempotency_key}",
    audience = "internal"
)]
pub struct NotificationRequested {
    /// The name of its type.
    #[serde(rename = "type")]
    #[event(example = "account.welcome")]
    pub kind: String,
    /// To whom.
    pub recipients: Recipients,
    /// What its templates are filled with: an object. It is kept for as long as the history; so it names people by their ids.
    pub data: Value,
    /// The same request again, by the same service, sends nothing more. At most 255 bytes.
    pub idempotency_key: String,
    /// Not before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_at: Option<Timestamp>,
}

/// To whom a notification goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NotificationsRecipients)]
pub enum Recipients {
    /// These people.
    Users(Vec<UserId>),
    /// Everybody who follows this topic.
    Topic(String),
    /// The owners and admins of this organization at the time when it goes out, 50 at most.
    Managers(OrganizationId),
    /// Somebody who may have no account. Only types with details go to them.
    Reference(Reference),
}

/// Names a recipient to auth, which says the address when a mail is sent to them. So no address is kept where notifications are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = NotificationsReference)]
pub struct Reference {
    /// What it is: `invitation`, `domain`.
    pub kind: String,
    /// Which one.
    pub id: Uuid,
}

impl NotificationRequested {
    /// To one person, at once, with a key that no other request has.
    #[must_use]
    pub fn to(kind: &str, user: UserId, data: Value) -> Self {
        Self::new(kind, Recipients::Users(vec![user]), data)
    }

    /// As [`Self::to`], to the person, or to those who manage the organization.
    #[must_use]
    pub fn to_owner(kind: &str, owner: Owner, data: Value) -> Self {
        match owner {
            Owner::User(user) => Self::to(kind, user, data),
            Owner::Organization(organization) => Self::new(kind, Recipients::Managers(organization), data),
        }
    }

    /// As [`Self::to`], to everybody who follows a topic.
    #[must_use]
    pub fn to_topic(kind: &str, topic: &str, data: Value) -> Self {
        Self::new(kind, Recipients::Topic(topic.to_owned()), data)
    }

    fn new(kind: &str, recipients: Recipients, data: Value) -> Self {
        Self {
            kind: kind.to_owned(),
            recipients,
            data,
            idempotency_key: random::token::<16>(),
            send_at: None,
        }
    }
}
