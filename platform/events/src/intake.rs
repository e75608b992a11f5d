//! From a broker into the subscriber's `jobs`: a batch at a time, in order, acknowledged once it is committed.

use std::sync::Arc;

use stoa_db::{Db, Error};
use tokio_util::sync::CancellationToken;

use crate::{
    Bus, Subscription, aside,
    bus::{Arrivals, BusError, Delivery, Position, envelope},
    inbox::{Arrival, Inbox},
    lease::Fence,
    pause,
    store::insert_jobs,
};

/// Messages that concern nobody here, after which their position is written down all the same.
const SKIPPED: usize = 4096;

/// Why a session ended.
enum Over {
    Stopped,
    /// Another process takes in now.
    Lost,
    Failed(BusError),
}

impl<E: Into<BusError>> From<E> for Over {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Takes in until told to stop, or until another process holds the lease. Whatever fails ends the session with the broker; the
/// next one begins behind what was committed.
pub(crate) async fn run(bus: Bus, inbox: Arc<Inbox>, fence: Fence, stop: CancellationToken) {
    let mut links = bus.links();
    let mut failures = 0;
    while !stop.is_cancelled() {
        links.mark_unchanged();
        let error = match session(&bus, &inbox, &fence, &stop, &mut failures).await {
            Over::Stopped | Over::Lost => return,
            Over::Failed(error) => error,
        };
        tracing::warn!(service = inbox.db().service(), %error, "events could not be taken in; trying again");
        failures += 1;
        tokio::select! {
            () = stop.cancelled() => {}
            Ok(()) = links.changed() => {}
            () = tokio::time::sleep(pause::after(failures)) => {}
        }
    }
}

async fn session(
    bus: &Bus,
    inbox: &Inbox,
    fence: &Fence,
    stop: &CancellationToken,
    failures: &mut u32,
) -> Over {
    let mut arrivals = match bus.arrivals(inbox).await {
        Ok(arrivals) => arrivals,
        Err(error) => return error.into(),
    };
    let mut skipped = 0;
    loop {
        let batch = tokio::select! {
            () = stop.cancelled() => break,
            batch = arrivals.next() => batch,
        };
        if let Err(over) = one(&mut arrivals, batch, inbox, fence, stop, &mut skipped).await {
            return over;
        }
        *failures = 0;
    }
    arrivals.close().await;
    Over::Stopped
}

/// Takes in one batch.
async fn one(
    arrivals: &mut Arrivals,
    batch: Result<Vec<Delivery>, BusError>,
    inbox: &Inbox,
    fence: &Fence,
    stop: &CancellationToken,
    skipped: &mut usize,
) -> Result<(), Over> {
    let batch = batch?;
    let read: Vec<_> = batch.iter().map(|one| envelope::read(&one.body)).collect();
    let wanted = |one: &Result<Arrival<'_>, String>| one.as_ref().map_or(true, |one| inbox.wants(&one.name));
    if read.iter().any(wanted) || *skipped >= SKIPPED {
        let rows = Rows {
            batch: &batch,
            read: &read,
            position: arrivals.position(&batch),
        };
        rows.keep(inbox, fence, stop).await?;
        *skipped = 0;
    } else {
        *skipped += batch.len();
    }
    count(inbox.db().service(), &read);
    let readable: Vec<_> = read.iter().map(Result::is_ok).collect();
    drop(read);
    arrivals.settle(&batch, &readable).await?;
    Ok(())
}

/// One batch, on its way into the database.
struct Rows<'a> {
    batch: &'a [Delivery],
    read: &'a [Result<Arrival<'a>, String>],
    position: Option<Position>,
}

impl Rows<'_> {
    /// Commits them, however long the database takes to come back: nothing further is fetched meanwhile.
    async fn keep(&self, inbox: &Inbox, fence: &Fence, stop: &CancellationToken) -> Result<(), Over> {
        let mut failures = 0;
        loop {
            let error = match self.commit(inbox, fence).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(Over::Lost),
                Err(error) => error,
            };
            tracing::warn!(service = inbox.db().service(), %error, "events that arrived could not be kept; trying again");
            failures += 1;
            tokio::select! {
                () = stop.cancelled() => return Err(Over::Stopped),
                () = tokio::time::sleep(pause::after(failures)) => {}
            }
        }
    }

    /// False if another process takes in now; then nothing was kept.
    async fn commit(&self, inbox: &Inbox, fence: &Fence) -> Result<bool, Error> {
        let mut tx = inbox.db().begin().await?;
        fence.open(&mut tx).await?;
        insert_jobs(&mut tx, &inbox.jobs(self.read.iter().flatten())).await?;
        for (message, read) in self.batch.iter().zip(self.read) {
            if let Err(reason) = read {
                let reason = format!("{}: {reason}", message.origin);
                tracing::error!(
                    service = inbox.db().service(),
                    reason,
                    "a message is no event and was put aside"
                );
                aside::bury(&mut tx, &message.body, &reason).await?;
            }
        }
        if let Some(position) = &self.position {
            position.write(&mut tx).await?;
        }
        if !fence.holds(&mut tx).await? {
            tx.rollback().await;
            return Ok(false);
        }
        tx.signal();
        tx.commit().await?;
        Ok(true)
    }
}

fn count(service: &str, read: &[Result<Arrival<'_>, String>]) {
    let whole = read.iter().filter(|one| one.is_ok()).count();
    for (outcome, number) in [("event", whole), ("unreadable", read.len() - whole)] {
        if number > 0 {
            metrics::counter!("stoa_bus_received_total", "service" => service.to_owned(), "outcome" => outcome)
                .increment(number as u64);
        }
    }
}

/// One step for tests: is brought a batch, keeps it or not, and dies before it is acknowledged. Returns how many there were.
///
/// # Errors
/// What broker or database say.
pub async fn take_in(
    bus: &Bus,
    db: &Db,
    subscriptions: &[Subscription],
    keeps: bool,
) -> Result<usize, BusError> {
    let inbox = Inbox::new(db, subscriptions);
    let mut arrivals = bus.arrivals(&inbox).await?;
    let batch = arrivals.next().await?;
    let read: Vec<_> = batch.iter().map(|one| envelope::read(&one.body)).collect();
    if keeps {
        let rows = Rows {
            batch: &batch,
            read: &read,
            position: arrivals.position(&batch),
        };
        rows.commit(&inbox, &Fence::none()).await?;
    }
    Ok(batch.len())
}
