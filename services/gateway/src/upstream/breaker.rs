//! Leaves a service alone that fails most of what it is asked, and finds out when it is well again.

use std::time::{Duration, Instant};

use metrics::Gauge;
use parking_lot::Mutex;

/// What is counted together.
const WINDOW: Duration = Duration::from_secs(10);

/// One service's breaker. Only requests that got no answer count: an answer of 5xx is one.
pub(super) struct Breaker {
    volume: u32,
    rest: Duration,
    state: Mutex<State>,
    open: Gauge,
}

struct State {
    phase: Phase,
    since: Instant,
    total: u32,
    failed: u32,
}

enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    /// One request tries for all.
    Probing,
}

/// Leave to ask; tells the breaker how it went. Dropped without a word it changes nothing.
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    pub(super) fn new(volume: u32, rest: Duration, open: Gauge) -> Self {
        Self {
            volume,
            rest,
            state: Mutex::new(State {
                phase: Phase::Closed,
                since: Instant::now(),
                total: 0,
                failed: 0,
            }),
            open,
        }
    }

    /// Leave to ask, or how long to wait.
    pub(super) fn pass(&self) -> Result<Pass<'_>, Duration> {
        let mut state = self.state.lock();
        let probe = match state.phase {
            Phase::Closed => false,
            Phase::Probing => return Err(self.rest),
            Phase::Open { until } => {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(left);
                }
                state.phase = Phase::Probing;
                true
            }
        };
        Ok(Pass { breaker: self, probe })
    }

    /// There is reason to think that it is well again: the next request may try.
    pub(super) fn reconsider(&self) {
        let mut state = self.state.lock();
        if let Phase::Open { until } = &mut state.phase {
            *until = Instant::now();
        }
    }

    fn count(&self, probe: bool, failed: bool) {
        let mut state = self.state.lock();
        let now = Instant::now();
        if probe {
            self.turn(&mut state, failed, now);
        } else if matches!(state.phase, Phase::Closed) {
            if now.duration_since(state.since) > WINDOW {
                (state.since, state.total, state.failed) = (now, 0, 0);
            }
            state.total = state.total.saturating_add(1);
            state.failed = state.failed.saturating_add(u32::from(failed));
            if failed && state.total >= self.volume && state.failed >= state.total.div_ceil(2) {
                self.turn(&mut state, true, now);
            }
        }
    }

    fn turn(&self, state: &mut State, open: bool, now: Instant) {
        let phase = if open {
            Phase::Open {
                until: now + self.rest,
            }
        } else {
            Phase::Closed
        };
        *state = State {
            phase,
            since: now,
            total: 0,
            failed: 0,
        };
        self.open.set(if open { 1.0 } else { 0.0 });
    }
}

impl Pass<'_> {
    /// The service answered.
    pub(super) fn answered(mut self) {
        self.breaker.count(std::mem::take(&mut self.probe), false);
    }

    /// It did not.
    pub(super) fn failed(mut self) {
        self.breaker.count(std::mem::take(&mut self.probe), true);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            // The probe was given up without a result: the next one may try.
            self.breaker.state.lock().phase = Phase::Open {
                until: Instant::now(),
            };
        }
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

    #[test]
    fn one_request_tries_for_all_and_its_end_decides() {
        let breaker = breaker(Duration::ZERO);
        for _ in 0..4 {
            ask(&breaker, true);
        }
        let probe = breaker.pass().unwrap_or_else(|_| panic!("one may try"));
        assert!(breaker.pass().is_err(), "one only");
        drop(probe);
        let probe = breaker.pass().unwrap_or_else(|_| panic!("the next may try"));
        probe.answered();
        assert!(breaker.pass().is_ok() && breaker.pass().is_ok());
    }
}
