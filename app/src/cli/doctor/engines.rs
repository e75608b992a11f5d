//! Bus, cache and objects: those that all services share, and those that one has for itself.

use std::path::Path;

use bytes::Bytes;
use stoa_cache::{Cache, CacheConfig};
use stoa_config::Settings;
use stoa_events::{Bus, BusConfig};
use stoa_kernel::{Clock, Id};
use stoa_objects::{Objects, ObjectsConfig};

use super::Report;
use crate::{
    mount::{self, Error},
    services::{self, KnownService},
};

pub(super) async fn look(report: &mut Report, settings: &Settings, data_dir: &Path) -> Result<(), Error> {
    let wants = services::wants();
    let wants: Vec<_> = wants
        .iter()
        .map(|(name, events)| (*name, events.as_slice()))
        .collect();
    for (service, section) in users_of(settings, "bus") {
        let config: BusConfig = settings.engine_section("bus", service)?;
        report.add(&section, Bus::look(&config, &wants).await);
    }
    for (service, section) in users_of(settings, "cache") {
        let config: CacheConfig = settings.engine_section("cache", service)?;
        report.add(&section, cache(&config).await);
    }
    for (service, section) in users_of(settings, "objects") {
        let config: ObjectsConfig = settings.engine_section("objects", service)?;
        if config.url.is_empty() && !data_dir.join("objects").is_dir() {
            report.add(
                &section,
                Ok::<_, Error>("none yet; `stoa serve` makes their folder"),
            );
        } else {
            report.add(&section, objects(&config, data_dir).await);
        }
    }
    replicas(settings)
}

/// Each section that holds for some service, with one for which it does: `bus`, `auth.bus`.
fn users_of(settings: &Settings, engine: &str) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for service in KnownService::with_database() {
        let key = settings.engine_key(engine, service.name(), "url");
        let section = key.trim_end_matches(".url").to_owned();
        if !found.iter().any(|(_, known)| *known == section) {
            found.push((service.name(), section));
        }
    }
    found
}

async fn cache(config: &CacheConfig) -> Result<String, Error> {
    let cache = Cache::open(config, Clock::system()).await?;
    if !cache.is_shared() {
        return Ok("in each process by itself".to_owned());
    }
    let health = cache.ping().await?;
    let version = cache.version().await?.unwrap_or_else(|| "unknown".to_owned());
    Ok(format!(
        "{} version {version} answers within {:.1} ms",
        health.engine,
        health.took.as_secs_f64() * 1000.0
    ))
}

/// Whether something can be kept there, had again and deleted.
async fn objects(config: &ObjectsConfig, data_dir: &Path) -> Result<String, Error> {
    let folder = data_dir.join("objects");
    let objects = Objects::open(config, &folder).await?;
    let key = format!("doctor-{}", Id::<()>::new(&Clock::system()).uuid().simple());
    let bytes = Bytes::from_static(b"stoa");
    objects.put(&key, bytes.clone()).await?;
    let read = objects.get(&key).await;
    objects.delete(&key).await?;
    if read? != bytes {
        return Err(format!("what was kept under {key} is not what is read from there").into());
    }
    let place = match config.url.as_str() {
        "" => folder.display().to_string(),
        url => url.to_owned(),
    };
    Ok(format!("{place}; a probe was written, read and deleted"))
}

/// With replicas, who has written lately is kept in the cache.
fn replicas(settings: &Settings) -> Result<(), Error> {
    for service in KnownService::with_database() {
        let name = service.name();
        let has_replica = !mount::database_config(settings, name)?.replica_url.is_empty();
        let cache: CacheConfig = settings.engine_section("cache", name)?;
        if has_replica && cache.url.is_empty() {
            let key = settings.engine_key("database", name, "replica_url");
            Report::warn(
                &format!("{name} database"),
                format!(
                    "{key} is set and {} is not: each process knows by itself alone who has written, so where there are \
                     several of {name}, people may read from the replica what they have just changed through another",
                    settings.engine_key("cache", name, "url")
                ),
            );
        }
    }
    Ok(())
}
