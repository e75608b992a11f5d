//! What a service has subscribed to, and the rows that arrivals become.

use std::{borrow::Cow, collections::HashMap};

use stoa_db::{Db, Error};
use stoa_kernel::Timestamp;

use crate::{
    EventId, Subscription, aside,
    bus::envelope,
    halves::Halves,
    store::{NewJob, OutboxRow, insert_jobs},
};

/// An event that has arrived.
pub(crate) struct Arrival<'a> {
    pub(crate) id: EventId,
    pub(crate) name: Cow<'a, str>,
    pub(crate) key: Option<Cow<'a, str>>,
    pub(crate) data: &'a str,
    pub(crate) source: Cow<'a, str>,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<Cow<'a, str>>,
}

/// One service that wants events: each becomes a row for each of its subscriptions, unique by subscription and event.
pub(crate) struct Inbox {
    db: Db,
    by_event: HashMap<&'static str, Vec<Queue>>,
}

#[derive(Clone, Copy)]
struct Queue {
    name: &'static str,
    priority: i16,
}

impl Inbox {
    pub(crate) fn new(db: &Db, subscriptions: &[Subscription]) -> Self {
        let mut by_event: HashMap<_, Vec<_>> = HashMap::new();
        for one in subscriptions {
            by_event.entry(one.event).or_default().push(Queue {
                name: one.handler.queue,
                priority: one.priority,
            });
        }
        Self {
            db: db.clone(),
            by_event,
        }
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// The events that it wants, in alphabetical order.
    pub(crate) fn events(&self) -> Vec<&'static str> {
        let mut events: Vec<_> = self.by_event.keys().copied().collect();
        events.sort_unstable();
        events
    }

    pub(crate) fn wants(&self, event: &str) -> bool {
        self.by_event.contains_key(event)
    }

    /// The rows of these arrivals, in their order.
    pub(crate) fn jobs<'a>(&self, arrivals: impl Iterator<Item = &'a Arrival<'a>>) -> Vec<NewJob<'a>> {
        let now = self.db.clock().now();
        let mut jobs = Vec::new();
        for arrival in arrivals {
            let queues = self
                .by_event
                .get(arrival.name.as_ref())
                .map_or(&[][..], Vec::as_slice);
            jobs.extend(queues.iter().map(|queue| NewJob {
                queue: queue.name,
                id: arrival.id,
                key: arrival.key.as_deref(),
                priority: queue.priority,
                payload: arrival.data,
                source: &arrival.source,
                time: arrival.time,
                traceparent: arrival.traceparent.as_deref(),
                waits: false,
                run_at: now,
            }));
        }
        jobs
    }

    /// Takes what a relay of the same process hands on. What the database will never take is put aside, and the others are kept.
    pub(crate) async fn take(&self, source: &str, events: &[OutboxRow]) -> Result<(), Error> {
        let events: Vec<_> = events.iter().filter(|event| self.wants(&event.name)).collect();
        if events.is_empty() {
            return Ok(());
        }
        let mut halves = Halves::of(events.len());
        while let Some(part) = halves.next() {
            match self.keep(source, &events[part.clone()]).await {
                Err(error) if error.is_of_data() => {
                    if let Some(at) = halves.refused(part) {
                        self.put_aside(source, events[at], &error).await?;
                    }
                }
                kept => kept?,
            }
        }
        Ok(())
    }

    async fn keep(&self, source: &str, events: &[&OutboxRow]) -> Result<(), Error> {
        let arrivals: Vec<_> = events
            .iter()
            .map(|event| Arrival {
                id: event.id,
                name: Cow::from(&event.name),
                key: Some(Cow::from(&event.key)),
                data: &event.data,
                source: Cow::from(source),
                time: event.time,
                traceparent: event.traceparent.as_deref().map(Cow::from),
            })
            .collect();
        let mut tx = self.db.begin().await?;
        insert_jobs(&mut tx, &self.jobs(arrivals.iter())).await?;
        tx.signal();
        tx.commit().await
    }

    async fn put_aside(&self, source: &str, event: &OutboxRow, error: &Error) -> Result<(), Error> {
        let reason = format!(
            "{} of {source}, {}: it cannot be kept: {error}",
            event.name, event.id
        );
        tracing::error!(service = self.db.service(), reason, "an event was put aside");
        let body = envelope::write(source, event).unwrap_or_default();
        let mut tx = self.db.begin().await?;
        aside::bury(&mut tx, &body, &reason).await?;
        tx.commit().await
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
    let queue = Queue {
        name: queue,
        priority: 0,
    };
    let inbox = Inbox {
        db: db.clone(),
        by_event: HashMap::from([(event, vec![queue])]),
    };
    inbox.take(source, events).await
}
