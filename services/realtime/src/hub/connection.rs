//! One connection, as everybody else sees it.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use stoa_events::Channel;
use stoa_kernel::{Principal, Reason};
use uuid::Uuid;

use super::Outbox;
use crate::session::Credential;

/// One connection.
pub(crate) struct Connection {
    pub(crate) id: Uuid,
    pub(crate) address: IpAddr,
    pub(crate) outbox: Outbox,
    /// None until the client has said who it is.
    credential: Mutex<Option<Credential>>,
    followed: Mutex<HashMap<Channel, Followed>>,
}

/// Why somebody may follow a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) reason: Reason,
    /// Whether they say that they are there.
    pub(crate) present: bool,
}

impl Connection {
    pub(crate) fn new(id: Uuid, address: IpAddr, queue_max_bytes: usize) -> Self {
        Self {
            id,
            address,
            outbox: Outbox::new(queue_max_bytes),
            credential: Mutex::default(),
            followed: Mutex::default(),
        }
    }

    pub(crate) fn credential(&self) -> Option<Credential> {
        self.credential.lock().clone()
    }

    pub(crate) fn principal(&self) -> Option<Arc<Principal>> {
        let credential = self.credential.lock();
        credential
            .as_ref()
            .map(|credential| Arc::clone(credential.principal()))
    }

    /// From now on it is this.
    pub(crate) fn set_credential(&self, credential: Credential) {
        *self.credential.lock() = Some(credential);
    }

    /// Looks at the credentials without a copy of them.
    pub(crate) fn with_credential<T>(&self, look: impl FnOnce(&Credential) -> T) -> Option<T> {
        self.credential.lock().as_ref().map(look)
    }

    pub(crate) fn followed(&self) -> &Mutex<HashMap<Channel, Followed>> {
        &self.followed
    }
}
