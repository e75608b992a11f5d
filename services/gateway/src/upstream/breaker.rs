//! Leaves a service alone that fails most of what it is asked, until a check finds that it answers again.

use std::time::{Duration, Instant};

use metrics::Gauge;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::sleep};

/// What is counted together.
const WINDOW: Duration = Duration::from_secs(10);

/// One service's breaker. Only requests that the service itself left without an answer count: an answer of 5xx is one,
/// and what callers do wrong says nothing about the service.
///
/// No request of a caller is ever the one that finds out whether the service answers again: a caller with a slow body would
/// hold the service away from all others meanwhile.
pub(super) struct Breaker {
    volume: u32,
    rest: Duration,
    state: Mutex<State>,
    opened: Notify,
    open: Gauge,
}

struct State {
    /// Until when the service is left alone at least; none while it is asked.
    open: Option<Instant>,
    since: Instant,
    total: u32,
    failed: u32,
}

/// Leave to ask; tells the breaker how it went. Dropped without a word it changes nothing.
pub(super) struct Pass<'a>(&'a Breaker);

impl Breaker {
    pub(super) fn new(volume: u32, rest: Duration, open: Gauge) -> Self {
        Self {
            volume,
            rest,
            state: Mutex::new(State::new(None, Instant::now())),
            opened: Notify::new(),
            open,
        }
    }

    /// Leave to ask, or how long to wait.
    pub(super) fn pass(&self) -> Result<Pass<'_>, Duration> {
        match self.state.lock().open {
            None => Ok(Pass(self)),
            Some(until) => Err(until.saturating_duration_since(Instant::now())),
        }
    }

    /// Returns once the service has been left alone for long enough, and is to be checked.
    pub(super) async fn due(&self) {
        loop {
            let opened = self.opened.notified();
            let until = self.state.lock().open;
            match until {
                None => opened.await,
                Some(until) => return sleep(until.saturating_duration_since(Instant::now())).await,
            }
        }
    }

    /// A check of the service ended. `again`: it was away before, and is another process now.
    pub(super) fn checked(&self, answered: bool, again: bool) {
        let mut state = self.state.lock();
        let now = Instant::now();
        let Some(until) = state.open else { return };
        if answered && (again || until <= now) {
            self.turn(&mut state, None, now);
        } else if until <= now {
            self.turn(&mut state, Some(now + self.rest), now);
        }
    }

    fn count(&self, failed: bool) {
        let mut state = self.state.lock();
        if state.open.is_some() {
            return;
        }
        let now = Instant::now();
        if now.duration_since(state.since) > WINDOW {
            *state = State::new(None, now);
        }
        state.total = state.total.saturating_add(1);
        state.failed = state.failed.saturating_add(u32::from(failed));
        if failed && state.total >= self.volume && state.failed >= state.total.div_ceil(2) {
            self.turn(&mut state, Some(now + self.rest), now);
            self.opened.notify_one();
        }
    }

    fn turn(&self, state: &mut State, open: Option<Instant>, now: Instant) {
        *state = State::new(open, now);
        self.open.set(if open.is_some() { 1.0 } else { 0.0 });
    }
}

impl State {
    fn new(open: Option<Instant>, since: Instant) -> Self {
        Self {
            open,
            since,
            total: 0,
            failed: 0,
        }
    }
}

impl Pass<'_> {
    /// The service answered.
    pub(super) fn answered(self) {
        self.0.count(false);
    }

    /// It did not.
    pub(super) fn failed(self) {
        self.0.count(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(rest: Duration) -> Breaker {
        Breaker::new(4, rest, Gauge::noop())
    }

    fn ask(breaker: &Breaker, fails: bool) {
        let pass = breaker.pass().unwrap_or_else(|_| panic!("it is open"));
        if fails { pass.failed() } else { pass.answered() }
    }

    #[test]
    fn it_opens_when_half_of_enough_requests_fail() {
        let breaker = breaker(Duration::from_secs(60));
        for fails in [true, true, true] {
            ask(&breaker, fails);
        }
        ask(&breaker, true);
        assert!(breaker.pass().is_err_and(|wait| wait > Duration::from_secs(50)));
    }

    #[test]
    fn it_stays_closed_when_most_are_answered() {
        let breaker = breaker(Duration::from_secs(60));
        for number in 0..100 {
            ask(&breaker, number % 3 == 2);
        }
        assert!(breaker.pass().is_ok());
    }

    #[tokio::test]
    async fn a_check_that_is_answered_closes_it_once_its_time_is_over() {
        let breaker = breaker(Duration::from_millis(50));
        for _ in 0..4 {
            ask(&breaker, true);
        }
        breaker.checked(true, false);
        assert!(breaker.pass().is_err(), "it is too early");
        breaker.due().await;
        breaker.checked(false, false);
        assert!(breaker.pass().is_err(), "the service is still away");
        breaker.due().await;
        assert!(breaker.pass().is_err(), "no request finds out");
        breaker.checked(true, false);
        assert!(breaker.pass().is_ok());
    }

    #[test]
    fn a_service_that_came_back_is_asked_at_once() {
        let breaker = breaker(Duration::from_secs(60));
        for _ in 0..4 {
            ask(&breaker, true);
        }
        breaker.checked(true, true);
        assert!(breaker.pass().is_ok());
    }
}
