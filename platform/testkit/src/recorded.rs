//! What services have left on record: the events that they emitted, and their audit entries.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;
use serde_json::Value;
use stoa_audit::{Filter, Record};
use stoa_events::{Bus, Channel, ChannelPublished, Event, Subscription, Work};
use stoa_service::Descriptor;

use crate::{TestApp, eventually};

/// All events of the app's services, by name, as they came.
#[derive(Clone, Default)]
pub(crate) struct RecordedEvents(Arc<Mutex<Vec<(&'static str, Value)>>>);

impl RecordedEvents {
    /// Subscriptions to the events that these services say they emit, and to what they publish to channels.
    pub(crate) fn subscriptions(&self, services: &[&'static Descriptor]) -> Vec<Subscription> {
        let events = services.iter().flat_map(|service| service.emits);
        let names = events.map(|event| event.name).chain([ChannelPublished::NAME]);
        names.map(|name| self.subscription(name)).collect()
    }

    fn subscription(&self, event: &'static str) -> Subscription {
        let recorded = self.clone();
        Subscription::named(event, event, move |work: Work<Value>| {
            recorded.0.lock().push((event, work.payload().clone()));
            work.done()
        })
    }

    fn of<E: Event>(&self) -> Vec<E> {
        let recorded = self.0.lock();
        let data = recorded.iter().filter(|(name, _)| *name == E::NAME);
        data.map(|(_, data)| serde_json::from_value(data.clone()).unwrap())
            .collect()
    }
}

/// The names of all events, with the services that emitted them.
#[derive(Clone, Default)]
pub(crate) struct EmittedNames(Arc<Mutex<BTreeSet<(String, String)>>>);

impl EmittedNames {
    /// A bus whose events are noted here.
    pub(crate) fn bus(&self) -> Bus {
        let names = self.clone();
        Bus::observed(move |service, event| {
            names.0.lock().insert((service.to_owned(), event.to_owned()));
        })
    }

    /// Fails the test when a service has emitted what its descriptor does not list: documents and brokers go by that.
    pub(crate) fn check(&self, services: &[&Descriptor]) {
        for (service, event) in &*self.0.lock() {
            // Any service may publish to channels.
            if event == ChannelPublished::NAME {
                continue;
            }
            let descriptor = services.iter().find(|descriptor| descriptor.name == service);
            let listed = descriptor.is_none_or(|found| found.emits.iter().any(|info| info.name == event));
            assert!(
                listed,
                "service {service} emits '{event}', which its descriptor's `emits` lacks"
            );
        }
    }
}

impl TestApp {
    /// All events of this type that the app's services have emitted. Its service names it in `emits`.
    pub async fn emitted<E: Event>(&self) -> Vec<E> {
        self.settle().await;
        self.recorded_events().of()
    }

    /// All events of this type that the app's services have published to the channel, in order.
    pub async fn published<E: Event>(&self, channel: &Channel) -> Vec<E> {
        let published = self.emitted::<ChannelPublished>().await.into_iter();
        published
            .filter(|one| one.channel == *channel && one.event == E::NAME)
            .map(|one| serde_json::from_str(one.data.get()).unwrap())
            .collect()
    }

    /// Waits for an event that a schedule emits, and of which this holds.
    pub async fn emitted_one<E: Event>(&self, holds: impl Fn(&E) -> bool) -> E {
        let find = || self.recorded_events().of::<E>().into_iter().find(&holds);
        eventually(E::NAME, async || find().is_some()).await;
        find().unwrap()
    }

    /// Entries of this action in the audit log of the first service, newest first.
    pub async fn audited(&self, action: &str) -> Vec<Record> {
        let filter = Filter {
            action: Some(action.to_owned()),
            limit: 1000,
            ..Filter::default()
        };
        stoa_audit::list(self.db(), &filter).await.unwrap()
    }
}
