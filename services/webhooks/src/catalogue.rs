//! The event types that endpoints can be given, and who may be given which.

use std::{collections::BTreeMap, sync::Arc};

use stoa_events::{Audience, EventInfo};

use crate::owner::EndpointOwner;

/// Carries what is published on sockets: no event of the business.
const RESERVED: [&str; 1] = ["channel.published"];

/// All event types but those that are internal to the services.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue(Arc<BTreeMap<&'static str, EventInfo>>);

impl Catalogue {
    pub(crate) fn new(events: &[EventInfo]) -> Self {
        let public = events
            .iter()
            .filter(|event| event.audience != Audience::Internal && !RESERVED.contains(&event.name));
        Self(Arc::new(public.map(|event| (event.name, *event)).collect()))
    }

    /// In the order of their names.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }

    /// Those that this owner's endpoints may be given, in the order of their names.
    pub(crate) fn of(&self, owner: EndpointOwner) -> impl Iterator<Item = &EventInfo> {
        self.0.values().filter(move |event| is_for(event, owner))
    }

    /// This one, if this owner's endpoints may be given it.
    pub(crate) fn get(&self, name: &str, owner: EndpointOwner) -> Option<&EventInfo> {
        self.0.get(name).filter(|event| is_for(event, owner))
    }
}

/// Those who run the installation may be given every event; others those that are for whom they concern.
fn is_for(event: &EventInfo, owner: EndpointOwner) -> bool {
    owner == EndpointOwner::Installation || event.audience == Audience::Owner
}
