//! The order of start, readiness, drain and stop, in one visible function.

use std::{path::PathBuf, sync::Arc, time::Duration};

use stoa_audit::{Sealing, Suspension};
use stoa_auth_api::TrustFeed;
use stoa_config::{ConfigError, Settings};
use stoa_edge::{Draining, EdgeConfig, ServerLimits, ServerOptions};
use stoa_events::{Isolation, WorkerOptions};
use stoa_mount::{Background, Mounted};
use stoa_providers::DevPages;
use stoa_telemetry::{AccessLog, TelemetryConfig, max_open_files};
use stoa_tls::Mutual;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    assemble, audit, banner, checks,
    data_dir::DataDir,
    mount::{self, Error, Platform},
    reload::{Changeable, Hangup},
    rpc::Rpc,
    services::{self, KnownService, Services},
    settings::{EventsConfig, ServerConfig},
    tls::{self, Tls},
};

/// Serves until SIGTERM or SIGINT. `load` reads the settings again on SIGHUP; `files` are those that they were read from.
pub(crate) async fn run<F>(
    settings: &Settings,
    services: &Services,
    files: &[PathBuf],
    load: F,
) -> Result<(), Error>
where
    F: Fn() -> Result<Settings, ConfigError> + Send + Sync + 'static,
{
    let hangup = Hangup::take()?;
    checks::check(settings, services)?;
    let telemetry = stoa_telemetry::init(&settings.section::<TelemetryConfig>("telemetry")?, "stoa")?;
    describe_metrics();
    let server: ServerConfig = settings.section("server")?;
    let grace = server.shutdown_grace.0;
    let data_dir = DataDir::open(&server.data_dir)?;
    let listener = TcpListener::bind(server.listen).await.map_err(|e| {
        format!(
            "cannot listen on {}: {e}; choose another with --listen",
            server.listen
        )
    })?;
    let rpc = Rpc::open(settings)?;
    let tls = Tls::open(&server, data_dir.path(), rpc.peers()).await?;
    let listening = listener.local_addr()?.to_string();

    let platform = Platform::open(settings, &server, data_dir.path(), &listening).await?;
    rpc.connect(&platform.rpc, services)?;
    let mut mounted = mount::services(&platform, settings, services, data_dir.path()).await?;
    stoa_mount::migrate(&mounted).await?;
    let sealing = audit::sealing(settings, &platform, data_dir.path()).await?;
    let background = start_background(settings, &platform, &mut mounted, &sealing).await?;

    let shows_folders = services.has(KnownService::GATEWAY) && platform.shows_folders();
    let kept = if shows_folders {
        platform.channels.pages()?
    } else {
        Vec::new()
    };
    let outside = Outside {
        suspensions: background.suspensions(),
        kept,
        trust: Arc::new(TrustFeed::start(platform.verifier.clone(), &platform.rpc)),
        peers: rpc.peers().cloned(),
        draining: Draining::of(platform.draining.clone()),
        access_log: AccessLog::stdout(),
    };
    hangup.serve(Changeable {
        load,
        log: telemetry.log_level(),
        certificates: tls.certificates(),
        peers: rpc.peers().cloned(),
    });
    let edge = assemble::edge(settings, services, &platform, &mut mounted, &telemetry, &outside)?;
    let stop = stop_signal(outside.draining.clone(), server.drain.0)?;
    let calls = rpc.serve(&server.rpc_listen, &platform.rpc, stop.clone()).await?;
    let admin = banner::admin(settings, services, files, data_dir.path())?;
    banner::print(
        &outside.kept,
        services,
        &tls::url(&server, &listening),
        data_dir.path(),
        &admin,
    );
    let config: EdgeConfig = settings.section("gateway")?;
    let options = ServerOptions {
        limits: ServerLimits::new(&config, max_open_files(), services.passes_on()),
        tls: tls.start(&platform.public_url, &stop),
        // A gateway by itself runs nothing that holds a thread up.
        threads: if mounted.is_empty() { processors() } else { 0 },
    };
    stoa_edge::serve_with(listener, edge, stop, grace, options).await;
    if let Some(calls) = calls {
        // Calls have deadlines of seconds; what is left after the grace is cut off.
        let _ = tokio::time::timeout(grace, calls).await;
    }

    tracing::info!("stopping: requests are finished, waiting for jobs");
    background.stop(grace).await;
    for one in &mounted {
        one.db.close().await;
    }
    outside.access_log.stop();
    telemetry.shutdown();
    Ok(())
}

/// Says what the metrics tell, before they are made.
fn describe_metrics() {
    let platform = [
        stoa_audit::METRICS,
        stoa_cache::METRICS,
        stoa_db::METRICS,
        stoa_edge::METRICS,
        stoa_events::METRICS,
        stoa_providers::METRICS,
        stoa_tls::METRICS,
    ];
    for metrics in platform
        .into_iter()
        .chain(KnownService::all().map(|service| service.metrics))
    {
        stoa_telemetry::describe(metrics);
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What the edge needs of the running process.
pub(crate) struct Outside {
    pub(crate) trust: Arc<TrustFeed>,
    pub(crate) peers: Option<Arc<Mutual>>,
    pub(crate) draining: Draining,
    pub(crate) access_log: AccessLog,
    /// Pages over what is kept in folders instead of being sent, each with its label.
    pub(crate) kept: Vec<(&'static str, DevPages)>,
    /// Whether the audit log of each service is sealed.
    pub(crate) suspensions: Vec<(&'static str, Suspension)>,
}

/// Starts workers and sealers of every service.
async fn start_background(
    settings: &Settings,
    platform: &Platform,
    mounted: &mut [Mounted],
    sealing: &Sealing,
) -> Result<Background, Error> {
    let config: EventsConfig = settings.section("events")?;
    let options = WorkerOptions {
        concurrency: config.concurrency,
        keep_done: config.keep_done.0,
        poll: config.poll.0,
        lease: config.lease.0,
        deadline: config.deadline.0,
        sole: false,
        // All workers of the process share it.
        isolation: Isolation::default(),
    };
    let wants = services::wants();
    let wants: Vec<_> = wants
        .iter()
        .map(|(name, events)| (*name, events.as_slice()))
        .collect();
    let mut buses = Vec::new();
    for one in &*mounted {
        buses.push(platform.bus(settings, one.service.name).await?);
    }
    Background::start(mounted, buses, &wants, &options, sealing).await
}

/// Cancelled some time after the first SIGTERM or SIGINT, while which the process is draining; a second one ends it at once.
fn stop_signal(draining: Draining, drain: Duration) -> Result<CancellationToken, Error> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        for count in 0.. {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if count > 0 {
                std::process::exit(130);
            }
            draining.begin();
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::time::sleep(drain).await;
                stop.cancel();
            });
        }
    });
    Ok(token)
}
