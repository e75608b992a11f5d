//! Providers in order, by the outcomes that a test gives them.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod caps;
mod order;

use std::{
    collections::VecDeque,
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use stoa_cache::Cache;
use stoa_kernel::Clock;
use stoa_providers::{Caps, Cause, Chain, Entry, Provider, SendError};

/// A provider that answers as it is told, and else takes everything.
#[derive(Clone, Default)]
struct Scripted(Arc<Script>);

#[derive(Default)]
struct Script {
    attempts: AtomicUsize,
    answers: Mutex<VecDeque<SendError>>,
    /// What it answers when there is nothing else to answer.
    always: Mutex<Option<SendError>>,
}

impl Scripted {
    fn next(&self, error: SendError) {
        self.0.answers.lock().unwrap().push_back(error);
    }

    fn always(&self, error: impl Into<Option<SendError>>) {
        *self.0.always.lock().unwrap() = error.into();
    }

    fn attempts(&self) -> usize {
        self.0.attempts.load(Ordering::Relaxed)
    }
}

impl Provider for Scripted {
    type Message = str;

    async fn send(&self, message: &str) -> Result<String, SendError> {
        let attempt = self.0.attempts.fetch_add(1, Ordering::Relaxed);
        let next = self.0.answers.lock().unwrap().pop_front();
        match next.or_else(|| self.0.always.lock().unwrap().clone()) {
            Some(error) => Err(error),
            None => Ok(format!("{message}-{attempt}")),
        }
    }
}

/// Two providers in order, and the clock that they go by.
struct Two {
    first: Scripted,
    second: Scripted,
    chain: Chain<Scripted>,
    clock: Clock,
}

fn two() -> Two {
    two_with(Caps::default(), Caps::default())
}

fn two_with(first_caps: Caps, second_caps: Caps) -> Two {
    let (first, second) = (Scripted::default(), Scripted::default());
    let clock = Clock::adjustable();
    let cache = Cache::local_with_clock(1 << 20, clock.clone());
    let entry = |name: &str, caps, provider: &Scripted| Entry {
        name: name.to_owned(),
        caps,
        provider: provider.clone(),
    };
    let entries = vec![
        entry("first", first_caps, &first),
        entry("second", second_caps, &second),
    ];
    Two {
        chain: Chain::new("test", entries, cache, clock.clone()),
        first,
        second,
        clock,
    }
}

fn per_minute(count: u32) -> Caps {
    Caps {
        per_minute: NonZeroU32::new(count),
        per_day: None,
    }
}

fn down() -> SendError {
    SendError::transient(Cause::Provider, "down")
}

fn busy(seconds: u64) -> SendError {
    SendError::Transient {
        why: "busy".to_owned(),
        retry_after: Some(Duration::from_secs(seconds)),
        cause: Cause::Provider,
    }
}

impl Two {
    /// The name of the provider that took a message.
    async fn sent(&self) -> String {
        self.chain.send("m").await.unwrap().provider
    }

    /// How long until a provider is there again.
    async fn wait(&self) -> Option<u64> {
        match self.chain.send("m").await {
            Err(SendError::Transient { retry_after, .. }) => {
                retry_after.map(|wait| wait.as_millis().div_ceil(1000) as u64)
            }
            other => panic!("{other:?}"),
        }
    }

    fn attempts(&self) -> (usize, usize) {
        (self.first.attempts(), self.second.attempts())
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}
