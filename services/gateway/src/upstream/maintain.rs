//! What goes on beside the requests: names are looked up, replicas are asked whether they are ready, idle connections closed.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use axum::body::Body;
use futures::future::join_all;
use http::{Request, StatusCode, header};
use stoa_kernel::random;
use tokio::{
    net::lookup_host,
    time::{sleep, timeout},
};

use super::{
    config::{Protocol, UpstreamConfig},
    replica::{Replica, Told},
    service::Service,
    wire::Wire,
};

/// A check may take a second beyond its connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tends a service until nobody uses it any more.
pub(super) async fn maintain(service: Weak<Service>) {
    let mut resolved: Option<Instant> = None;
    while let Some(service) = service.upgrade() {
        let config = &service.config;
        if resolved.is_none_or(|at| at.elapsed() >= config.resolve_every.0) {
            resolved = Some(Instant::now());
            resolve(&service).await;
        }
        let replicas = service.replicas.load_full();
        let checks = join_all(replicas.iter().map(|replica| check(replica, config))).await;
        let answered = checks.iter().any(|check| check.answered);
        let again = checks.iter().any(|check| check.again);
        service.breaker.checked(answered, again);
        for replica in replicas.iter() {
            replica.sweep(config.idle.0);
        }
        let pause = config.check_every.0.mul_f64(0.75 + random::fraction() / 2.0);
        let breaker = Arc::clone(&service.breaker);
        drop((replicas, service));
        tokio::select! {
            () = sleep(pause) => {}
            () = breaker.due() => {}
        }
    }
}

/// Looks up all names. Replicas whose address is still there stay as they are; if a lookup fails all do.
async fn resolve(service: &Service) {
    let lookups = service.urls.iter().map(|url| async move {
        let found = lookup_host((url.host(), url.port())).await;
        found.map(|found| found.map(|address| (url, address)).collect::<Vec<_>>())
    });
    let mut wanted = Vec::new();
    for found in join_all(lookups).await {
        match found {
            Ok(found) => wanted.extend(found),
            Err(error) => {
                tracing::warn!(service = service.name, %error, "an upstream's name cannot be looked up");
                return;
            }
        }
    }
    let mut seen: HashSet<SocketAddr> = HashSet::new();
    wanted.retain(|(_, address)| seen.insert(*address));
    let before = service.replicas.load_full();
    if before.len() == wanted.len()
        && before
            .iter()
            .all(|replica| seen.contains(&replica.connector.address()))
    {
        return;
    }
    let after = wanted.into_iter().map(|(url, address)| {
        let known = before
            .iter()
            .find(|replica| replica.connector.address() == address);
        known
            .cloned()
            .unwrap_or_else(|| Arc::new(service.replica(url, address)))
    });
    let after: Vec<_> = after.collect();
    for gone in before
        .iter()
        .filter(|replica| !seen.contains(&replica.connector.address()))
    {
        gone.measured.healthy(false);
    }
    tracing::info!(
        service = service.name,
        replicas = after.len(),
        "an upstream's addresses changed"
    );
    service.replicas.store(Arc::new(after));
}

/// What a check of one replica found.
struct Check {
    answered: bool,
    /// It is ready and was not before.
    again: bool,
}

/// Asks one replica.
async fn check(replica: &Replica, config: &UpstreamConfig) -> Check {
    let patience = config.connect_timeout.0 + PATIENCE;
    let found = match replica.protocol {
        Protocol::Http1 => timeout(patience, ask(replica, config))
            .await
            .unwrap_or(Told::Nothing),
        // A gRPC server tells by its connection: draining it sends GOAWAY.
        Protocol::Http2 => match replica.connector.connect(config.connect_timeout.0).await {
            Ok(_) => Told::Ready,
            Err(_) => Told::Nothing,
        },
    };
    let again = replica.tell(found);
    replica.measured.healthy(replica.is_fit());
    Check {
        answered: found != Told::Nothing,
        again,
    }
}

/// `GET /health/ready` on a connection of its own: so it is known that new ones are accepted.
async fn ask(replica: &Replica, config: &UpstreamConfig) -> Told {
    let Ok(mut wire) = Wire::open(&replica.connector, config.connect_timeout.0).await else {
        return Told::Nothing;
    };
    let request = Request::get("/health/ready")
        .header(header::HOST, replica.authority.as_str())
        .header(header::CONNECTION, "close")
        .body(Body::empty());
    let Ok(request) = request else {
        return Told::Nothing;
    };
    match wire.send(request).await.map(|answer| answer.status()) {
        Ok(status) if status.is_success() => Told::Ready,
        Ok(StatusCode::SERVICE_UNAVAILABLE) => Told::Draining,
        _ => Told::Nothing,
    }
}
