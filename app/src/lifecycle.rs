//! The order of start, readiness, drain and stop, in one visible function.

use std::time::Duration;

use stoa_audit::Sealer;
use stoa_config::Settings;
use stoa_events::{Registered, Worker, WorkerOptions};
use stoa_gateway::ServerOptions;
use stoa_telemetry::{AccessLog, TelemetryConfig};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    assemble, banner,
    data_dir::DataDir,
    mount::{self, Error, Mounted, Platform},
    roles::Roles,
    settings::{EventsConfig, ServerConfig},
    tls::{self, Tls},
};

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(settings: &Settings, roles: &Roles) -> Result<(), Error> {
    crate::settings::check(settings)?;
    let telemetry = stoa_telemetry::init(&settings.section::<TelemetryConfig>("telemetry")?, "stoa")?;
    let server: ServerConfig = settings.section("server")?;
    let grace = server.shutdown_grace.0;
    let data_dir = DataDir::open(&server.data_dir)?;
    let listener = TcpListener::bind(server.listen).await.map_err(|e| {
        format!(
            "cannot listen on {}: {e}; choose another with --listen",
            server.listen
        )
    })?;
    let tls = Tls::open(&server).await?;
    let listening = listener.local_addr()?.to_string();

    let platform = Platform::open(settings, &server, data_dir.path(), &listening).await?;
    let mut mounted = mount::services(&platform, settings, roles, data_dir.path()).await?;
    mount::migrate(&mounted).await?;
    let background = Background::start(settings, &platform, &mut mounted).await?;

    let access_log = AccessLog::stdout();
    let edge = assemble::edge(settings, &platform, &mut mounted, &telemetry, &access_log)?;
    let stop = stop_signal()?;
    let rpc = serve_rpc(&server.rpc_listen, &platform, stop.clone()).await?;
    banner::print(&platform, roles, &tls::url(&server, &listening), data_dir.path());
    let options = ServerOptions {
        tls: tls.start(&platform.public_url, &stop),
        ..ServerOptions::default()
    };
    stoa_gateway::serve_with(listener, edge, stop, grace, options).await;
    if let Some(rpc) = rpc {
        // Calls have deadlines of seconds; what is left after the grace is cut off.
        let _ = tokio::time::timeout(grace, rpc).await;
    }

    tracing::info!("stopping: requests are finished, waiting for jobs");
    background.stop(grace).await;
    for one in &mounted {
        one.db.close().await;
    }
    access_log.stop();
    telemetry.shutdown();
    Ok(())
}

/// Serves calls between services, if there is an address for it.
async fn serve_rpc(
    listen: &str,
    platform: &Platform,
    stop: CancellationToken,
) -> Result<Option<JoinHandle<std::io::Result<()>>>, Error> {
    if listen.is_empty() {
        return Ok(None);
    }
    let listener = TcpListener::bind(listen).await.map_err(|e| {
        format!("cannot listen on {listen}: {e}; set server.rpc_listen to another address, or to none")
    })?;
    let serving =
        axum::serve(listener, platform.rpc.serve_routes()).with_graceful_shutdown(stop.cancelled_owned());
    Ok(Some(tokio::spawn(serving.into_future())))
}

/// Workers and sealers of every service.
struct Background {
    workers: Vec<Worker>,
    sealers: Vec<Sealer>,
}

impl Background {
    /// Runs what services do before their first request, then starts their workers, once every subscriber is on the bus:
    /// what an outbox kept from before a crash must find them all.
    async fn start(settings: &Settings, platform: &Platform, mounted: &mut [Mounted]) -> Result<Self, Error> {
        let config: EventsConfig = settings.section("events")?;
        let options = WorkerOptions {
            concurrency: config.concurrency,
            keep_done: config.keep_done.0,
            poll: config.poll.0,
            lease: config.lease.0,
            sole: true,
        };
        let (mut workers, mut sealers) = (Vec::new(), Vec::new());
        for one in mounted {
            let service = &mut one.service;
            if let Some(start) = service.start.take() {
                start()
                    .await
                    .map_err(|e| format!("{} cannot start: {e}", service.name))?;
            }
            let worker = Worker::register(
                one.db.clone(),
                platform.bus.clone(),
                std::mem::take(&mut service.subscriptions),
                std::mem::take(&mut service.jobs),
                std::mem::take(&mut service.schedules),
                options.clone(),
            );
            workers.push(worker.await?);
            sealers.push(Sealer::start(one.db.clone()));
        }
        Ok(Self {
            workers: workers.into_iter().map(Registered::start).collect(),
            sealers,
        })
    }

    async fn stop(self, grace: Duration) {
        futures::future::join_all(self.workers.into_iter().map(|worker| worker.stop(grace))).await;
        futures::future::join_all(self.sealers.into_iter().map(Sealer::stop)).await;
    }
}

/// Cancelled by the first SIGTERM or SIGINT; a second one ends the process at once.
fn stop_signal() -> Result<CancellationToken, Error> {
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
            stop.cancel();
        }
    });
    Ok(token)
}
