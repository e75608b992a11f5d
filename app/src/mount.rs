//! The composition root: opens what services need, makes the services, and hands them their part.

use std::{path::Path, sync::Arc};

use stoa_auth::AuthConfig;
use stoa_auth_api::KeyClient;
use stoa_cache::{Cache, CacheConfig};
use stoa_config::Settings;
use stoa_db::{DatabaseConfig, Db, DbOptions};
use stoa_events::{Bus, BusConfig};
use stoa_gateway::GatewayConfig;
use stoa_http::{FORMER_ISSUER, KeyAuthority, Verifier};
use stoa_kernel::Clock;
pub(crate) use stoa_mount::Error;
use stoa_mount::Mounted;
use stoa_objects::{Objects, ObjectsConfig};
use stoa_outbound::{Outbound, OutboundConfig};
use stoa_rpc::{Directory, RpcConfig};
use stoa_secrets::Secrets;
use stoa_service::Env;
use tokio_util::sync::CancellationToken;

use crate::{
    channels::{Channels, Needed},
    services::{self, KnownService, Services},
    settings::ServerConfig,
    tls,
};

/// What all services of this process share.
pub(crate) struct Platform {
    pub(crate) clock: Clock,
    pub(crate) cache: Cache,
    pub(crate) objects: Objects,
    pub(crate) channels: Channels,
    pub(crate) outbound: Outbound,
    pub(crate) verifier: Verifier,
    pub(crate) keys: Arc<dyn KeyAuthority>,
    pub(crate) rpc: Directory,
    pub(crate) bus: Bus,
    pub(crate) public_url: String,
    pub(crate) product_name: String,
    /// Cancelled when the process begins to stop.
    pub(crate) draining: CancellationToken,
}

impl Platform {
    /// For serving: with the engines that the settings name. `listening` is where the process listens, for the addresses it tells
    /// others.
    pub(crate) async fn open(
        settings: &Settings,
        server: &ServerConfig,
        data_dir: &Path,
        listening: &str,
    ) -> Result<Self, Error> {
        let mut platform = Self::aside(settings, server, data_dir, listening)?;
        let (cache, bus): (CacheConfig, BusConfig) = (settings.section("cache")?, settings.section("bus")?);
        platform.cache = Cache::open(&cache, platform.clock.clone()).await?;
        platform.keys = Arc::new(KeyClient::new(&platform.rpc, &platform.cache));
        // Their caps are counted there.
        platform.channels = Channels::open(&Needed {
            settings,
            data_dir,
            public_url: &platform.public_url,
            cache: &platform.cache,
            outbound: &platform.outbound,
            clock: &platform.clock,
        })?;
        platform.bus = Bus::open(&bus).await?;
        let objects: ObjectsConfig = settings.section("objects")?;
        platform.objects = Objects::open(&objects, &data_dir.join("objects")).await?;
        Ok(platform)
    }

    /// For commands that run beside a serving process or before it: alone, without any engine but the databases.
    pub(crate) fn aside(
        settings: &Settings,
        server: &ServerConfig,
        data_dir: &Path,
        listening: &str,
    ) -> Result<Self, Error> {
        let clock = Clock::system();
        let (rpc, cache) = (Directory::new(), Cache::local(1024 * 1024));
        let outbound = Outbound::new(&settings.section::<OutboundConfig>("outbound")?)?;
        let public_url = tls::public_url(server, listening);
        let channels = Channels::open(&Needed {
            settings,
            data_dir,
            public_url: &public_url,
            cache: &cache,
            outbound: &outbound,
            clock: &clock,
        })?;
        Ok(Self {
            keys: Arc::new(KeyClient::new(&rpc, &cache)),
            objects: Objects::folder(&data_dir.join("objects"))?,
            channels,
            outbound,
            cache,
            verifier: Verifier::new(FORMER_ISSUER, clock.clone()),
            rpc,
            bus: Bus::local(),
            draining: CancellationToken::new(),
            public_url,
            product_name: server.product_name.clone(),
            clock,
        })
    }

    /// What all share, or what the service has for itself by settings of its own.
    async fn cache(&self, settings: &Settings, service: &str) -> Result<Cache, Error> {
        if is_shared(settings, "cache", service) {
            return Ok(self.cache.clone());
        }
        let config: CacheConfig = settings.engine_section("cache", service)?;
        let opened = Cache::open(&config, self.clock.clone()).await;
        opened.map_err(|e| format!("{service}.{e}").into())
    }

    /// Whether `/dev/mail` is served: mails are kept in a folder, and people reach this installation on this machine alone.
    pub(crate) fn has_mailbox(&self) -> bool {
        self.channels.mailer.is_folder() && self.shows_folders()
    }

    /// Whether what is kept in folders instead of being sent is shown: people reach this installation on this machine alone.
    pub(crate) fn shows_folders(&self) -> bool {
        stoa_http::is_loopback(&self.public_url)
    }

    /// As [`Self::cache`].
    async fn objects(&self, settings: &Settings, service: &str, data_dir: &Path) -> Result<Objects, Error> {
        if is_shared(settings, "objects", service) {
            return Ok(self.objects.clone());
        }
        let config: ObjectsConfig = settings.engine_section("objects", service)?;
        let opened = Objects::open(&config, &data_dir.join("objects")).await;
        opened.map_err(|e| format!("{service}.{e}").into())
    }

    /// As [`Self::cache`].
    pub(crate) async fn bus(&self, settings: &Settings, service: &str) -> Result<Bus, Error> {
        if is_shared(settings, "bus", service) {
            return Ok(self.bus.clone());
        }
        let config: BusConfig = settings.engine_section("bus", service)?;
        Bus::open(&config)
            .await
            .map_err(|e| format!("{service}.{e}").into())
    }
}

fn is_shared(settings: &Settings, engine: &str, service: &str) -> bool {
    settings.engine_key(engine, service, "url") == format!("{engine}.url")
}

/// Refuses where a service that is needed runs neither here nor anywhere that the settings say.
pub(crate) fn neighbours(settings: &Settings, services: &Services) -> Result<(), Error> {
    let (rpc, gateway): (RpcConfig, GatewayConfig) = (settings.section("rpc")?, settings.section("gateway")?);
    for service in services.others() {
        let name = service.name();
        if services.has(KnownService::GATEWAY) && gateway.upstreams.get(name).is_none_or(Vec::is_empty) {
            return Err(nowhere(service, "gateway.upstreams", "http://10.0.0.7:3000"));
        }
        // Every process checks tokens with it.
        if service == KnownService::AUTH && rpc.upstreams.get(name).is_none_or(Vec::is_empty) {
            return Err(nowhere(service, "rpc.upstreams", "http://10.0.0.7:3100"));
        }
    }
    Ok(())
}

fn nowhere(service: KnownService, section: &str, example: &str) -> Error {
    let name = service.name();
    format!(
        "{name} does not run in this process and {section}.{name} does not say where: set it, such as [\"{example}\"], or \
         name {name} among --only"
    )
    .into()
}

/// Makes the services of this process. Nothing is migrated or started yet.
pub(crate) async fn services(
    platform: &Platform,
    settings: &Settings,
    services: &Services,
    data_dir: &Path,
) -> Result<Vec<Mounted>, Error> {
    let mut mounted = Vec::new();
    let events = services::events();
    let auth: AuthConfig = settings.section("auth")?;
    let secrets = Secrets::new(data_dir.join("keys"), &auth.secret)?;
    let (permissions, channels) = (services::permissions(), services::channels());
    let notifications = services::notifications();
    for known in KnownService::all().filter(|known| services.has(*known)) {
        let Some(make) = known.make else { continue };
        let name = known.name();
        let db = database(settings, name, data_dir, &platform.clock).await?;
        let cache = platform.cache(settings, name).await?;
        let objects = platform.objects(settings, name, data_dir).await?;
        let env = Env {
            db,
            cache,
            objects,
            mailer: platform.channels.mailer.clone(),
            sms: platform.channels.sms.clone(),
            push: platform.channels.push.clone(),
            outbound: platform.outbound.apart(),
            clock: platform.clock.clone(),
            verifier: platform.verifier.clone(),
            keys: Arc::clone(&platform.keys),
            rpc: platform.rpc.clone(),
            secrets: secrets.clone(),
            data_dir: data_dir.to_owned(),
            public_url: platform.public_url.clone(),
            product_name: platform.product_name.clone(),
            permissions: Arc::clone(&permissions),
            events: Arc::clone(&events),
            channels: Arc::clone(&channels),
            draining: platform.draining.clone(),
            notifications: Arc::clone(&notifications),
        };
        mounted.push(Mounted::new(known.descriptor(), env, |env| make(env, settings))?);
    }
    Ok(mounted)
}

/// The settings of a service's database.
pub(crate) fn database_config(settings: &Settings, service: &str) -> Result<DatabaseConfig, Error> {
    Ok(settings.engine_section("database", service)?)
}

/// Opens a service's database.
pub(crate) async fn database(
    settings: &Settings,
    service: &str,
    data_dir: &Path,
    clock: &Clock,
) -> Result<Db, Error> {
    let config = database_config(settings, service)?;
    let options = config.options(service, data_dir, clock);
    open(settings, service, &config, options).await
}

/// Opens a database; what is wrong with its address is told with the name of the setting.
pub(crate) async fn open(
    settings: &Settings,
    service: &str,
    config: &DatabaseConfig,
    options: DbOptions,
) -> Result<Db, Error> {
    check_database(settings, service, config)?;
    Db::open(options)
        .await
        .map_err(|error| named(settings, service, config, error))
}

/// Refuses settings by which no database could be opened, without trying.
pub(crate) fn check_database(
    settings: &Settings,
    service: &str,
    config: &DatabaseConfig,
) -> Result<(), Error> {
    if config.is_embedded() && !config.replica_url.is_empty() {
        let [url, replica] = ["url", "replica_url"].map(|key| settings.engine_key("database", service, key));
        return Err(format!("{replica} is set and {url} is not: a file has no replica").into());
    }
    config
        .check()
        .map_err(|error| named(settings, service, config, error))
}

/// What is wrong with a database, with the name of the setting.
fn named(settings: &Settings, service: &str, config: &DatabaseConfig, error: stoa_db::Error) -> Error {
    let key = match error {
        stoa_db::Error::Replica(_) => "replica_url",
        _ if config.is_embedded() => return error.into(),
        _ => "url",
    };
    format!("{}: {error}", settings.engine_key("database", service, key)).into()
}

/// Refuses where the service's database would be a file and there is none: to look at one is not to make it.
pub(crate) fn database_exists(settings: &Settings, service: &str, data_dir: &Path) -> Result<(), Error> {
    if database_config(settings, service)?.is_embedded() {
        crate::data_dir::database_file(data_dir, service)?;
    }
    Ok(())
}
