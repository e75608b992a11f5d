//! What this process depends on, and how each is asked.

use std::sync::Arc;

use stoa_audit::Suspension;
use stoa_auth_api::TrustFeed;
use stoa_edge::{Detail, HealthCheck};
use stoa_mount::Mounted;

use crate::mount::Platform;

pub(crate) fn checks(platform: &Platform, mounted: &[Mounted]) -> Vec<HealthCheck> {
    let mut checks = Vec::new();
    for one in mounted {
        let (name, db) = (one.service.name, one.db.clone());
        checks.push(HealthCheck::needed(format!("{name}.database"), move || {
            let db = db.clone();
            async move {
                db.ping()
                    .await
                    .map(|()| Detail::default())
                    .map_err(|e| e.to_string())
            }
        }));
        let (db, bus) = (one.db.clone(), platform.bus.clone());
        checks.push(HealthCheck::helpful(format!("{name}.events"), move || {
            let (db, trouble) = (db.clone(), bus.trouble(name));
            async move {
                if let Some(trouble) = trouble {
                    return Err(trouble);
                }
                let queue = stoa_events::stats(&db).await.map_err(|e| e.to_string())?;
                let detail = Detail::default()
                    .with("outbox", queue.outbox.to_string())
                    .with("ready", queue.ready.to_string())
                    .with("running", queue.running.to_string())
                    .with("dead", queue.dead.to_string());
                // Dead letters hold nothing up: they are for the operator to look at, by `stoa jobs dead` and an alert.
                Ok(detail)
            }
        }));
    }
    let bus = platform.bus.clone();
    checks.push(HealthCheck::helpful("bus", move || {
        let bus = bus.clone();
        async move {
            let words = bus.ping().await.map_err(|e| e.to_string())?;
            Ok(Detail::default().with("engine", bus.kind()).with("says", words))
        }
    }));
    let cache = platform.cache.clone();
    checks.push(HealthCheck::helpful("cache", move || {
        let cache = cache.clone();
        async move {
            let health = cache.ping().await.map_err(|e| e.to_string())?;
            Ok(Detail::default()
                .with("engine", health.engine)
                .with("took_us", health.took.as_micros().to_string()))
        }
    }));
    let objects = platform.objects.clone();
    checks.push(HealthCheck::helpful("objects", move || {
        let objects = objects.clone();
        async move {
            objects
                .ping()
                .await
                .map(|()| Detail::default())
                .map_err(|e| e.to_string())
        }
    }));
    checks
}

/// Whether the audit log of each service is sealed.
pub(crate) fn audit(suspensions: &[(&'static str, Suspension)]) -> Vec<HealthCheck> {
    let check = |(name, suspension): &(&'static str, Suspension)| {
        let suspension = suspension.clone();
        HealthCheck::helpful(format!("{name}.audit"), move || {
            let why = suspension.why();
            async move {
                why.map_or(Ok(Detail::default()), |why| {
                    Err(format!(
                        "the audit log was tampered with, so nothing is sealed: {why}; see `stoa audit verify`"
                    ))
                })
            }
        })
    };
    suspensions.iter().map(check).collect()
}

/// What auth tells, with which every process checks tokens: whether it was ever read, without which no token can be checked, and
/// whether it was read when auth was asked last. Until it is read again, this process goes on with what it knows.
pub(crate) fn trust(feed: &Arc<TrustFeed>) -> [HealthCheck; 2] {
    let (heard, followed) = (Arc::clone(feed), Arc::clone(feed));
    let heard = HealthCheck::needed("auth.trust", move || {
        let (heard, failure) = (heard.has_heard(), heard.failure());
        async move {
            match failure {
                _ if heard => Ok(Detail::default()),
                None => Err("auth has not answered yet; see rpc.upstreams.auth".to_owned()),
                Some((why, _)) => Err(format!("auth cannot be read: {why}; see rpc.upstreams.auth")),
            }
        }
    });
    let followed = HealthCheck::helpful("auth.revocations", move || {
        let failure = followed.failure();
        async move {
            let Some((why, since)) = failure else {
                return Ok(Detail::default());
            };
            let seconds = since.as_secs();
            Err(format!(
                "what auth revokes has not been read for {seconds} s and is still accepted here: {why}"
            ))
        }
    });
    [heard, followed]
}
