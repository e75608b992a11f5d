//! What is known of a service without running it.

use stoa_config::{ConfigError, Settings};
use stoa_db::Migration;
use stoa_events::{Audience, EventInfo};
use stoa_http::{Code, Protocol};
use utoipa::openapi::OpenApi;

use crate::{ChannelInfo, Env, NotificationType, Service};

/// Among what a service wants: the events of all services, but those that are internal to them.
pub const ALL_EVENTS: &str = "*";

/// A service: what must be known of it where it does not run, and how it is made where it does. One constant for each service,
/// named `SERVICE`.
#[derive(Debug)]
pub struct Descriptor {
    /// Its name: of its database, its settings and its paths. Of `a-z`, `0-9` and `_`.
    pub name: &'static str,
    /// What it is for, in a line.
    pub about: &'static str,
    /// The port that its requests come by when it runs apart.
    pub port: u16,
    /// The port that calls of other services come by when it runs apart; none if nobody calls it.
    pub rpc_port: Option<u16>,
    /// The section of its settings with every default, as TOML with explanations: its `defaults.toml`.
    pub defaults: &'static str,
    /// Its tables. None for a service without a database.
    pub migrations: &'static [Migration],
    /// The error codes that only it answers with.
    pub codes: &'static [Code],
    /// What its metrics tell: name and help.
    pub metrics: &'static [(&'static str, &'static str)],
    /// The events that it wants to be told of, for a broker to keep them before it has ever run; or [`ALL_EVENTS`].
    pub wants: &'static [&'static str],
    /// The events that it tells.
    pub emits: &'static [EventInfo],
    /// The channels that clients may subscribe to.
    pub channels: &'static [ChannelInfo],
    /// The kinds of notifications that it sends.
    pub notifications: &'static [NotificationType],
    /// Its pages, which the description of the API does not list.
    pub pages: &'static [&'static str],
    /// Its routes of other protocols than the API's.
    pub protocols: &'static [Protocol],
    /// What its endpoints are.
    pub openapi: fn() -> OpenApi,
    /// Refuses settings that it could not work with, without opening anything.
    pub check: fn(&Settings) -> Result<(), ConfigError>,
    /// Makes it. None for the gateway: it is the edge around all others.
    pub make: Option<Make>,
}

/// Makes a service, of what it is handed and of its settings. An error has words for whoever starts the program.
pub type Make = fn(Env, &Settings) -> Result<Service, String>;

impl Descriptor {
    /// A service of this name with nothing in it yet.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self {
            name,
            about: "",
            port: 0,
            rpc_port: None,
            defaults: "",
            migrations: &[],
            codes: &[],
            metrics: &[],
            wants: &[],
            emits: &[],
            channels: &[],
            notifications: &[],
            pages: &[],
            protocols: &[],
            openapi: OpenApi::default,
            check: |_| Ok(()),
            make: None,
        }
    }

    /// The names of the events that it wants, of `all` that services emit.
    #[must_use]
    pub fn wanted_events(&self, all: &[EventInfo]) -> Vec<&'static str> {
        let mut wanted = self.wants.to_vec();
        if wanted.contains(&ALL_EVENTS) {
            wanted.retain(|name| *name != ALL_EVENTS);
            let public = all.iter().filter(|event| event.audience != Audience::Internal);
            wanted.extend(public.map(|event| event.name));
            wanted.sort_unstable();
            wanted.dedup();
        }
        wanted
    }

    /// Whether it keeps something.
    #[must_use]
    pub const fn has_database(&self) -> bool {
        !self.migrations.is_empty()
    }
}
