//! The bus inside one process.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use stoa_db::{Db, Error};

use crate::{
    Subscription,
    store::{NewJob, OutboxRow, insert_jobs},
};

/// Accepts events, once the database of every subscriber has them. Cheap to clone; clones are one bus.
#[derive(Clone, Default)]
pub struct LocalBus(Arc<RwLock<Vec<Arc<Subscriber>>>>);

/// One service that wants events.
struct Subscriber {
    db: Db,
    by_event: HashMap<&'static str, Vec<Queue>>,
}

#[derive(Clone, Copy)]
struct Queue {
    name: &'static str,
    priority: i16,
}

impl LocalBus {
    /// A bus without subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `db` is given the events of these subscriptions; the ones it had before no longer count.
    pub(crate) fn subscribe(&self, db: &Db, subscriptions: &[Subscription]) {
        let mut by_event: HashMap<_, Vec<_>> = HashMap::new();
        for one in subscriptions {
            by_event.entry(one.event).or_default().push(Queue {
                name: one.handler.queue,
                priority: one.priority,
            });
        }
        let mut subscribers = self.0.write();
        subscribers.retain(|there| there.db.service() != db.service());
        if !by_event.is_empty() {
            subscribers.push(Arc::new(Subscriber {
                db: db.clone(),
                by_event,
            }));
        }
    }

    /// Hands events on, in this order. Returns once every subscriber has them for good. When one cannot take them the others
    /// still get theirs, and it is an error: to be called again with the same events, which changes nothing where they are.
    pub(crate) async fn publish(&self, source: &str, events: &[OutboxRow]) -> Result<(), Error> {
        let subscribers = self.0.read().clone();
        let mut outcome = Ok(());
        for subscriber in subscribers {
            if let Err(error) = subscriber.take(source, events).await {
                tracing::warn!(subscriber = subscriber.db.service(), %error, "events could not be handed on; they will be again");
                outcome = Err(error);
            }
        }
        outcome
    }
}

/// One step for tests: hands events to the subscriptions of one database.
///
/// # Errors
/// What the database says.
pub async fn deliver_to(
    db: &Db,
    queue: &'static str,
    event: &'static str,
    source: &str,
    events: &[OutboxRow],
) -> Result<(), Error> {
    let by_event = HashMap::from([(
        event,
        vec![Queue {
            name: queue,
            priority: 0,
        }],
    )]);
    Subscriber {
        db: db.clone(),
        by_event,
    }
    .take(source, events)
    .await
}

impl Subscriber {
    async fn take(&self, source: &str, events: &[OutboxRow]) -> Result<(), Error> {
        let now = self.db.clock().now();
        let jobs: Vec<_> = events
            .iter()
            .flat_map(|event| {
                let queues = self
                    .by_event
                    .get(event.name.as_str())
                    .map_or(&[][..], Vec::as_slice);
                queues.iter().map(move |queue| NewJob {
                    queue: queue.name,
                    id: event.id,
                    key: Some(&event.key),
                    priority: queue.priority,
                    payload: &event.data,
                    source,
                    time: event.time,
                    traceparent: event.traceparent.as_deref(),
                    run_at: now,
                })
            })
            .collect();
        if jobs.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        insert_jobs(&mut tx, &jobs).await?;
        tx.signal();
        tx.commit().await
    }
}
