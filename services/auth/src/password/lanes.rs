//! Threads of their own on which passwords are hashed, a bounded number at a time and behind everything else that runs.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::sync::oneshot;

use super::{
    phc::{Cost, Memory},
    secret::Password,
};

/// Where passwords wait for a lane. The lanes end when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Lanes(SyncSender<Task>);

/// Work for a lane. Whoever waits for the answer may have gone: then it is not begun.
pub(super) enum Task {
    Hash {
        password: Password,
        cost: Cost,
        answer: oneshot::Sender<Result<String, String>>,
    },
    Verify {
        password: Password,
        kept: String,
        answer: oneshot::Sender<Result<bool, String>>,
    },
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
        let (sender, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for lane in 0..lanes {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new()
                .name(format!("password-{lane}"))
                .spawn(move || run(&receiver))
                .map_err(|e| format!("a thread for passwords cannot be started: {e}"))?;
        }
        Ok(Self(sender))
    }

    /// Queues a task and waits for its answer.
    pub(super) async fn ask<T>(
        &self,
        task: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Task,
    ) -> Result<T, NotDone> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(task(answer)).map_err(|error| match error {
            TrySendError::Full(_) => NotDone::Full,
            TrySendError::Disconnected(_) => {
                NotDone::Failed("the threads for passwords have ended".to_owned())
            }
        })?;
        let ended = |_| NotDone::Failed("a thread for passwords ended at its work".to_owned());
        answered.await.map_err(ended)?.map_err(NotDone::Failed)
    }
}

fn run(tasks: &Mutex<Receiver<Task>>) {
    step_back();
    let mut memory = Memory::default();
    loop {
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match task {
            Ok(task) => work(&mut memory, task),
            Err(_) => return,
        }
    }
}

/// Lets every other thread go first: a storm of sign-ins takes only what the requests at hand leave over.
fn step_back() {
    #[cfg(target_os = "linux")]
    let policy = NormalThreadSchedulePolicy::Batch;
    #[cfg(not(target_os = "linux"))]
    let policy = NormalThreadSchedulePolicy::Other;
    let policy = ThreadSchedulePolicy::Normal(policy);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::warn!(
            ?error,
            "the threads for passwords keep their priority; sign-ins may slow down other requests"
        );
    }
}

fn work(memory: &mut Memory, task: Task) {
    match task {
        Task::Hash { answer, .. } if answer.is_closed() => {}
        Task::Verify { answer, .. } if answer.is_closed() => {}
        Task::Hash {
            password,
            cost,
            answer,
        } => {
            // Nobody may be waiting any more, which is no fault.
            let _ = answer.send(memory.hash(password.as_str(), cost));
        }
        Task::Verify {
            password,
            kept,
            answer,
        } => {
            let _ = answer.send(memory.verify(password.as_str(), &kept));
        }
    }
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
                .ask(|answer| Task::Hash {
                    password: password.clone(),
                    cost,
                    answer,
                })
                .await;
            assert!(hashed.is_ok());
            // Only these lanes are the eighth of their kind.
            if let [(nice, policy)] = scheduling("password-7")[..]
                && nice != 0
            {
                assert_eq!((nice, policy), (19, 3), "niceness and SCHED_BATCH");
                return;
            }
        }
        panic!("the lanes keep the priority of the process");
    }
}
