//! Threads of their own on which passwords are hashed, a bounded number at a time and behind everything else that runs.

use std::{
    net::IpAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use stoa_kernel::Full;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::sync::oneshot;

use super::{
    phc::{Cost, Memory},
    queue::{Awaited, Queue},
    secret::Password,
};

/// How long a password waits for a lane that only runs when nothing else does. Then one that takes its share steps in: so
/// a machine that is never idle still lets people sign in.
const PATIENCE: Duration = Duration::from_secs(3);
/// A lane that others have held up rests for so many times as long, for the machine is busy: a scheduler that finds a lane
/// on a processor does not see that the processor could take over what waits before another, until its next tick.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_millis(500);

/// The lanes, and the queue before them. They end when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Lanes(Arc<Entrance>);

/// Closes the queue when nobody can enter it any more.
struct Entrance(Arc<Queue<Task>>);

/// Work for a lane. Whoever waits for the answer may have gone: then it is not begun.
pub(super) enum Task {
    Hash {
        password: Password,
        cost: Cost,
        answer: oneshot::Sender<Result<String, String>>,
    },
    /// Answered with the place of the form that is right, if one is.
    Verify {
        forms: Vec<Password>,
        kept: String,
        answer: oneshot::Sender<Result<Option<usize>, String>>,
    },
}

impl Awaited for Task {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Hash { answer, .. } => answer.is_closed(),
            Self::Verify { answer, .. } => answer.is_closed(),
        }
    }
}

/// Why a task was not done.
pub(super) enum NotDone {
    /// As many wait as may.
    Full,
    /// The lanes have ended, or the hash could not be made.
    Failed(String),
}

impl Lanes {
    /// Starts `lanes` threads, before which at most `queue` tasks wait.
    pub(super) fn start(lanes: usize, queue: usize) -> Result<Self, String> {
        let queue = Arc::new(Queue::new(queue));
        let begin = |name: String, policy, patience| {
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new()
                .name(name)
                .spawn(move || run(&queue, policy, patience));
            thread
                .map(drop)
                .map_err(|e| format!("a thread for passwords cannot be started: {e}"))
        };
        for lane in 0..lanes {
            begin(format!("password-{lane}"), LEFTOVERS, Duration::ZERO)?;
        }
        begin("password-late".to_owned(), SHARE, PATIENCE)?;
        Ok(Self(Arc::new(Entrance(queue))))
    }

    /// Queues a task of somebody from `network` and waits for its answer.
    pub(super) async fn ask<T>(
        &self,
        network: Option<IpAddr>,
        task: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Task,
    ) -> Result<T, NotDone> {
        let (answer, answered) = oneshot::channel();
        self.0
            .0
            .push(network, task(answer))
            .map_err(|Full| NotDone::Full)?;
        // Dropped unanswered: others needed its place.
        answered
            .await
            .map_err(|_| NotDone::Full)?
            .map_err(NotDone::Failed)
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn run(queue: &Queue<Task>, policy: NormalThreadSchedulePolicy, patience: Duration) {
    step_back(policy);
    let mut memory = Memory::default();
    while let Some(task) = queue.pop(patience) {
        let (began, spent) = (Instant::now(), processor_time());
        work(&mut memory, task);
        let held_up = began
            .elapsed()
            .saturating_sub(processor_time().saturating_sub(spent));
        #[expect(clippy::disallowed_methods, reason = "no task runs on this thread")]
        thread::sleep((held_up * REST).min(LONGEST_REST));
    }
}

/// Only what every other thread leaves over, and at once out of their way: a storm of sign-ins must not slow other requests.
#[cfg(target_os = "linux")]
const LEFTOVERS: NormalThreadSchedulePolicy = NormalThreadSchedulePolicy::Idle;
/// A small share, however busy the machine is.
#[cfg(target_os = "linux")]
const SHARE: NormalThreadSchedulePolicy = NormalThreadSchedulePolicy::Batch;
#[cfg(not(target_os = "linux"))]
const LEFTOVERS: NormalThreadSchedulePolicy = NormalThreadSchedulePolicy::Other;
#[cfg(not(target_os = "linux"))]
const SHARE: NormalThreadSchedulePolicy = NormalThreadSchedulePolicy::Other;

fn step_back(policy: NormalThreadSchedulePolicy) {
    let policy = ThreadSchedulePolicy::Normal(policy);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::warn!(
            ?error,
            "the threads for passwords keep their priority; sign-ins may slow down other requests"
        );
    }
}

/// What this thread has spent of a processor's time.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // It counts from the thread's beginning, so it is never negative.
    time.try_into().unwrap_or_default()
}

fn work(memory: &mut Memory, task: Task) {
    if task.is_abandoned() {
        return;
    }
    match task {
        Task::Hash {
            password,
            cost,
            answer,
        } => {
            // Nobody may be waiting any more, which is no fault.
            let _ = answer.send(memory.hash(password.canonical().as_str(), cost));
        }
        Task::Verify { forms, kept, answer } => {
            let _ = answer.send(verify(memory, &forms, &kept));
        }
    }
}

fn verify(memory: &mut Memory, forms: &[Password], kept: &str) -> Result<Option<usize>, String> {
    for (place, form) in forms.iter().enumerate() {
        if memory.verify(form.as_str(), kept)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;

    use super::*;

    /// Scheduling of the threads named so in this process: niceness and policy, as `/proc` tells them.
    fn scheduling(name: &str) -> Vec<(i32, u32)> {
        let tasks = fs::read_dir("/proc/self/task")
            .unwrap()
            .map(|task| task.unwrap().path());
        let named =
            tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name));
        let stats = named.filter_map(|task| fs::read_to_string(task.join("stat")).ok());
        stats
            .map(|stat| {
                let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
                (fields[16].parse().unwrap(), fields[38].parse().unwrap())
            })
            .collect()
    }

    #[tokio::test]
    async fn the_lanes_let_everything_else_go_first() {
        let lanes = Lanes::start(8, 8).ok().unwrap();
        let cost = Cost {
            memory_kib: 64,
            iterations: 1,
        };
        let password = Password::new("tin roof rusted");
        for _ in 0..50 {
            let hashed = lanes
                .ask(None, |answer| Task::Hash {
                    password: password.clone(),
                    cost,
                    answer,
                })
                .await;
            assert!(hashed.is_ok());
            // Only these lanes are the eighth of their kind.
            if let [(_, policy)] = scheduling("password-7")[..]
                && policy != 0
            {
                assert_eq!(policy, 5, "SCHED_IDLE");
                return;
            }
        }
        panic!("the lanes keep the priority of the process");
    }
}
