//! All connections of this process, counted by address and user.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use stoa_kernel::{UserId, random, subscriber_of};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Close, Connection};
use crate::RealtimeConfig;

/// Who is there.
pub(crate) struct Connections {
    state: Mutex<State>,
    limits: Limits,
    /// Somebody has come.
    some: Notify,
}

#[derive(Clone, Copy)]
struct Limits {
    all: usize,
    per_address: usize,
    per_user: usize,
    queue_max_bytes: usize,
}

#[derive(Default)]
struct State {
    all: HashMap<Uuid, Arc<Connection>>,
    addresses: HashMap<IpAddr, usize>,
    users: HashMap<UserId, usize>,
    /// What those who still come are told.
    closing: Option<Close>,
}

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Address,
    Closing,
}

/// A connection, for as long as it is open.
pub(crate) struct Open {
    hub: super::Hub,
    connection: Arc<Connection>,
    /// Who it is counted by.
    user: Option<UserId>,
}

impl Connections {
    pub(crate) fn new(config: &RealtimeConfig) -> Self {
        Self {
            state: Mutex::default(),
            limits: Limits {
                all: config.connections,
                per_address: config.connections_per_address,
                per_user: config.connections_per_user,
                queue_max_bytes: config.queue_max_bytes,
            },
            some: Notify::new(),
        }
    }

    fn add(&self, id: Uuid, address: IpAddr) -> Result<Arc<Connection>, Refusal> {
        let mut state = self.state.lock();
        if state.closing.is_some() {
            return Err(Refusal::Closing);
        }
        if state.all.len() >= self.limits.all {
            return Err(Refusal::Full);
        }
        let address = subscriber_of(address);
        let count = state.addresses.entry(address).or_default();
        if *count >= self.limits.per_address {
            return Err(Refusal::Address);
        }
        *count += 1;
        let connection = Arc::new(Connection::new(id, address, self.limits.queue_max_bytes));
        state.all.insert(id, Arc::clone(&connection));
        drop(state);
        self.some.notify_waiters();
        Ok(connection)
    }

    fn remove(&self, connection: &Connection, user: Option<UserId>) {
        let mut state = self.state.lock();
        state.all.remove(&connection.id);
        give_back(&mut state.addresses, &connection.address);
        if let Some(user) = user {
            give_back(&mut state.users, &user);
        }
        if state.all.is_empty() {
            state.all.shrink_to(64);
        }
    }

    /// False if the user has as many as one may have.
    fn count_user(&self, user: UserId) -> bool {
        let mut state = self.state.lock();
        let count = state.users.entry(user).or_default();
        let room = *count < self.limits.per_user;
        if room {
            *count += 1;
        }
        room
    }

    /// The one of this id, while it is open.
    pub(crate) fn get(&self, id: Uuid) -> Option<Arc<Connection>> {
        self.state.lock().all.get(&id).cloned()
    }

    /// All that are open now.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.state.lock().all.values().cloned().collect()
    }

    /// Calls `look` with each that is open now. Nothing may be opened or closed meanwhile, so it is to be quick.
    pub(crate) fn each(&self, look: impl FnMut(&Arc<Connection>)) {
        self.state.lock().all.values().for_each(look);
    }

    /// Returns once somebody is there.
    pub(crate) async fn occupied(&self) {
        loop {
            let some = self.some.notified();
            if !self.state.lock().all.is_empty() {
                return;
            }
            some.await;
        }
    }

    /// Closes all, each with a reason of its own, and lets nobody in any more.
    pub(crate) fn close_all(&self, close: impl Fn() -> Close) {
        let mut state = self.state.lock();
        state.closing = Some(close());
        for connection in state.all.values() {
            connection.outbox.close(close());
        }
    }
}

fn give_back<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Open {
    /// Lets a connection in.
    ///
    /// # Errors
    /// Where there is no room for it.
    pub(crate) fn new(hub: &super::Hub, address: IpAddr) -> Result<Self, Refusal> {
        let id = uuid::Builder::from_random_bytes(random::bytes()).into_uuid();
        let connection = hub.connections().add(id, address)?;
        Ok(Self {
            hub: hub.clone(),
            connection,
            user: None,
        })
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Counts it by its user. False if they have as many as one may have.
    pub(crate) fn count(&mut self, user: UserId) -> bool {
        let room = self.user.is_some() || self.hub.connections().count_user(user);
        if room {
            self.user = Some(user);
        }
        room
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let channels: Vec<_> = self.connection.followed().lock().drain().collect();
        for (channel, how) in channels {
            self.hub.left(&channel, &self.connection, how);
        }
        self.hub.connections().remove(&self.connection, self.user);
    }
}
