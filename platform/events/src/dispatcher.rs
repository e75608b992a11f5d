//! Claims what is ready and has it run.

use std::{collections::HashMap, sync::Arc, time::Duration};

use stoa_db::{Db, Error};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    handler::Handler,
    isolation::Isolation,
    runner::Runner,
    shares::Shares,
    store::{self, Claimed},
    watch::Watch,
};

/// How long a claim waits for room for three quarters of the workers: on PostgreSQL to plan it costs as much as to take twenty jobs.
const GATHER: Duration = Duration::from_millis(10);

pub(crate) struct Dispatcher {
    pub(crate) db: Db,
    pub(crate) worker: Uuid,
    pub(crate) handlers: HashMap<&'static str, Handler>,
    pub(crate) concurrency: usize,
    pub(crate) poll: Duration,
    pub(crate) lease: Duration,
    pub(crate) deadline: Duration,
    pub(crate) isolation: Isolation,
    pub(crate) stop: CancellationToken,
}

/// What runs, and what is known of the rest.
struct State {
    /// Each returns its queue.
    tasks: JoinSet<&'static str>,
    shares: Shares,
    watch: Watch,
    /// The task that runs jobs alone, while there is one.
    alone: JoinSet<()>,
}

impl Dispatcher {
    /// Runs until it is told to stop, then until what it runs has ended.
    pub(crate) async fn run(self) {
        // A process claims what it has handlers for. The rest waits for one that has.
        if self.handlers.is_empty() {
            return;
        }
        let runner = Arc::new(Runner {
            db: self.db.clone(),
            worker: self.worker,
            handlers: self.handlers.clone(),
            lease: self.lease,
            deadline: self.deadline,
            isolation: self.isolation.clone(),
            stop: self.stop.clone(),
        });
        let mut state = State {
            tasks: JoinSet::new(),
            shares: Shares::new(self.handlers.keys().copied(), self.concurrency),
            watch: Watch::new(self.lease),
            alone: JoinSet::new(),
        };
        let mut signals = self.db.signals();
        while !self.stop.is_cancelled() {
            signals.mark_unchanged();
            let claimed = match self.turn(&mut state, &runner).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::warn!(service = self.db.service(), %error, "jobs could not be claimed; trying again");
                    Vec::new()
                }
            };
            let some = !claimed.is_empty();
            for (queue, line) in self.lines(claimed) {
                state.shares.begun(queue);
                state.tasks.spawn(Arc::clone(&runner).run_line(queue, line));
            }
            if some && state.shares.running() < self.concurrency / 4 {
                continue;
            }
            self.wait(&mut state, &mut signals).await;
        }
        while state.tasks.join_next().await.is_some() {}
        while state.alone.join_next().await.is_some() {}
    }

    /// Looks after what died and what has waited, and claims what there is room for.
    async fn turn(&self, state: &mut State, runner: &Arc<Runner>) -> Result<Vec<Claimed>, Error> {
        if state.watch.is_due() {
            state.watch.look(&self.db).await?;
            store::recall_far_retries(&self.db, self.longest_pause()).await?;
            self.run_suspects(state, runner).await?;
        }
        if self.until_next().await?.is_some_and(|until| until.is_zero()) {
            store::promote(&self.db).await?;
        }
        let room = state.shares.room();
        if room.shares.is_empty() {
            return Ok(Vec::new());
        }
        let queues: Vec<_> = room.shares.iter().map(|share| share.queue).collect();
        let due = store::due_queues(&self.db, &queues).await?;
        let shares: Vec<_> = room
            .shares
            .into_iter()
            .filter(|share| due.iter().any(|queue| queue == share.queue))
            .collect();
        if shares.is_empty() {
            return Ok(Vec::new());
        }
        store::claim(&self.db, self.worker, self.lease, &shares, room.most).await
    }

    /// Of all handlers, with some for the difference of two clocks.
    fn longest_pause(&self) -> Duration {
        let longest = self.handlers.values().map(|handler| handler.retry.max).max();
        longest.unwrap_or_default() + Duration::from_secs(3600)
    }

    /// Begins to run, one after the other, the jobs that are to run alone.
    async fn run_suspects(&self, state: &mut State, runner: &Arc<Runner>) -> Result<(), Error> {
        while state.alone.try_join_next().is_some() {}
        if !state.alone.is_empty() {
            return Ok(());
        }
        let queues: Vec<_> = self.handlers.keys().copied().collect();
        let suspects = store::suspects(&self.db, &queues).await?;
        if !suspects.is_empty() {
            state.alone.spawn(Arc::clone(runner).run_alone(suspects));
        }
        Ok(())
    }

    /// Until there is room and something may be ready.
    async fn wait(&self, state: &mut State, signals: &mut watch::Receiver<u64>) {
        let full = state.shares.room().shares.is_empty();
        let pause = match self.until_next().await {
            Ok(Some(until)) => until.clamp(Duration::from_millis(1), self.poll),
            _ => self.poll,
        };
        let signal = async {
            if full || signals.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = signal => {}
            () = tokio::time::sleep(pause) => {}
            Some(ended) = state.tasks.join_next() => {
                state.ended(ended);
                state.gather(self.concurrency / 4).await;
            }
        }
    }

    /// Until the next waiting job is due: zero if one is.
    async fn until_next(&self) -> Result<Option<Duration>, Error> {
        let now = self.db.clock().now();
        let next = store::next_run_at(&self.db).await?;
        Ok(next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default()))
    }

    /// Jobs of one queue and key in one line, in order; each without a key in a line of its own.
    fn lines(&self, claimed: Vec<Claimed>) -> Vec<(&'static str, Vec<Claimed>)> {
        let mut lines: Vec<(&'static str, Vec<Claimed>)> = Vec::with_capacity(claimed.len());
        let mut by_key: HashMap<(&'static str, String), usize> = HashMap::new();
        for job in claimed {
            let Some((queue, _)) = self.handlers.get_key_value(job.queue.as_str()) else {
                continue; // only what has a handler is claimed
            };
            let at = match job.key.clone() {
                Some(key) => *by_key.entry((queue, key)).or_insert(lines.len()),
                None => lines.len(),
            };
            match lines.get_mut(at) {
                Some((_, line)) => line.push(job),
                None => lines.push((queue, vec![job])),
            }
        }
        lines
    }
}

impl State {
    fn ended(&mut self, task: Result<&'static str, tokio::task::JoinError>) {
        match task {
            Ok(queue) => self.shares.ended(queue),
            // Handlers' panics are caught: only an abort ends a task so, and then the dispatcher ends too.
            Err(error) => tracing::error!(%error, "a worker ended before its time"),
        }
    }

    /// Waits a moment for more to end, so that the next claim finds room for many.
    async fn gather(&mut self, least_room: usize) {
        let deadline = Instant::now() + GATHER;
        while self.tasks.len() > least_room
            && let Ok(Some(ended)) = tokio::time::timeout_at(deadline, self.tasks.join_next()).await
        {
            self.ended(ended);
        }
        while let Some(ended) = self.tasks.try_join_next() {
            self.ended(ended);
        }
    }
}
