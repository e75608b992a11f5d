//! The bus inside one process.

use std::{collections::HashSet, sync::Arc};

use parking_lot::{Mutex, RwLock};
use stoa_db::{Db, Error};

use crate::{Subscription, inbox::Inbox, store::OutboxRow};

/// Accepts events, once the database of every subscriber has them.
#[derive(Clone, Default)]
pub(crate) struct LocalBus(Arc<Inner>);

/// Is called with the service and the name of each event.
pub(super) type Observer = Box<dyn Fn(&str, &str) + Send + Sync>;

#[derive(Default)]
struct Inner {
    observer: Option<Observer>,
    subscribers: RwLock<Vec<Arc<Inbox>>>,
    /// The services whose outbox may hold events that some subscribers have already: they come again to all.
    behind: Mutex<HashSet<String>>,
}

impl LocalBus {
    pub(super) fn observed(observer: Observer) -> Self {
        Self(Arc::new(Inner {
            observer: Some(observer),
            ..Inner::default()
        }))
    }

    /// From now on `db` is given the events of these subscriptions; the ones it had before no longer count.
    pub(super) fn subscribe(&self, db: &Db, subscriptions: &[Subscription]) {
        self.set_behind(db.service(), true);
        let mut subscribers = self.0.subscribers.write();
        subscribers.retain(|there| there.db().service() != db.service());
        if !subscriptions.is_empty() {
            subscribers.push(Arc::new(Inbox::new(db, subscriptions)));
        }
    }

    pub(super) fn set_behind(&self, service: &str, behind: bool) {
        let mut all = self.0.behind.lock();
        if behind {
            all.insert(service.to_owned());
        } else if !all.is_empty() {
            all.remove(service);
        }
    }

    pub(super) fn is_behind(&self) -> bool {
        !self.0.behind.lock().is_empty()
    }

    /// Hands events on, in this order. Returns once every subscriber has them for good. When one cannot take them the others
    /// still get theirs, and it is an error: to be called again with the same events, which changes nothing where they are.
    pub(super) async fn publish(&self, source: &str, events: &[OutboxRow]) -> Result<(), Error> {
        if let Some(observer) = &self.0.observer {
            events.iter().for_each(|event| observer(source, &event.name));
        }
        let subscribers = self.0.subscribers.read().clone();
        let mut outcome = Ok(());
        for subscriber in subscribers {
            if let Err(error) = subscriber.take(source, events).await {
                tracing::warn!(subscriber = subscriber.db().service(), %error, "events could not be handed on; they will be again");
                outcome = Err(error);
            }
        }
        outcome
    }
}
