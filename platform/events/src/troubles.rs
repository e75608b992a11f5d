//! What has not worked for a while, so that the health of a service can say so.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// What fails for less than this is no news: a broker that restarts, a lease that changes hands.
const NEWS: Duration = Duration::from_secs(10);

/// By service and by what it does.
type All = BTreeMap<(String, &'static str), Failing>;

/// Of all services of one process.
#[derive(Clone, Default)]
pub(crate) struct Troubles(Arc<Mutex<All>>);

struct Failing {
    since: Instant,
    why: String,
}

impl Troubles {
    pub(crate) fn watch(&self, service: &str, what: &'static str) -> Trouble {
        Trouble {
            all: self.clone(),
            of: (service.to_owned(), what),
        }
    }

    /// In words, what has been failing in this service for some time.
    pub(crate) fn of(&self, service: &str) -> Option<String> {
        let all = self.0.lock();
        let news: Vec<_> = all
            .iter()
            .filter(|((of, _), failing)| of == service && failing.since.elapsed() >= NEWS)
            .map(|((_, what), failing)| {
                let seconds = failing.since.elapsed().as_secs();
                format!("{what} has failed for {seconds} s: {}", failing.why)
            })
            .collect();
        (!news.is_empty()).then(|| news.join("; "))
    }
}

/// One thing that a service does, again and again. Dropped, it is done here no more.
pub(crate) struct Trouble {
    all: Troubles,
    of: (String, &'static str),
}

impl Trouble {
    pub(crate) fn failed(&self, why: &impl ToString) {
        let mut all = self.all.0.lock();
        let failing = all.entry(self.of.clone()).or_insert_with(|| Failing {
            since: Instant::now(),
            why: String::new(),
        });
        failing.why = why.to_string();
    }

    pub(crate) fn passed(&self) {
        self.all.0.lock().remove(&self.of);
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        self.passed();
    }
}
