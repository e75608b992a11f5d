//! Runs claimed jobs.

use std::{
    collections::{BTreeSet, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use parking_lot::Mutex;
use stoa_db::{Db, Error};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    Done, JobError, TRACEPARENT,
    handler::{Handler, Held},
    isolation::Isolation,
    store::{self, Claimed, Key, Outcome},
};

/// A job that this many processes died of is a dead letter; the last of them had nothing else to die of.
const DEADLY: u32 = 6;
/// The longest error that is kept.
const MOST_ERROR: usize = 2000;
/// Between two tries to note how an attempt ended.
const AGAIN: Duration = Duration::from_millis(500);

pub(crate) struct Runner {
    pub(crate) db: Db,
    pub(crate) worker: Uuid,
    pub(crate) handlers: HashMap<&'static str, Handler>,
    pub(crate) lease: Duration,
    pub(crate) deadline: Duration,
    pub(crate) isolation: Isolation,
    pub(crate) stop: CancellationToken,
    /// Keys of which jobs have ended: others may stand behind these.
    pub(crate) ended: Mutex<BTreeSet<Key>>,
}

impl Runner {
    /// Runs the jobs of one key in order. When one fails, those behind it are given back: it is to run before them.
    pub(crate) async fn run_line(self: Arc<Self>, queue: &'static str, line: Vec<Claimed>) -> &'static str {
        let Some(handler) = self.handlers.get(queue) else {
            return queue;
        };
        let line: Vec<_> = line.into_iter().map(Arc::new).collect();
        let mut left = line.as_slice();
        let mut renewed = Instant::now();
        while let [job, behind @ ..] = left {
            if self.stop.is_cancelled() {
                break;
            }
            let attempt = async {
                let _others = self.isolation.among_others().await;
                self.attempt(handler, job).await
            };
            let outcome = self.keep(left, &mut renewed, attempt).await;
            left = behind;
            if !self.noted(job, handler, outcome).await {
                break;
            }
        }
        for job in left {
            self.give_back(job).await;
        }
        self.note_key(line.first());
        queue
    }

    /// Runs, each with no other job beside it in this process while it is short, the jobs of these queues that are to run alone.
    pub(crate) async fn run_alone(self: Arc<Self>, queues: Vec<String>) {
        for handler in queues
            .iter()
            .filter_map(|queue| self.handlers.get(queue.as_str()))
        {
            while !self.stop.is_cancelled() {
                // First, so that nothing is held that does not run, should the process die meanwhile.
                let alone = tokio::select! {
                    alone = self.isolation.alone() => alone,
                    () = self.stop.cancelled() => return,
                };
                match store::claim_suspect(&self.db, self.worker, self.lease, handler.queue).await {
                    Ok(Some(job)) => alone.run(self.run_one_alone(handler, Arc::new(job))).await,
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(queue = handler.queue, %error, "a job could not be claimed; trying again");
                        break;
                    }
                }
            }
        }
    }

    async fn run_one_alone(&self, handler: &Handler, job: Arc<Claimed>) {
        let mut renewed = Instant::now();
        let held = [Arc::clone(&job)];
        let outcome = if job.crashes >= DEADLY {
            Err(JobError::Fatal(
                "the process died each time while it ran, also while it ran alone".to_owned(),
            ))
        } else {
            self.keep(&held, &mut renewed, self.attempt(handler, &job)).await
        };
        self.noted(&job, handler, outcome).await;
        self.note_key(Some(&job));
    }

    fn note_key(&self, job: Option<&Arc<Claimed>>) {
        let key = job.and_then(|job| Some((job.queue.clone(), job.key.clone()?)));
        self.ended.lock().extend(key);
    }

    async fn give_back(&self, job: &Claimed) {
        let released = self.insist(|| store::release(&self.db, job, self.worker)).await;
        if let Err(error) = released {
            tracing::warn!(queue = job.queue, id = %job.id, %error, "a job could not be given back; its lease will run out");
        }
    }

    /// Repeats what the database refuses for the moment, as on a full disk, for as long as the lease may hold. Otherwise a job of which
    /// it could not be noted that it failed would wait for the end of its lease, and then count as one that its process died of.
    async fn insist<F: Future<Output = Result<(), Error>>>(&self, note: impl Fn() -> F) -> Result<(), Error> {
        let end = Instant::now() + self.lease;
        loop {
            let noted = note().await;
            let passes = matches!(
                noted,
                Err(Error::Busy | Error::Full | Error::ReadOnly(_) | Error::TimedOut | Error::Unknown)
            );
            if !passes || Instant::now() >= end {
                return noted;
            }
            tokio::select! {
                () = self.stop.cancelled() => return noted,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// Waits for `run`, and renews the leases of what is held meanwhile: also those of the jobs behind it, which wait as long.
    /// `renewed` is when they were last.
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

    /// One attempt, its panics caught, cut off at its deadline.
    async fn attempt(&self, handler: &Handler, job: &Arc<Claimed>) -> Result<Done, JobError> {
        let held = Held {
            db: self.db.clone(),
            worker: self.worker,
            job: Arc::clone(job),
        };
        let span =
            tracing::debug_span!("job", queue = handler.queue, id = %job.id, attempt = job.attempts + 1);
        let run = AssertUnwindSafe((handler.run)(held))
            .catch_unwind()
            .instrument(span);
        let traceparent = job.traceparent.clone();
        let run = async {
            match traceparent {
                Some(traceparent) => TRACEPARENT.scope(traceparent, run).await,
                None => run.await,
            }
        };
        let (begun, deadline) = (Instant::now(), handler.deadline.unwrap_or(self.deadline));
        let outcome = match tokio::time::timeout(deadline, run).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(JobError::Retry(format!("panicked: {}", words(&*panic)))),
            Err(_) => Err(JobError::Retry(format!(
                "it was cut off at its deadline, after {} s",
                deadline.as_secs_f64()
            ))),
        };
        metrics::histogram!("stoa_job_seconds", "queue" => handler.queue)
            .record(begun.elapsed().as_secs_f64());
        outcome
    }

    /// Notes how an attempt ended. True if the job is over, so that the next of its key may run.
    async fn noted(&self, job: &Claimed, handler: &Handler, outcome: Result<Done, JobError>) -> bool {
        match outcome {
            Ok(Done { again }) => {
                count(handler.queue, if again { "again" } else { "done" });
                !again
            }
            Err(JobError::Lost) => {
                count(handler.queue, "lost");
                false
            }
            Err(error) => self.failed(job, handler, &error).await,
        }
    }

    /// Notes a failed attempt. True if it was the last one.
    async fn failed(&self, job: &Claimed, handler: &Handler, error: &JobError) -> bool {
        let attempt = job.attempts + 1;
        let refused = matches!(error, JobError::Refused(_));
        let last = refused || matches!(error, JobError::Fatal(_)) || attempt >= handler.retry.attempts;
        let mut text = error.to_string();
        text.retain(|c| c != '\0');
        text.truncate(text.floor_char_boundary(MOST_ERROR));
        let outcome = if last {
            Outcome::Dead
        } else {
            Outcome::Again(self.db.clock().after(handler.retry.pause(attempt)))
        };
        if refused {
            tracing::info!(queue = job.queue, id = %job.id, attempt, error = text, "a job was refused by whom it was for");
            count(handler.queue, "refused");
        } else if last {
            tracing::error!(queue = job.queue, id = %job.id, attempt, error = text, "a job failed for the last time and is a dead letter");
            count(handler.queue, "dead");
        } else {
            tracing::warn!(queue = job.queue, id = %job.id, attempt, error = text, "a job failed and will run again");
            count(handler.queue, "failed");
        }
        let noted = self
            .insist(|| store::fail(&self.db, job, self.worker, &text, outcome))
            .await;
        if let Err(error) = noted {
            tracing::warn!(queue = job.queue, id = %job.id, %error, "a failed job could not be noted; its lease will run out");
            return false;
        }
        last
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

fn count(queue: &'static str, outcome: &'static str) {
    metrics::counter!("stoa_jobs_total", "queue" => queue, "outcome" => outcome).increment(1);
}
