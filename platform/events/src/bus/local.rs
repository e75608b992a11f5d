//! The bus inside one process.

use std::sync::Arc;

use parking_lot::RwLock;
use stoa_db::{Db, Error};

use crate::{Subscription, inbox::Inbox, store::OutboxRow};

/// Accepts events, once the database of every subscriber has them.
#[derive(Clone, Default)]
pub(crate) struct LocalBus(Arc<RwLock<Vec<Arc<Inbox>>>>);

impl LocalBus {
    /// From now on `db` is given the events of these subscriptions; the ones it had before no longer count.
    pub(super) fn subscribe(&self, db: &Db, subscriptions: &[Subscription]) {
        let mut subscribers = self.0.write();
        subscribers.retain(|there| there.db().service() != db.service());
        if !subscriptions.is_empty() {
            subscribers.push(Arc::new(Inbox::new(db, subscriptions)));
        }
    }

    /// Hands events on, in this order. Returns once every subscriber has them for good. When one cannot take them the others
    /// still get theirs, and it is an error: to be called again with the same events, which changes nothing where they are.
    pub(super) async fn publish(&self, source: &str, events: &[OutboxRow]) -> Result<(), Error> {
        let subscribers = self.0.read().clone();
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
