//! How often somebody may try, in a way that cannot be used to lock somebody else out.
//!
//! Failed sign-ins count in three places: against the caller's address; against the account as tried from the caller's
//! network; and, where the account has never signed in from that network, against the account as tried from all such
//! networks together. So one who guesses from many networks is slowed down, while the owner's own network is not.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use parking_lot::Mutex;
use stoa_cache::{Cache, LimitKey, Limiter};
use stoa_kernel::Rate;

use crate::{
    config::RateLimitConfig,
    error::{Error, Result},
};

/// How many times one network's allowance all networks together have that an account is new to.
const STRANGERS: u32 = 10;
/// Mails with a link that one account gets, whoever asks for them.
const MAILS: Rate = Rate::Limit {
    count: NonZeroU32::MIN.saturating_add(4),
    period: Duration::from_secs(3600),
};

/// The limits.
pub(crate) struct Lockout {
    /// Keys are hashed with a secret of this process, so that nobody can find two that meet.
    hasher: RandomState,
    register: Limiter,
    address: Allowance,
    network: Allowance,
    strangers: Allowance,
    mails: Limiter,
}

impl Lockout {
    pub(crate) fn new(cache: &Cache, rates: &RateLimitConfig) -> Self {
        let strangers = match rates.login_per_account {
            Rate::Off => Rate::Off,
            Rate::Limit { count, period } => Rate::Limit {
                count: count.saturating_mul(NonZeroU32::MIN.saturating_add(STRANGERS - 1)),
                period,
            },
        };
        Self {
            hasher: RandomState::new(),
            register: cache.limiter("auth.register", rates.register_per_address),
            address: Allowance::new(cache.limiter("auth.login.address", rates.login_per_address)),
            network: Allowance::new(cache.limiter("auth.login.network", rates.login_per_account)),
            strangers: Allowance::new(cache.limiter("auth.login.strangers", strangers)),
            mails: cache.limiter("auth.mails", MAILS),
        }
    }

    /// Counts a registration.
    pub(crate) fn register(&self, address: IpAddr) -> Result<()> {
        match self.register.check(LimitKey::address(address)) {
            Some(verdict) if !verdict.allowed => Err(Error::TooMany(verdict.retry_after)),
            _ => Ok(()),
        }
    }

    /// Whether one more mail may go to this account; by its address lowercased, whether it has an account or not.
    pub(crate) fn mail(&self, account: &str) -> bool {
        self.mails
            .check(self.key(account))
            .is_none_or(|verdict| verdict.allowed)
    }

    /// Begins an attempt at a password. `account`: the address lowercased, whether it has an account or not. `known`: whether
    /// the account has signed in from this network before.
    ///
    /// Attempts that still run count as failed, so that many at once are no way around the limits.
    pub(crate) fn attempt(&self, address: IpAddr, account: &str, known: bool) -> Result<Attempt<'_>> {
        let mut attempt = Attempt {
            running: Vec::with_capacity(3),
            network: self.key((account, network_of(address))),
        };
        let strangers = (!known).then(|| (&self.strangers, self.key(account)));
        let own = [
            (&self.address, LimitKey::address(address)),
            (&self.network, attempt.network),
        ];
        for (allowance, key) in own.into_iter().chain(strangers) {
            match allowance.begin(key) {
                Ok(()) => attempt.running.push((allowance, key)),
                Err(wait) => {
                    attempt.release();
                    metrics::counter!("stoa_auth_limited_total").increment(1);
                    return Err(Error::TooMany(wait));
                }
            }
        }
        Ok(attempt)
    }

    fn key(&self, value: impl std::hash::Hash) -> LimitKey {
        LimitKey::Hash(self.hasher.hash_one(value))
    }
}

/// The network that an address is of: a /24, or a /64 of IPv6.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00)),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

/// An attempt at a password that still runs. Dropped without a word, such as when the caller hangs up, it has failed.
#[must_use]
pub(crate) struct Attempt<'a> {
    running: Vec<(&'a Allowance, LimitKey)>,
    network: LimitKey,
}

impl Attempt<'_> {
    /// It was the right password: this network has its whole allowance for the account again.
    pub(crate) fn succeed(self) {
        let network = self.network;
        if let Some((allowance, _)) = self.running.iter().find(|(_, key)| *key == network) {
            allowance.limiter.reset(network);
        }
        self.release();
    }

    /// It counts for nothing: no password was refused.
    pub(crate) fn release(mut self) {
        for (allowance, key) in self.running.drain(..) {
            allowance.end(key);
        }
    }

    /// The password was right and the code of the second factor was not. There are few codes, and so fewer attempts.
    pub(crate) fn wrong_code(self) {
        if let Some((strangers, key)) = self.running.get(2) {
            for _ in 1..STRANGERS {
                let _ = strangers.limiter.check(*key);
            }
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        for (allowance, key) in self.running.drain(..) {
            let _ = allowance.limiter.check(key);
            allowance.end(key);
        }
    }
}

/// A limit on failures that also holds for attempts of which nobody knows yet how they end.
struct Allowance {
    limiter: Limiter,
    running: Mutex<HashMap<LimitKey, u32>>,
}

impl Allowance {
    fn new(limiter: Limiter) -> Self {
        Self {
            limiter,
            running: Mutex::default(),
        }
    }

    /// Begins an attempt, or says how long to wait.
    fn begin(&self, key: LimitKey) -> Result<(), Duration> {
        let mut running = self.running.lock();
        let count = running.get(&key).copied().unwrap_or(0);
        if let Some(verdict) = self.limiter.peek(key)
            && verdict.remaining <= count
        {
            return Err(verdict.retry_after.max(Duration::from_secs(1)));
        }
        *running.entry(key).or_insert(0) += 1;
        Ok(())
    }

    fn end(&self, key: LimitKey) {
        let mut running = self.running.lock();
        if let Some(count) = running.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                running.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lockout(address: &str, account: &str) -> (Lockout, stoa_kernel::Clock) {
        let clock = stoa_kernel::Clock::adjustable();
        let rates = RateLimitConfig {
            register_per_address: Rate::Off,
            login_per_address: address.parse().unwrap(),
            login_per_account: account.parse().unwrap(),
        };
        (
            Lockout::new(&Cache::local_with_clock(1 << 20, clock.clone()), &rates),
            clock,
        )
    }

    fn from(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0001 + (n << 8)))
    }

    /// Fails `times`; how many were let through.
    fn fail(lockout: &Lockout, times: u32, address: impl Fn(u32) -> IpAddr, known: bool) -> usize {
        (0..times)
            .filter(|n| lockout.attempt(address(*n), "ada", known).is_ok())
            .count()
    }

    #[test]
    fn failures_from_elsewhere_do_not_lock_the_owner_out() {
        let (lockout, _) = lockout("20/m", "5/m");
        assert_eq!(fail(&lockout, 1000, from, false), 50, "all networks together");
        assert_eq!(fail(&lockout, 1, |_| from(2000), false), 0, "also a new one");
        lockout.attempt(from(3000), "ada", true).unwrap().succeed();
        lockout.attempt(from(3000), "bob", false).unwrap().succeed();
    }

    #[test]
    fn one_network_has_the_accounts_allowance_and_one_address_its_own() {
        let (lockout, clock) = lockout("8/m", "5/m");
        assert_eq!(fail(&lockout, 10, |_| from(1), true), 5);
        assert!(lockout.attempt(from(1), "bob", true).is_ok());
        drop(lockout.attempt(from(1), "carol", true));
        drop(lockout.attempt(from(1), "dora", true));
        assert!(
            lockout.attempt(from(1), "emil", true).is_err(),
            "the address has had its eight"
        );
        clock.advance(Duration::from_secs(60));
        assert!(lockout.attempt(from(1), "ada", true).is_ok());
    }

    #[test]
    fn a_good_sign_in_gives_the_network_its_allowance_back() {
        let (lockout, _) = lockout("100/m", "5/m");
        assert_eq!(fail(&lockout, 4, |_| from(1), true), 4);
        lockout.attempt(from(1), "ada", true).unwrap().succeed();
        assert_eq!(fail(&lockout, 10, |_| from(1), true), 5);
    }

    #[test]
    fn attempts_at_once_count_before_they_end() {
        let (lockout, _) = lockout("100/m", "5/m");
        let running: Vec<_> = (0..10)
            .map_while(|_| lockout.attempt(from(1), "ada", true).ok())
            .collect();
        assert_eq!(running.len(), 5);
        running.into_iter().for_each(Attempt::release);
        assert_eq!(
            fail(&lockout, 10, |_| from(1), true),
            5,
            "those that were released count for nothing"
        );
    }

    #[test]
    fn wrong_codes_run_out_sooner() {
        let (lockout, _) = lockout("100/m", "5/m");
        let mut tries = 0;
        while let Ok(attempt) = lockout.attempt(from(tries), "ada", false) {
            attempt.wrong_code();
            tries += 1;
        }
        assert_eq!(tries, 5);
    }

    #[test]
    fn networks_are_what_one_subscriber_has() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("192.0.2.77"), "192.0.2.0");
        assert_eq!(network("::ffff:192.0.2.77"), "192.0.2.0");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
