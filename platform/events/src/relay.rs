//! From a service's outbox to the bus.

use std::time::Duration;

use stoa_db::{Db, Error, Tx};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    Bus, aside,
    bus::{BusError, Publisher, Refused},
    ids, pause,
    store::{self, OutboxRow},
};

/// Events handed on at once, at most.
const BATCH: u32 = 512;

/// Hands on what is in the outbox, whenever a transaction has signalled, and at least every `poll`.
pub(crate) async fn run(db: Db, bus: Bus, poll: Duration, stop: CancellationToken) {
    let (mut signals, mut links) = (db.signals(), bus.links());
    let mut publisher = bus.publisher();
    let trouble = bus.watch(db.service(), "handing events on");
    let mut failures = 0_u32;
    loop {
        signals.mark_unchanged();
        links.mark_unchanged();
        let pause = match relay(&db, &mut publisher).await {
            Ok(more) => {
                failures = 0;
                trouble.passed();
                bus.set_behind(db.service(), false);
                if more { Duration::ZERO } else { poll }
            }
            Err(error) => {
                tracing::warn!(service = db.service(), %error, "the outbox could not be handed on; trying again");
                failures += 1;
                trouble.failed(&error);
                bus.set_behind(db.service(), true);
                pause::after(failures)
            }
        };
        if stop.is_cancelled() {
            return;
        }
        // After a failure it is the bus that is waited for, and what has been committed meanwhile is no reason to try again.
        let wake = if failures > 0 { &mut links } else { &mut signals };
        if !pause.is_zero() && !wait(wake, pause, &stop).await {
            return;
        }
    }
}

/// Until a wake-up or the end of the pause; false when it is time to stop.
async fn wait(wake: &mut watch::Receiver<u64>, pause: Duration, stop: &CancellationToken) -> bool {
    let woken = async {
        if wake.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => false,
        () = woken => true,
        () = tokio::time::sleep(pause) => true,
    }
}

/// Hands on one batch; true if there may be more.
async fn relay(db: &Db, publisher: &mut Publisher) -> Result<bool, BusError> {
    let events = outgoing(db).await?;
    tell_lag(db, events.first());
    if events.is_empty() {
        return Ok(false);
    }
    let refused = publisher.publish(db.service(), &events).await?;
    if refused.is_empty() {
        forget(db, &events).await?;
    } else {
        put_aside(db, &events, &refused).await?;
    }
    Ok(events.len() == BATCH as usize)
}

/// How long the oldest event has been waiting.
fn tell_lag(db: &Db, oldest: Option<&OutboxRow>) {
    let lag = oldest.map_or(0.0, |event| {
        db.clock().now().duration_since(event.time).as_secs_f64().max(0.0)
    });
    metrics::gauge!("stoa_outbox_lag_seconds", "service" => db.service().to_owned()).set(lag);
}

/// Forgets the events; those that the bus will never take stay as dead letters, with the reason, and hold up nobody.
async fn put_aside(db: &Db, events: &[OutboxRow], refused: &[Refused]) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    for (id, reason) in refused {
        if let Some(event) = events.iter().find(|event| event.id == *id) {
            let reason = format!("{} cannot be handed on: {reason}", event.name);
            tracing::error!(service = db.service(), id = %id, reason, "an event was put aside");
            aside::refuse(&mut tx, event, &reason).await?;
        }
    }
    delete(&mut tx, events).await?;
    tx.commit().await
}

/// First step: the oldest events of the outbox.
///
/// # Errors
/// What the database says.
pub async fn outgoing(db: &Db) -> Result<Vec<OutboxRow>, Error> {
    store::read_outbox(db, BATCH).await
}

/// Second step: hands them to the bus.
///
/// # Errors
/// What the bus says.
pub async fn hand_on(db: &Db, bus: &Bus, events: &[OutboxRow]) -> Result<(), BusError> {
    bus.publisher().publish(db.service(), events).await.map(drop)
}

/// Last step, once every subscriber has them.
///
/// # Errors
/// What the database says.
pub async fn forget(db: &Db, events: &[OutboxRow]) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    delete(&mut tx, events).await?;
    tx.commit().await
}

async fn delete(tx: &mut Tx, events: &[OutboxRow]) -> Result<(), Error> {
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    store::delete_outbox(tx, &ids).await?;
    ids::note(tx, &ids).await
}
