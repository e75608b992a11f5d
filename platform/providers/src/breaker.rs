//! A circuit breaker: who failed several times in a row is left alone for a while, then tried with one message.

use std::time::Duration;

use parking_lot::Mutex;

use crate::{Cause, SendError};

/// Failures in a row until a provider is left alone.
const FAILURES: u32 = 5;
/// How long it is left alone the first time; each time that the trial fails, for twice as long.
const FIRST: Duration = Duration::from_secs(30);
/// The longest that it is left alone.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest wait that a provider may ask for.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// What is known of one provider. Times are those since some moment in the past.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: Mutex<State>,
    /// For a provider that no other stands beside: leaving it alone would help nobody, and cost messages their attempts.
    stays_closed: bool,
}

#[derive(Debug, Default)]
struct State {
    /// In a row, since the last success.
    failures: u32,
    /// How often it was opened since the last success.
    opened: u32,
    /// Open until then.
    open_until: Option<Duration>,
    /// Whether a trial is under way.
    trying: bool,
    /// What the provider has asked for.
    rests_until: Duration,
}

/// That one attempt may be made. Dropped without a report it says nothing about the provider.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breaker: &'a Breaker,
    /// How often the breaker had been opened when the attempt began: what began before counts no more.
    opened: u32,
    trial: bool,
}

impl Breaker {
    /// Of one of so many providers.
    pub(crate) fn among(providers: usize) -> Self {
        Self {
            stays_closed: providers == 1,
            ..Self::default()
        }
    }

    /// Lets an attempt through; or says in how long to come back.
    pub(crate) fn enter(&self, now: Duration) -> Result<Pass<'_>, Duration> {
        let mut state = self.state.lock();
        let wait = [Some(state.rests_until), state.open_until]
            .into_iter()
            .flatten()
            .max()
            .and_then(|until| until.checked_sub(now))
            .filter(|wait| !wait.is_zero());
        if let Some(wait) = wait {
            return Err(wait);
        }
        let trial = state.open_until.is_some();
        if trial && state.trying {
            return Err(FIRST);
        }
        state.trying |= trial;
        Ok(Pass {
            breaker: self,
            opened: state.opened,
            trial,
        })
    }
}

impl Pass<'_> {
    /// The provider does its work, whatever became of the message.
    pub(crate) fn works(self) {
        let mut state = self.breaker.state.lock();
        if self.trial || state.open_until.is_none() {
            *state = State {
                rests_until: state.rests_until,
                ..State::default()
            };
        }
    }

    /// The provider failed. True if it is left alone from now on.
    pub(crate) fn fails(self, now: Duration) -> bool {
        if self.breaker.stays_closed {
            return false;
        }
        let mut state = self.breaker.state.lock();
        if self.opened != state.opened {
            return false;
        }
        state.failures = state.failures.saturating_add(1);
        if !self.trial && state.failures < FAILURES {
            return false;
        }
        let pause = FIRST.saturating_mul(1 << state.opened.min(16)).min(LONGEST);
        state.open_until = Some(now + pause);
        state.opened = state.opened.saturating_add(1);
        true
    }

    /// The provider wants to be left alone for so long; that is no failure.
    pub(crate) fn rests(self, now: Duration, wait: Duration) {
        let mut state = self.breaker.state.lock();
        state.rests_until = state.rests_until.max(now + wait.min(LONGEST_REST));
    }
}

/// Notes what the outcome of an attempt says about the provider.
pub(crate) fn note<T>(
    channel: &str,
    provider: &str,
    pass: Pass<'_>,
    now: Duration,
    outcome: &Result<T, SendError>,
) {
    match outcome {
        Err(SendError::Transient {
            retry_after: Some(wait),
            cause: Cause::Provider,
            why,
        }) => {
            let seconds = wait.as_secs();
            tracing::warn!(
                channel,
                provider,
                seconds,
                why,
                "a provider asks to be left alone"
            );
            pass.rests(now, *wait);
        }
        Err(SendError::Transient {
            cause: Cause::Provider | Cause::Lost,
            why,
            ..
        }) => {
            if pass.fails(now) {
                tracing::error!(
                    channel,
                    provider,
                    why,
                    "a provider failed several times in a row and is left alone for a while"
                );
            }
        }
        // Nobody was asked.
        Err(
            SendError::Config(_)
            | SendError::Transient {
                cause: Cause::Busy, ..
            },
        ) => drop(pass),
        Ok(_) | Err(_) => pass.works(),
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.trial {
            self.breaker.state.lock().trying = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fail(breaker: &Breaker, now: u64) -> bool {
        breaker.enter(at(now)).unwrap().fails(at(now))
    }

    fn opened(now: u64) -> Breaker {
        let breaker = Breaker::default();
        for n in 1..=FAILURES {
            assert_eq!(fail(&breaker, now), n == FAILURES);
        }
        breaker
    }

    #[test]
    fn a_success_between_failures_begins_the_count_again() {
        let breaker = Breaker::default();
        for _ in 0..20 {
            for _ in 1..FAILURES {
                assert!(!fail(&breaker, 0));
            }
            breaker.enter(at(0)).unwrap().works();
        }
        assert!(breaker.enter(at(0)).is_ok());
    }

    #[test]
    fn who_fails_in_a_row_is_left_alone_longer_each_time_and_tried_with_one_message() {
        let breaker = opened(100);
        assert_eq!(breaker.enter(at(100)).unwrap_err(), at(30));
        assert_eq!(breaker.enter(at(129)).unwrap_err(), at(1));
        let trial = breaker.enter(at(130)).unwrap();
        assert!(breaker.enter(at(130)).is_err(), "one at a time");
        assert!(trial.fails(at(131)));
        assert_eq!(breaker.enter(at(131)).unwrap_err(), at(60));
        for (now, pause) in [(200, 120), (400, 240), (800, 300), (1200, 300)] {
            assert!(fail(&breaker, now));
            assert_eq!(breaker.enter(at(now)).unwrap_err(), at(pause));
        }
        breaker.enter(at(2000)).unwrap().works();
        for _ in 1..FAILURES {
            assert!(!fail(&breaker, 2000));
        }
        assert!(fail(&breaker, 2000));
        assert_eq!(breaker.enter(at(2000)).unwrap_err(), at(30), "from the beginning");
    }

    #[test]
    fn what_began_before_does_not_count_again() {
        let breaker = Breaker::default();
        let before: Vec<_> = (0..20).map(|_| breaker.enter(at(0)).unwrap()).collect();
        let opens: usize = before
            .into_iter()
            .map(|pass| usize::from(pass.fails(at(0))))
            .sum();
        assert_eq!(opens, 1);
        assert_eq!(breaker.enter(at(0)).unwrap_err(), at(30));
    }

    #[test]
    fn a_late_success_does_not_end_the_pause() {
        let breaker = Breaker::default();
        let slow = breaker.enter(at(0)).unwrap();
        for _ in 0..FAILURES {
            fail(&breaker, 0);
        }
        slow.works();
        assert!(breaker.enter(at(1)).is_err());
    }

    #[test]
    fn a_trial_that_was_given_up_makes_room_for_the_next() {
        let breaker = opened(0);
        drop(breaker.enter(at(30)).unwrap());
        breaker.enter(at(30)).unwrap().works();
        assert!(breaker.enter(at(30)).is_ok());
    }

    #[test]
    fn who_asks_for_rest_gets_it_within_bounds() {
        let breaker = Breaker::default();
        breaker.enter(at(0)).unwrap().rests(at(0), at(7));
        assert_eq!(breaker.enter(at(1)).unwrap_err(), at(6));
        breaker.enter(at(7)).unwrap().rests(at(7), Duration::MAX);
        assert_eq!(breaker.enter(at(7)).unwrap_err(), LONGEST_REST);
        assert!(breaker.enter(at(7) + LONGEST_REST).is_ok());
    }
}
