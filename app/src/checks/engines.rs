//! The engines of every service: databases, bus, cache, objects, mail, requests to others, telemetry, calls.

use std::{collections::HashMap, path::Path};

use stoa_cache::CacheConfig;
use stoa_config::{Settings, Source};
use stoa_events::BusConfig;
use stoa_mail::MailConfig;
use stoa_objects::ObjectsConfig;
use stoa_outbound::OutboundConfig;
use stoa_push::PushConfig;
use stoa_rpc::RpcConfig;
use stoa_sms::SmsConfig;
use stoa_telemetry::TelemetryConfig;

use super::Problems;
use crate::{
    mount,
    services::KnownService,
    settings::{EventsConfig, ServerConfig},
};

pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    for service in KnownService::with_database().map(KnownService::name) {
        if let Some(config) = problems.take(mount::database_config(settings, service)) {
            problems.take(mount::check_database(settings, service, &config));
        }
        if let Some(config) = problems.take(settings.engine_section::<BusConfig>("bus", service)) {
            problems.take(own(settings, "bus", service, config.check()));
            bus_age(settings, service, &config, problems);
        }
        if let Some(config) = problems.take(settings.engine_section::<CacheConfig>("cache", service)) {
            problems.take(own(settings, "cache", service, config.check()));
        }
        if let Some(config) = problems.take(settings.engine_section::<ObjectsConfig>("objects", service)) {
            problems.take(own(settings, "objects", service, config.check()));
            if let Some(path) = config.url.strip_prefix("file://") {
                let key = settings.engine_key("objects", service, "url");
                problems.take(folder(&key, Path::new(path)));
            }
        }
    }
    shared_files(settings, problems);
    if let Some(config) = problems.take(settings.section::<MailConfig>("mail")) {
        problems.take(config.check());
        problems.take(folder("mail.folder", &config.folder));
    }
    if let Some(config) = problems.take(settings.section::<SmsConfig>("sms")) {
        problems.take(config.check());
        problems.take(folder("sms.folder", &config.folder));
    }
    if let Some(config) = problems.take(settings.section::<PushConfig>("push")) {
        problems.take(config.check());
    }
    if let Some(config) = problems.take(settings.section::<OutboundConfig>("outbound")) {
        problems.take(config.check());
    }
    if let Some(config) = problems.take(settings.section::<TelemetryConfig>("telemetry")) {
        problems.take(config.check());
    }
    if let Some(config) = problems.take(settings.section::<RpcConfig>("rpc")) {
        problems.take(config.check());
        if let Ok(server) = settings.section::<ServerConfig>("server") {
            problems.take(config.check_listen(&server.rpc_listen));
        }
    }
}

/// What is wrong with an engine that a service has for itself names that service's section: `auth.bus.url`.
fn own<E: ToString>(
    settings: &Settings,
    engine: &str,
    service: &str,
    found: Result<(), E>,
) -> Result<(), String> {
    found.map_err(|e| {
        let text = e.to_string();
        match text.strip_prefix(&format!("{engine}.url")) {
            Some(rest) => format!("{}{rest}", settings.engine_key(engine, service, "url")),
            None => text,
        }
    })
}

/// A subscriber knows an event again for as long as it keeps finished jobs. A broker that brings it after that would have it
/// handled twice.
fn bus_age(settings: &Settings, service: &str, bus: &BusConfig, problems: &mut Problems) {
    let key = settings.engine_key("bus", service, "max_age");
    let counts = bus.is_nats() || settings.source(&key) != Source::Default;
    let Some(events) = problems.take(settings.section::<EventsConfig>("events")) else {
        return;
    };
    if counts && bus.max_age > events.keep_done {
        problems.add(format!(
            "{key} is \"{}\" and events.keep_done \"{}\": an event that the broker keeps for longer than its subscribers \
             remember it may be handled twice; set {key} to at most events.keep_done",
            bus.max_age, events.keep_done
        ));
    }
}

/// Two services in one file would take each other's tables for theirs.
fn shared_files(settings: &Settings, problems: &mut Problems) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for service in KnownService::with_database().map(KnownService::name) {
        let Ok(config) = mount::database_config(settings, service) else {
            continue;
        };
        if config.url.starts_with("sqlite:")
            && let Some(other) = seen.insert(config.url.clone(), service)
        {
            problems.add(format!(
                "{} names one file for {other} and {service}: each needs a file of its own; leave it empty, or set \
                 {other}.database.url and {service}.database.url",
                settings.engine_key("database", service, "url")
            ));
        }
    }
}

/// Refuses a path that cannot become a folder. Empty is none.
pub(super) fn folder(key: &str, path: &Path) -> Result<(), String> {
    let above = path.ancestors().find(|path| path.exists());
    match above {
        Some(found) if !path.as_os_str().is_empty() && !found.is_dir() => Err(format!(
            "{key} is {}, and {} is a file: name a folder",
            path.display(),
            found.display()
        )),
        _ => Ok(()),
    }
}
