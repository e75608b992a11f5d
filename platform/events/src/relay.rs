//! From a service's outbox to the bus.

use std::time::Duration;

use stoa_db::{Db, Error};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    LocalBus,
    store::{self, OutboxRow},
};

/// Events handed on at once, at most.
const BATCH: u32 = 512;

/// Hands on what is in the outbox, whenever a transaction has signalled, and at least every `poll`.
pub(crate) async fn run(db: Db, bus: LocalBus, poll: Duration, stop: CancellationToken) {
    let mut signals = db.signals();
    let mut failures = 0_u32;
    loop {
        signals.mark_unchanged();
        let pause = match relay(&db, &bus).await {
            Ok(more) => {
                failures = 0;
                if more { Duration::ZERO } else { poll }
            }
            Err(error) => {
                tracing::warn!(service = db.service(), %error, "the outbox could not be handed on; trying again");
                failures += 1;
                Duration::from_millis(50)
                    .saturating_mul(2_u32.saturating_pow(failures))
                    .min(Duration::from_secs(30))
            }
        };
        if stop.is_cancelled() {
            return;
        }
        if !pause.is_zero() && !wait(&mut signals, pause, failures > 0, &stop).await {
            return;
        }
    }
}

/// Until a signal or the end of the pause; false when it is time to stop.
async fn wait(
    signals: &mut watch::Receiver<u64>,
    pause: Duration,
    whole: bool,
    stop: &CancellationToken,
) -> bool {
    let signal = async {
        if whole || signals.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => false,
        () = signal => true,
        () = tokio::time::sleep(pause) => true,
    }
}

/// Hands on one batch; true if there may be more.
async fn relay(db: &Db, bus: &LocalBus) -> Result<bool, Error> {
    let events = outgoing(db).await?;
    if events.is_empty() {
        return Ok(false);
    }
    bus.publish(db.service(), &events).await?;
    forget(db, &events).await?;
    Ok(events.len() == BATCH as usize)
}

/// First step: the oldest events of the outbox.
///
/// # Errors
/// What the database says.
pub async fn outgoing(db: &Db) -> Result<Vec<OutboxRow>, Error> {
    store::read_outbox(db, BATCH).await
}

/// Last step, once every subscriber has them.
///
/// # Errors
/// What the database says.
pub async fn forget(db: &Db, events: &[OutboxRow]) -> Result<(), Error> {
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    let mut tx = db.begin().await?;
    store::delete_outbox(&mut tx, &ids).await?;
    tx.commit().await
}
