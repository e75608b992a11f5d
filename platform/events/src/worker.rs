//! One service's part of the machinery: relay, dispatcher, schedules, purge.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use stoa_db::{Db, Engine, Error};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Bus, JobHandler, Schedule, Subscription,
    dispatcher::Dispatcher,
    handler::Handler,
    ids,
    inbox::Inbox,
    intake,
    isolation::Isolation,
    lease, measured,
    purge::{self, Retention},
    relay, schedule, store,
};

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Handlers that run at once. Besides, each queue has an eighth of it for itself.
    pub concurrency: usize,
    /// How long done work is remembered, and with it that its event arrived.
    pub keep_done: Duration,
    /// The longest time between two looks at the tables, should a wake-up be missed.
    pub poll: Duration,
    /// How long a claim holds unless renewed, by the clocks of those who wait for it.
    pub lease: Duration,
    /// How long one attempt may take, where its handler says nothing else.
    pub deadline: Duration,
    /// Shared by the workers of one process.
    pub isolation: Isolation,
    /// Whether no other process works on this database, so that claims found at the start are left over from a crash.
    pub sole: bool,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            concurrency: 32,
            keep_done: Duration::from_secs(7 * 24 * 3600),
            poll: Duration::from_secs(1),
            lease: Duration::from_secs(60),
            deadline: Duration::from_secs(60),
            isolation: Isolation::default(),
            sole: false,
        }
    }
}

/// A service's relay, dispatcher, schedules and purge, running. Dropped without [`Worker::stop`], they end where they
/// stand, as in a crash.
pub struct Worker {
    db: Db,
    id: Uuid,
    /// The queues that it has handlers for.
    known: HashSet<&'static str>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// A worker whose subscriptions are on the bus and which does nothing yet.
pub struct Registered {
    db: Db,
    bus: Bus,
    /// What is taken in from a bus outside of this process.
    inbox: Option<Arc<Inbox>>,
    handlers: HashMap<&'static str, Handler>,
    /// The queues of the service's own jobs.
    own: HashSet<&'static str>,
    schedules: Vec<Schedule>,
    options: WorkerOptions,
}

impl Registered {
    /// Starts to hand on and to work.
    #[must_use]
    pub fn start(self) -> Worker {
        let Self {
            db,
            bus,
            inbox,
            handlers,
            own,
            schedules,
            options,
        } = self;
        let id = stoa_kernel::Id::<()>::new(db.clock()).uuid();
        let stop = CancellationToken::new();
        // A file has one process.
        let alone = options.sole || db.engine() == Engine::Sqlite;
        let retention = Retention {
            jobs: own,
            keep_done: options.keep_done,
            within_process: alone && bus.is_local(),
            bus: bus.clone(),
        };
        let known: HashSet<_> = handlers.keys().copied().collect();
        let dispatcher = Dispatcher {
            db: db.clone(),
            worker: id,
            handlers,
            concurrency: options.concurrency.max(1),
            poll: options.poll,
            lease: options.lease,
            deadline: options.deadline,
            isolation: options.isolation,
            stop: stop.clone(),
        };
        let mut tasks = vec![
            tokio::spawn(relay_while_held(
                db.clone(),
                bus.clone(),
                alone,
                options.poll,
                stop.clone(),
            )),
            tokio::spawn(dispatcher.run()),
            tokio::spawn(schedule::run(db.clone(), schedules, options.poll, stop.clone())),
            tokio::spawn(purge::run(db.clone(), retention, stop.clone())),
            tokio::spawn(measured::run(db.clone(), known.clone(), stop.clone())),
        ];
        if let Some(inbox) = inbox {
            tasks.push(tokio::spawn(take_in_while_held(bus, inbox, alone, stop.clone())));
        }
        Worker {
            db,
            id,
            known,
            stop,
            tasks,
        }
    }
}

impl Worker {
    /// Puts the subscriptions on the bus. Register every service of the process before any of them is started: a relay that
    /// runs hands on what its outbox kept from before, and what nobody has subscribed to goes nowhere.
    ///
    /// # Errors
    /// What the database says; also a schedule whose expression cannot be read.
    pub async fn register(
        db: Db,
        bus: Bus,
        subscriptions: Vec<Subscription>,
        jobs: Vec<JobHandler>,
        schedules: Vec<Schedule>,
        options: WorkerOptions,
    ) -> Result<Registered, Error> {
        if options.sole {
            store::release_all(&db).await?;
        }
        ids::go_on(&db, &jobs).await?;
        schedule::register(&db, &schedules).await?;
        bus.subscribe(&db, &subscriptions).await;
        let inbox =
            (!bus.is_local() && !subscriptions.is_empty()).then(|| Arc::new(Inbox::new(&db, &subscriptions)));
        Ok(Registered {
            db,
            bus,
            inbox,
            own: jobs.iter().map(|job| job.handler.queue).collect(),
            handlers: handlers(subscriptions, jobs),
            schedules,
            options,
        })
    }

    /// Registers and starts, for a service that is alone.
    ///
    /// # Errors
    /// As [`Worker::register`].
    pub async fn start(
        db: Db,
        bus: Bus,
        subscriptions: Vec<Subscription>,
        jobs: Vec<JobHandler>,
        schedules: Vec<Schedule>,
        options: WorkerOptions,
    ) -> Result<Self, Error> {
        Ok(Self::register(db, bus, subscriptions, jobs, schedules, options)
            .await?
            .start())
    }

    /// Stops claiming, waits at most `grace` for what runs, and gives the rest back.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.cancel();
        let tasks = std::mem::take(&mut self.tasks);
        let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        if tokio::time::timeout(grace, futures::future::join_all(tasks))
            .await
            .is_ok()
        {
            return;
        }
        tracing::warn!(
            service = self.db.service(),
            "jobs did not end in time; they will run again"
        );
        aborts.iter().for_each(tokio::task::AbortHandle::abort);
        if let Err(error) = store::release_worker(&self.db, self.id).await {
            tracing::warn!(service = self.db.service(), %error, "jobs could not be given back; their leases will run out");
        }
    }

    /// Returns once nothing is left to hand on or to run now. For tests.
    pub async fn idle(&self) {
        while !store::idle(&self.db).await.unwrap_or(false) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What keeps it from being [idle](Worker::idle), a line for each queue. For tests.
    ///
    /// # Errors
    /// What the database says.
    pub async fn unfinished(&self) -> Result<Vec<String>, Error> {
        let service = self.db.service();
        let queues = store::unfinished(&self.db).await?;
        let mut lines: Vec<_> = queues
            .into_iter()
            .map(|one| {
                let handler = if self.known.contains(&*one.queue) {
                    "has a handler"
                } else {
                    "has no handler"
                };
                let error = one
                    .last_error
                    .map(|error| format!("; last error: {error}"))
                    .unwrap_or_default();
                format!(
                    "{service}: queue {} {handler}; jobs: {}{error}",
                    one.queue, one.jobs
                )
            })
            .collect();
        let outbox = crate::stats(&self.db).await?.outbox;
        if outbox > 0 {
            lines.push(format!("{service}: events in the outbox: {outbox}"));
        }
        Ok(lines)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn relay_while_held(db: Db, bus: Bus, alone: bool, poll: Duration, stop: CancellationToken) {
    lease::while_held(db.clone(), "relay", alone, stop.clone(), |_| {
        relay::run(db.clone(), bus.clone(), poll, stop.clone())
    })
    .await;
}

async fn take_in_while_held(bus: Bus, inbox: Arc<Inbox>, alone: bool, stop: CancellationToken) {
    lease::while_held(inbox.db().clone(), "intake", alone, stop.clone(), |fence| {
        intake::run(bus.clone(), Arc::clone(&inbox), fence, stop.clone())
    })
    .await;
}

fn handlers(subscriptions: Vec<Subscription>, jobs: Vec<JobHandler>) -> HashMap<&'static str, Handler> {
    let subscriptions = subscriptions.into_iter().map(|one| one.handler);
    let jobs = jobs.into_iter().map(|one| one.handler);
    subscriptions
        .chain(jobs)
        .map(|handler| (handler.queue, handler))
        .collect()
}
