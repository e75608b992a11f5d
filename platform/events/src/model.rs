//! What is told and what is done.

use serde::{Serialize, de::DeserializeOwned};
use stoa_kernel::{EventTag, Id};

use crate::FieldInfo;

/// Names one event or job: the same on each delivery and each attempt.
pub type EventId = Id<EventTag>;

/// Who outside of the services may be given an event: the customers of webhooks, for example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The person or organization that its key names, and those who run the installation.
    Owner,
    /// Those who run the installation.
    Installation,
    /// Nobody: it is how services work together.
    Internal,
}

/// What documents say of an event.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct EventInfo {
    /// Its name.
    pub name: &'static str,
    /// What happened, in a line.
    pub about: &'static str,
    /// How its key is made, such as `user:{user_id}`.
    pub key: &'static str,
    /// The names of its data.
    pub fields: &'static [&'static str],
    /// Who may be given it.
    pub audience: Audience,
    /// Its data.
    #[serde(skip)]
    pub data: &'static [FieldInfo],
    /// Reads its data, for tests of what documents say.
    #[serde(skip)]
    pub reads: fn(serde_json::Value) -> Result<(), String>,
}

/// Something that happened.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `noun.verb` in the past, such as `user.registered`. Never changes.
    const NAME: &'static str;
    /// What documents say of it.
    const INFO: EventInfo = EventInfo {
        name: Self::NAME,
        about: "",
        key: "",
        fields: &[],
        audience: Audience::Internal,
        data: &[],
        reads: |_| Ok(()),
    };

    /// Events of one key reach each subscription in the order of their commits: `user:<id>`.
    fn key(&self) -> String;
}

/// Something to be done by this service itself, later.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `<service>.<what>`, such as `users.remove_avatar`. Never changes.
    const NAME: &'static str;
    /// Higher runs first.
    const PRIORITY: i16 = 0;

    /// Jobs of one key run one after the other, in order.
    fn key(&self) -> Option<String> {
        None
    }
}
