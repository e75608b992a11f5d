//! Handlers, and the work they are given.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stoa_db::{Db, Error, Tx};
use stoa_kernel::{Owner, Timestamp};
use uuid::Uuid;

use crate::{Event, EventId, Job, store, store::Claimed};

/// One attempt at a job or a subscribed event `T`. The handler does what is slow first, then [`begin`](Work::begin)s a
/// transaction, writes its effects, and [`commit`](Work::commit)s it through the work, which marks it done in the same
/// transaction: so the effects happen once, however often the work is delivered.
pub struct Work<T> {
    payload: T,
    held: Held,
}

/// A claimed job and who holds it.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) db: Db,
    pub(crate) worker: Uuid,
    pub(crate) job: Arc<Claimed>,
}

/// Proof that the work was committed; only [`Work`] makes it.
#[derive(Debug)]
pub struct Done {
    /// Whether it is to be done again later.
    pub(crate) again: bool,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// To be tried again later, with backoff.
    #[error("{0}")]
    Retry(String),
    /// Can never work: to the dead letters at once.
    #[error("{0}")]
    Fatal(String),
    /// Can never work, and by no fault of this installation: such as a recipient that does not exist. To the dead letters at
    /// once, without an alarm.
    #[error("{0}")]
    Refused(String),
    /// The lease was over and another worker has it; nothing is left to do here.
    #[error("another worker holds the work")]
    Lost,
    /// To be tried again later, with backoff.
    #[error(transparent)]
    Db(#[from] Error),
}

/// How often, and how long apart, an attempt is made again: after the n-th, `base * 2^(n-1)`, at most `max`, of which a
/// random half.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Attempts in all; after the last the work is a dead letter.
    pub attempts: u32,
    /// Pause after the first attempt.
    pub base: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Default for Retry {
    /// Eight attempts, from one second to ten minutes apart.
    fn default() -> Self {
        Self {
            attempts: 8,
            base: Duration::from_secs(1),
            max: Duration::from_secs(600),
        }
    }
}

impl Retry {
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let doubled = self
            .base
            .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
        doubled
            .min(self.max)
            .mul_f64(0.5 + stoa_kernel::random::fraction() / 2.0)
    }
}

impl<T> Work<T> {
    /// The event or job.
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// Its id: the same on each delivery and attempt.
    pub fn id(&self) -> EventId {
        self.held.job.id
    }

    /// When the event happened or the job was enqueued.
    pub fn time(&self) -> Timestamp {
        self.held.job.time
    }

    /// The service that it comes from.
    pub fn source(&self) -> &str {
        &self.held.job.source
    }

    /// 1 for the first.
    pub fn attempt(&self) -> u32 {
        self.held.job.attempts + 1
    }

    /// The transaction for the effects.
    ///
    /// # Errors
    /// [`JobError::Db`].
    pub async fn begin(&self) -> Result<Tx, JobError> {
        Ok(self.held.db.begin().await?)
    }

    /// Marks the work done in `tx` and commits it.
    ///
    /// # Errors
    /// [`JobError::Lost`] if another worker holds the work by now; then nothing of `tx` is kept.
    pub async fn commit(self, mut tx: Tx) -> Result<Done, JobError> {
        if !store::finish(&mut tx, &self.held.job, self.held.worker).await? {
            tx.rollback().await;
            return Err(JobError::Lost);
        }
        tx.commit().await?;
        Ok(Done { again: false })
    }

    /// Commits `tx`, with the work left to be done again at `at`: what is behind it by its key waits until then too. It is no failure:
    /// nothing is logged, and it may be so any number of times.
    ///
    /// # Errors
    /// As [`Work::commit`].
    pub async fn again(self, mut tx: Tx, at: Timestamp) -> Result<Done, JobError> {
        if !store::postpone(&mut tx, &self.held.job, self.held.worker, at).await? {
            tx.rollback().await;
            return Err(JobError::Lost);
        }
        tx.signal();
        tx.commit().await?;
        Ok(Done { again: true })
    }

    /// For work that leaves no rows.
    ///
    /// # Errors
    /// As [`Work::commit`].
    pub async fn done(self) -> Result<Done, JobError> {
        let tx = self.begin().await?;
        self.commit(tx).await
    }
}

/// One step for tests: the work of a claimed row.
///
/// # Errors
/// [`JobError::Fatal`] when the payload is not a `T`.
pub fn work<T: serde::de::DeserializeOwned>(
    db: &Db,
    worker: Uuid,
    job: Claimed,
) -> Result<Work<T>, JobError> {
    Held {
        db: db.clone(),
        worker,
        job: Arc::new(job),
    }
    .work()
}

impl Held {
    fn work<T: serde::de::DeserializeOwned>(self) -> Result<Work<T>, JobError> {
        let payload = serde_json::from_str(&self.job.payload)
            .map_err(|e| JobError::Fatal(format!("the payload cannot be read: {e}")))?;
        Ok(Work { payload, held: self })
    }
}

type Run = Arc<dyn Fn(Held) -> BoxFuture<'static, Result<Done, JobError>> + Send + Sync>;

/// What runs the rows of one queue.
#[derive(Clone)]
pub(crate) struct Handler {
    pub(crate) queue: &'static str,
    pub(crate) retry: Retry,
    /// Where it is other than the worker's.
    pub(crate) deadline: Option<Duration>,
    /// Of how many parts of the workers it may have one, if not all of them.
    pub(crate) part: Option<usize>,
    pub(crate) run: Run,
}

fn handler<T, F, Fut>(queue: &'static str, handle: F) -> Handler
where
    T: serde::de::DeserializeOwned + Send + 'static,
    F: Fn(Work<T>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, JobError>> + Send + 'static,
{
    let handle = Arc::new(handle);
    let run: Run = Arc::new(move |held| {
        let handle = Arc::clone(&handle);
        Box::pin(async move { handle(held.work()?).await })
    });
    Handler {
        queue,
        retry: Retry::default(),
        deadline: None,
        part: None,
        run,
    }
}

/// An event of any type, for those who take in many.
#[derive(Debug, Serialize, Deserialize)]
pub struct AnyEvent {
    /// Its name, such as `user.registered`.
    pub name: String,
    /// Whom or what it is about, such as `user:<id>`.
    pub key: String,
    /// Its data, as it came.
    pub data: Box<RawValue>,
}

impl AnyEvent {
    /// Whom it concerns.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        owner_of(&self.key, self.data.get())
    }
}

/// What is known of an event before a row is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: String,
    /// Whom it concerns.
    pub owner: Option<Owner>,
}

/// The person or organization that an event concerns: the one that its key names, or else the field `owner` of its data.
pub(crate) fn owner_of(key: &str, data: &str) -> Option<Owner> {
    #[derive(Deserialize)]
    struct Owned {
        owner: Owner,
    }
    let named = key.parse().ok();
    named.or_else(|| serde_json::from_str::<Owned>(data).ok().map(|data| data.owner))
}

/// Says of each of these events whether it is wanted. It may be asked of the same events again.
pub(crate) type Filter =
    Arc<dyn Fn(Vec<Heading>) -> BoxFuture<'static, Result<Vec<bool>, Error>> + Send + Sync>;

/// A handler of events of one type or of many, kept under a name that never changes: `<service>.<what>`.
pub struct Subscription {
    pub(crate) events: Vec<&'static str>,
    /// Whether rows say of which type they are.
    pub(crate) of_any: bool,
    pub(crate) filter: Option<Filter>,
    pub(crate) priority: i16,
    pub(crate) handler: Handler,
}

impl Subscription {
    /// `handler` is given each event of type `E`.
    pub fn new<E, F, Fut>(name: &'static str, handler: F) -> Self
    where
        E: Event,
        F: Fn(Work<E>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Done, JobError>> + Send + 'static,
    {
        Self::named(name, E::NAME, handler)
    }

    /// `handler` is given each event of this name, read as `T`. For those who do not know its type.
    pub fn named<T, F, Fut>(name: &'static str, event: &'static str, handler: F) -> Self
    where
        T: serde::de::DeserializeOwned + Send + 'static,
        F: Fn(Work<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Done, JobError>> + Send + 'static,
    {
        Self {
            events: vec![event],
            of_any: false,
            filter: None,
            priority: 0,
            handler: self::handler(name, handler),
        }
    }

    /// `handler` is given what the service gives its handlers, and each event of these names. Those of one key come in their order,
    /// whatever their names are.
    pub fn to_many<C, F, Fut>(name: &'static str, ctx: &C, events: Vec<&'static str>, handler: F) -> Self
    where
        C: Clone + Send + Sync + 'static,
        F: Fn(C, Work<AnyEvent>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Done, JobError>> + Send + 'static,
    {
        let ctx = ctx.clone();
        Self {
            events,
            of_any: true,
            filter: None,
            priority: 0,
            handler: self::handler(name, move |work| handler(ctx.clone(), work)),
        }
    }

    /// Only those events that `filter` wants become rows. It is asked for many at once, before they are taken in.
    #[must_use]
    pub fn only_if<C, F, Fut>(mut self, ctx: &C, filter: F) -> Self
    where
        C: Clone + Send + Sync + 'static,
        F: Fn(C, Vec<Heading>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<bool>, Error>> + Send + 'static,
    {
        let ctx = ctx.clone();
        self.filter = Some(Arc::new(move |events| Box::pin(filter(ctx.clone(), events))));
        self
    }

    /// `handler` is given what the service gives its handlers, and each event of type `E`.
    pub fn with<C, E, F, Fut>(name: &'static str, ctx: &C, handler: F) -> Self
    where
        C: Clone + Send + Sync + 'static,
        E: Event,
        F: Fn(C, Work<E>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Done, JobError>> + Send + 'static,
    {
        let ctx = ctx.clone();
        Self::new(name, move |work| handler(ctx.clone(), work))
    }

    /// The events' names: what [`Bus::declare`](crate::Bus::declare) is told that its service wants.
    #[must_use]
    pub fn events(&self) -> &[&'static str] {
        &self.events
    }

    /// Other than the default retries.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.handler.retry = retry;
        self
    }

    /// How long one attempt may take, where it is other than the worker's.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.handler.deadline = Some(deadline);
        self
    }

    /// Higher runs first.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }
}

/// A handler of one job type.
pub struct JobHandler {
    pub(crate) handler: Handler,
}

impl JobHandler {
    /// `handler` is given each job of type `J`.
    pub fn new<J, F, Fut>(handler: F) -> Self
    where
        J: Job,
        F: Fn(Work<J>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Done, JobError>> + Send + 'static,
    {
        Self {
            handler: self::handler(J::NAME, handler),
        }
    }

    /// `handler` is given what the service gives its handlers, and each job of type `J`.
    pub fn with<C, J, F, Fut>(ctx: &C, handler: F) -> Self
    where
        C: Clone + Send + Sync + 'static,
        J: Job,
        F: Fn(C, Work<J>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Done, JobError>> + Send + 'static,
    {
        let ctx = ctx.clone();
        Self::new(move |work| handler(ctx.clone(), work))
    }

    /// How long one attempt may take, where it is other than the worker's.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.handler.deadline = Some(deadline);
        self
    }

    /// Other than the default retries.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.handler.retry = retry;
        self
    }

    /// How many run at once in a process, where others are to have the rest of its workers: `4` for a quarter of them, at least one.
    #[must_use]
    pub fn part_of_workers(mut self, part: usize) -> Self {
        self.handler.part = Some(part.max(1));
        self
    }
}
