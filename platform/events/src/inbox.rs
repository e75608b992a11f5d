//! What a service has subscribed to, and the rows that arrivals become.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use stoa_db::{Db, Error};
use stoa_kernel::Timestamp;

use crate::{
    AnyEvent, EventId, Heading, Subscription, aside,
    bus::envelope,
    halves::Halves,
    handler::{Filter, owner_of},
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
    by_event: HashMap<&'static str, Vec<Arc<Queue>>>,
}

struct Queue {
    name: &'static str,
    priority: i16,
    /// Whether its rows say of which type they are.
    of_any: bool,
    filter: Option<Filter>,
}

impl Inbox {
    pub(crate) fn new(db: &Db, subscriptions: &[Subscription]) -> Self {
        let mut by_event: HashMap<_, Vec<_>> = HashMap::new();
        for one in subscriptions {
            let queue = Arc::new(Queue {
                name: one.handler.queue,
                priority: one.priority,
                of_any: one.of_any,
                filter: one.filter.clone(),
            });
            for event in &one.events {
                by_event.entry(*event).or_default().push(Arc::clone(&queue));
            }
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

    /// The rows of these arrivals, in their order. What a subscription's filter does not want has no row of it.
    pub(crate) async fn jobs<'a>(&self, arrivals: Vec<&'a Arrival<'a>>) -> Result<Vec<NewJob<'a>>, Error> {
        let now = self.db.clock().now();
        let mut jobs = Vec::new();
        for arrival in &arrivals {
            let queues = self.by_event.get(arrival.name.as_ref());
            for queue in queues.map_or(&[][..], Vec::as_slice) {
                jobs.push(NewJob {
                    queue: queue.name,
                    id: arrival.id,
                    key: arrival.key.as_deref(),
                    priority: queue.priority,
                    payload: payload(queue, arrival)?,
                    source: &arrival.source,
                    time: arrival.time,
                    traceparent: arrival.traceparent.as_deref(),
                    waits: false,
                    run_at: now,
                });
            }
        }
        for queue in self.filtered() {
            let unwanted = self.unwanted(queue, &arrivals).await?;
            jobs.retain(|job| job.queue != queue.name || !unwanted.contains(&job.id));
        }
        Ok(jobs)
    }

    /// The queues that have a filter.
    fn filtered(&self) -> Vec<&Queue> {
        let mut filtered: Vec<&Queue> = self.by_event.values().flatten().map(AsRef::as_ref).collect();
        filtered.retain(|queue| queue.filter.is_some());
        filtered.sort_unstable_by_key(|queue| queue.name);
        filtered.dedup_by_key(|queue| queue.name);
        filtered
    }

    /// Of these arrivals those that the queue's filter does not want.
    async fn unwanted(&self, queue: &Queue, arrivals: &[&Arrival<'_>]) -> Result<Vec<EventId>, Error> {
        let is_of = |arrival: &&&Arrival<'_>| {
            let queues = self.by_event.get(arrival.name.as_ref());
            queues.is_some_and(|queues| queues.iter().any(|one| one.name == queue.name))
        };
        let (ids, headings): (Vec<_>, Vec<_>) = arrivals
            .iter()
            .filter(is_of)
            .map(|arrival| (arrival.id, arrival.heading()))
            .unzip();
        let Some(filter) = queue.filter.as_ref().filter(|_| !ids.is_empty()) else {
            return Ok(Vec::new());
        };
        let wanted = filter(headings).await?;
        let unwanted = ids.into_iter().zip(wanted).filter(|(_, wanted)| !wanted);
        Ok(unwanted.map(|(id, _)| id).collect())
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
        let jobs = self.jobs(arrivals.iter().collect()).await?;
        if jobs.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        insert_jobs(&mut tx, &jobs).await?;
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

impl Arrival<'_> {
    fn heading(&self) -> Heading {
        let key = self.key.as_deref().unwrap_or_default();
        Heading {
            name: self.name.clone().into_owned(),
            key: key.to_owned(),
            owner: owner_of(key, self.data),
        }
    }
}

/// What the handler is given to read.
fn payload<'a>(queue: &Queue, arrival: &'a Arrival<'a>) -> Result<Cow<'a, str>, Error> {
    if !queue.of_any {
        return Ok(Cow::Borrowed(arrival.data));
    }
    let unreadable = |e: serde_json::Error| Error::Data(format!("its data is not JSON: {e}"));
    let name = arrival.name.clone().into_owned();
    let key = arrival.key.as_deref().unwrap_or_default().to_owned();
    let data = serde_json::from_str(arrival.data).map_err(unreadable)?;
    let event = serde_json::to_string(&AnyEvent { name, key, data }).map_err(unreadable)?;
    Ok(Cow::Owned(event))
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
        of_any: false,
        filter: None,
    };
    let inbox = Inbox {
        db: db.clone(),
        by_event: HashMap::from([(event, vec![Arc::new(queue)])]),
    };
    inbox.take(source, events).await
}
