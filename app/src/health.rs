//! What this process depends on, and how each is asked.

use std::sync::Arc;

use stoa_auth_api::TrustFeed;
use stoa_gateway::{Detail, HealthCheck};

use crate::mount::{Mounted, Platform};

/// Dead letters from which on a service counts as degraded.
const MANY_DEAD: i64 = 1;

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
        let db = one.db.clone();
        checks.push(HealthCheck::helpful(format!("{name}.events"), move || {
            let db = db.clone();
            async move {
                let queue = stoa_events::stats(&db).await.map_err(|e| e.to_string())?;
                let detail = Detail::default()
                    .with("outbox", queue.outbox.to_string())
                    .with("ready", queue.ready.to_string())
                    .with("running", queue.running.to_string())
                    .with("dead", queue.dead.to_string());
                Ok(if queue.dead >= MANY_DEAD {
                    detail.degraded()
                } else {
                    detail
                })
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

/// Whether auth, which runs elsewhere, has told what tokens are to be checked with.
pub(crate) fn trust(feed: &Arc<TrustFeed>) -> HealthCheck {
    let feed = Arc::clone(feed);
    HealthCheck::needed("auth.trust", move || {
        let (heard, answering) = (feed.has_heard(), feed.is_answering());
        async move {
            match (heard, answering) {
                (false, _) => Err("auth has not answered yet; see rpc.upstreams.auth".to_owned()),
                (true, false) => Ok(Detail::default().degraded()),
                (true, true) => Ok(Detail::default()),
            }
        }
    })
}
