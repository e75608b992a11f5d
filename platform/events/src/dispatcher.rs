//! Claims what is ready and runs it.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use stoa_db::{Db, Error};
use stoa_kernel::Timestamp;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    Done, JobError, TRACEPARENT,
    handler::{Handler, Held},
    store::{self, Claimed},
};

/// How long a claim waits for more room than a little: many small claims cost more than one large.
const GATHER: Duration = Duration::from_millis(2);
/// Attempts beyond a handler's own that may end with the death of the process.
const DEATHS: u32 = 16;
/// The longest error that is kept.
const MOST_ERROR: usize = 2000;

pub(crate) struct Dispatcher {
    pub(crate) db: Db,
    pub(crate) worker: Uuid,
    pub(crate) handlers: HashMap<&'static str, Handler>,
    pub(crate) concurrency: usize,
    pub(crate) poll: Duration,
    pub(crate) lease: Duration,
    pub(crate) stop: CancellationToken,
}

impl Dispatcher {
    /// Runs until it is told to stop, then until what it runs has ended.
    pub(crate) async fn run(self) {
        let dispatcher = Arc::new(self);
        let mut signals = dispatcher.db.signals();
        let mut running = JoinSet::new();
        while !dispatcher.stop.is_cancelled() {
            signals.mark_unchanged();
            let claimed = match dispatcher.claim(running.len()).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::warn!(service = dispatcher.db.service(), %error, "jobs could not be claimed; trying again");
                    Vec::new()
                }
            };
            let some = !claimed.is_empty();
            // What is due and was not claimed waits for another of its key: for its end, or for its time.
            let blocked = !some;
            for line in lines(claimed) {
                running.spawn(Arc::clone(&dispatcher).run_line(line));
            }
            if some && running.len() < dispatcher.concurrency / 2 {
                continue;
            }
            dispatcher.wait(&mut running, &mut signals, blocked).await;
        }
        while running.join_next().await.is_some() {}
    }

    async fn claim(&self, running: usize) -> Result<Vec<Claimed>, Error> {
        store::release_all(&self.db, false).await?;
        if !store::is_due(&self.db).await? {
            return Ok(Vec::new());
        }
        store::claim(
            &self.db,
            self.worker,
            self.lease,
            self.concurrency.saturating_sub(running),
        )
        .await
    }

    /// Until there is room and something may be ready.
    async fn wait(&self, running: &mut JoinSet<()>, signals: &mut watch::Receiver<u64>, blocked: bool) {
        let full = running.len() >= self.concurrency;
        let pause = if full {
            self.poll
        } else {
            self.until_next(blocked).await
        };
        let signal = async {
            if full || signals.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = signal => {}
            () = tokio::time::sleep(pause), if !full => {}
            Some(_) = running.join_next() => gather(running, self.concurrency / 2).await,
        }
    }

    /// Until the next job is due, at most `poll`.
    async fn until_next(&self, blocked: bool) -> Duration {
        let Ok(Some(next)) = store::next_run_at(&self.db).await else {
            return self.poll;
        };
        match Duration::try_from(next.duration_since(self.db.clock().now())) {
            Ok(until) if !until.is_zero() => until.min(self.poll),
            _ if blocked => self.poll,
            _ => Duration::from_millis(1),
        }
    }

    /// Runs the jobs of one key in order. When one fails, those behind it are given back: it is to run before them.
    async fn run_line(self: Arc<Self>, line: Vec<Claimed>) {
        let line: Vec<_> = line.into_iter().map(Arc::new).collect();
        let mut left = line.as_slice();
        let mut renewed = Instant::now();
        while let [job, behind @ ..] = left {
            if self.stop.is_cancelled() {
                break;
            }
            let over = self.run_one(job, left, &mut renewed).await;
            left = behind;
            if !over {
                break;
            }
        }
        for job in left {
            self.give_back(job).await;
        }
    }

    async fn give_back(&self, job: &Claimed) {
        if let Err(error) = store::release(&self.db, job, self.worker).await {
            tracing::warn!(queue = job.queue, id = %job.id, %error, "a job could not be given back; its lease will run out");
        }
    }

    /// True if the job is over and the next of its key may run. `held` is the job and those behind it, `renewed` when their
    /// leases were.
    async fn run_one(&self, job: &Arc<Claimed>, held: &[Arc<Claimed>], renewed: &mut Instant) -> bool {
        let Some(handler) = self.handlers.get(job.queue.as_str()) else {
            // It may be a newer program's: tried again for a while, so that an older one does not bury it.
            return self
                .failed(
                    job,
                    None,
                    &JobError::Retry("this program has no handler of that name".to_owned()),
                )
                .await;
        };
        if job.attempts > handler.retry.attempts + DEATHS {
            let died = JobError::Fatal("the process died each time while it ran".to_owned());
            return self.failed(job, Some(handler), &died).await;
        }
        let begun = Instant::now();
        let outcome = self.keep(held, renewed, self.attempt(handler, job)).await;
        metrics::histogram!("stoa_job_seconds", "queue" => handler.queue)
            .record(begun.elapsed().as_secs_f64());
        match outcome {
            Ok(Done { .. }) => {
                count(handler.queue, "done");
                true
            }
            Err(JobError::Lost) => {
                count(handler.queue, "lost");
                false
            }
            Err(error) => self.failed(job, Some(handler), &error).await,
        }
    }

    /// Runs one attempt, and renews the leases of what is held meanwhile: also those of the jobs behind it, which wait as long.
    async fn keep<T>(&self, held: &[Arc<Claimed>], renewed: &mut Instant, run: impl Future<Output = T>) -> T {
        let mut run = std::pin::pin!(run);
        loop {
            tokio::select! {
                biased;
                outcome = &mut run => return outcome,
                () = tokio::time::sleep_until(*renewed + self.lease / 3) => {
                    *renewed = Instant::now();
                    if let Err(error) = store::renew(&self.db, held, self.worker, self.lease).await {
                        tracing::warn!(service = self.db.service(), %error, "leases could not be renewed");
                    }
                }
            }
        }
    }

    /// One attempt, its panics caught.
    async fn attempt(&self, handler: &Handler, job: &Arc<Claimed>) -> Result<Done, JobError> {
        let held = Held {
            db: self.db.clone(),
            worker: self.worker,
            job: Arc::clone(job),
        };
        let span = tracing::debug_span!("job", queue = handler.queue, id = %job.id, attempt = job.attempts);
        let run = AssertUnwindSafe((handler.run)(held))
            .catch_unwind()
            .instrument(span);
        let traceparent = job.traceparent.clone();
        let outcome = match traceparent {
            Some(traceparent) => TRACEPARENT.scope(traceparent, run).await,
            None => run.await,
        };
        outcome.unwrap_or_else(|panic| Err(JobError::Retry(format!("panicked: {}", words(&*panic)))))
    }

    /// Notes a failed attempt. True if it was the last one.
    async fn failed(&self, job: &Claimed, handler: Option<&Handler>, error: &JobError) -> bool {
        let retry = handler.map(|handler| handler.retry).unwrap_or_default();
        let last = matches!(error, JobError::Fatal(_)) || job.attempts >= retry.attempts;
        let again: Option<Timestamp> = (!last).then(|| self.db.clock().after(retry.pause(job.attempts)));
        let mut text = error.to_string();
        text.retain(|c| c != '\0');
        text.truncate(text.floor_char_boundary(MOST_ERROR));
        let queue = handler.map_or("unknown", |handler| handler.queue);
        if last {
            tracing::error!(queue = job.queue, id = %job.id, attempts = job.attempts, error = text, "a job failed for good");
            count(queue, "dead");
        } else {
            tracing::warn!(queue = job.queue, id = %job.id, attempt = job.attempts, error = text, "a job failed and will run again");
            count(queue, "failed");
        }
        if let Err(error) = store::fail(&self.db, job, self.worker, &text, again).await {
            tracing::warn!(queue = job.queue, id = %job.id, %error, "a failed job could not be noted; its lease will run out");
            return false;
        }
        last
    }
}

/// Waits a moment for more to end, so that the next claim finds room for many.
async fn gather(running: &mut JoinSet<()>, least_room: usize) {
    let deadline = Instant::now() + GATHER;
    while running.len() > least_room
        && tokio::time::timeout_at(deadline, running.join_next())
            .await
            .is_ok_and(|ended| ended.is_some())
    {}
    while running.try_join_next().is_some() {}
}

/// Jobs of one queue and key in one line, in order; each without a key in a line of its own.
fn lines(claimed: Vec<Claimed>) -> Vec<Vec<Claimed>> {
    let mut lines: Vec<Vec<Claimed>> = Vec::with_capacity(claimed.len());
    let mut by_key: HashMap<(String, String), usize> = HashMap::new();
    for job in claimed {
        let Some(key) = job.key.clone() else {
            lines.push(vec![job]);
            continue;
        };
        let at = *by_key.entry((job.queue.clone(), key)).or_insert(lines.len());
        match lines.get_mut(at) {
            Some(line) => line.push(job),
            None => lines.push(vec![job]),
        }
    }
    lines
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

fn count(queue: &'static str, outcome: &'static str) {
    metrics::counter!("stoa_jobs_total", "queue" => queue, "outcome" => outcome).increment(1);
}
