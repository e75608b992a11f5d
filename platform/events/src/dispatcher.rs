//! Claims what is ready and has it run.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use stoa_db::{Db, Error};
use stoa_kernel::Timestamp;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    handler::Handler,
    isolation::Isolation,
    runner::Runner,
    shares::Shares,
    steady::Steady,
    store::{self, Claimed, Key},
    watch::Watch,
};

/// Keys that are looked at, each time that it is looked for what died, for jobs that nobody has put back.
const KEYS: usize = 128;
/// How long a claim waits for room for three quarters of the workers: on PostgreSQL to plan it costs as much as to take twenty jobs.
const GATHER: Duration = Duration::from_millis(10);
/// How often is looked at a clock that is ahead.
const DOUBT: Duration = Duration::from_millis(250);

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
    /// The last key that was looked at.
    looked_at: Option<Key>,
    /// What is due is so by this.
    steady: Steady,
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
            ended: parking_lot::Mutex::default(),
        });
        let mut state = State {
            tasks: JoinSet::new(),
            shares: self.shares(),
            watch: Watch::new(self.lease),
            alone: JoinSet::new(),
            looked_at: None,
            steady: Steady::new(self.db.clock()),
        };
        let mut signals = self.db.signals();
        while !self.stop.is_cancelled() {
            signals.mark_unchanged();
            state.collect();
            let (claimed, again) = match self.turn(&mut state, &runner).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(service = self.db.service(), %error, "jobs could not be claimed; trying again");
                    (Vec::new(), false)
                }
            };
            let some = !claimed.is_empty();
            for (queue, line) in self.lines(claimed) {
                state.shares.begun(queue);
                state.tasks.spawn(Arc::clone(&runner).run_line(queue, line));
            }
            if again || some && state.shares.running() < self.concurrency / 4 {
                continue;
            }
            self.wait(&mut state, &mut signals).await;
        }
        while state.tasks.join_next().await.is_some() {}
        while state.alone.join_next().await.is_some() {}
    }

    fn shares(&self) -> Shares {
        let bounded = self.handlers.values();
        let bounded = bounded.filter_map(|handler| {
            let most = (self.concurrency / handler.part?).max(1);
            Some((handler.queue, most))
        });
        Shares::new(self.handlers.keys().copied(), self.concurrency).at_most(bounded)
    }

    /// Looks after what died and what has waited, and claims what there is room for. True if others were in the way of what may
    /// be claimed.
    async fn turn(&self, state: &mut State, runner: &Arc<Runner>) -> Result<(Vec<Claimed>, bool), Error> {
        if state.watch.is_due() {
            state.watch.look(&self.db).await?;
            store::recall_far_retries(&self.db, self.longest_pause()).await?;
            self.run_suspects(state, runner).await?;
            let behind = store::keys_behind(&self.db, state.looked_at.take(), KEYS).await?;
            state.looked_at = behind.last().cloned();
            runner.ended.lock().extend(behind);
        }
        let ended = std::mem::take(&mut *runner.ended.lock());
        if let Err(error) = self.bring_up(&ended, state.steady.now()).await {
            runner.ended.lock().extend(ended);
            return Err(error);
        }
        let room = state.shares.room();
        if room.shares.is_empty() {
            return Ok((Vec::new(), false));
        }
        let queues: Vec<_> = room.shares.iter().map(|share| share.queue).collect();
        let due = store::due_queues(&self.db, &queues).await?;
        let shares: Vec<_> = room
            .shares
            .into_iter()
            .filter(|share| due.iter().any(|queue| queue == share.queue))
            .collect();
        if shares.is_empty() {
            return Ok((Vec::new(), false));
        }
        let found = store::find(&self.db, self.worker, self.lease, &shares, room.most).await?;
        let again = !found.behind.is_empty();
        if again && found.more {
            let queues: BTreeSet<_> = found.behind.iter().map(|(queue, _)| queue).collect();
            for queue in queues {
                match store::put_behind(&self.db, queue).await {
                    Ok(keys) => runner.ended.lock().extend(keys),
                    // What was claimed is to be run all the same.
                    Err(error) => {
                        tracing::debug!(queue, %error, "jobs were left in the way of others");
                    }
                }
            }
        }
        runner.ended.lock().extend(found.behind);
        Ok((found.claimed, again))
    }

    /// Makes ready what has waited until now, and what stood behind jobs of these keys.
    async fn bring_up(&self, ended: &BTreeSet<Key>, now: Timestamp) -> Result<(), Error> {
        let waiting = store::waiting(&self.db).await?;
        if waiting.run_at.is_some_and(|at| at <= now) {
            store::promote(&self.db, now).await?;
        }
        if waiting.behind {
            store::put_back(&self.db, ended).await?;
        }
        Ok(())
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
        let next = store::waiting(&self.db)
            .await
            .ok()
            .and_then(|waiting| waiting.run_at);
        let now = state.steady.now();
        let until = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
        let most = if state.steady.is_in_doubt() {
            DOUBT.min(self.poll)
        } else {
            self.poll
        };
        let pause = until.map_or(most, |until| until.clamp(Duration::from_millis(1), most));
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
        self.collect();
    }

    /// Notes what has ended by now.
    fn collect(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            self.ended(ended);
        }
    }
}
