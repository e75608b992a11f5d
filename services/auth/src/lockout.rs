//! How often somebody may try, in a way that cannot be used to lock somebody else out.
//!
//! Failed sign-ins count in three places: against the caller's address; against the account as tried from the caller's
//! network; and, where the account has never signed in from that network, against the account as tried from all such
//! networks together. So one who guesses from many networks is slowed down, while the owner's own network is not.
//!
//! An attempt counts as failed from its beginning, and what was taken for it is given back when it turns out otherwise: so many
//! at once, also at several processes, are no way around the limits.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::OnceLock,
    time::Duration,
};

use futures::future::{join, join_all};
use stoa_cache::{Cache, LimitKey, Limiter, Verdict};
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
    /// Goes into the hashes of accounts, so that nobody learns addresses from a cache that they can look into. All processes of
    /// an installation have the same.
    secret: OnceLock<[u8; 32]>,
    register: Limiter,
    address: Limiter,
    network: Limiter,
    strangers: Limiter,
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
            secret: OnceLock::new(),
            register: cache.limiter("auth.register", rates.register_per_address),
            address: cache.limiter("auth.login.address", rates.login_per_address),
            network: cache.limiter("auth.login.network", rates.login_per_account),
            strangers: cache.limiter("auth.login.strangers", strangers),
            mails: cache.limiter("auth.mails", MAILS),
        }
    }

    /// Takes the secret, before the first request.
    pub(crate) fn keep_secret(&self, secret: [u8; 32]) {
        // Whoever was first has derived the same.
        let _ = self.secret.set(secret);
    }

    /// Counts a registration.
    pub(crate) async fn register(&self, address: IpAddr) -> Result<()> {
        match self.register.check(LimitKey::address(address)).await {
            Some(verdict) if !verdict.allowed => Err(Error::TooMany(verdict.retry_after)),
            _ => Ok(()),
        }
    }

    /// Whether one more mail may go to this account; by its address lowercased, whether it has an account or not.
    pub(crate) async fn mail(&self, account: &str) -> bool {
        let verdict = self.mails.check(self.account(account)).await;
        verdict.is_none_or(|verdict| verdict.allowed)
    }

    /// Begins an attempt at a password. `account`: the address lowercased, whether it has an account or not. `known`: whether
    /// the account has signed in from this network before.
    pub(crate) async fn attempt(&self, address: IpAddr, account: &str, known: bool) -> Result<Attempt<'_>> {
        let attempt = Attempt {
            address: (&self.address, LimitKey::address(address)),
            network: (&self.network, self.account_from(account, address)),
            strangers: (!known).then(|| (&self.strangers, self.account(account))),
        };
        let verdicts = join_all(attempt.counts().map(|(limiter, key)| limiter.check(key))).await;
        let refused = |verdict: &Option<Verdict>| verdict.filter(|verdict| !verdict.allowed);
        let Some(wait) = verdicts
            .iter()
            .filter_map(refused)
            .map(|verdict| verdict.retry_after)
            .max()
        else {
            return Ok(attempt);
        };
        let taken = attempt
            .counts()
            .zip(&verdicts)
            .filter(|(_, verdict)| refused(verdict).is_none());
        join_all(taken.map(|((limiter, key), _)| limiter.give_back(key))).await;
        metrics::counter!("stoa_auth_limited_total").increment(1);
        Err(Error::TooMany(wait.max(Duration::from_secs(1))))
    }

    fn account(&self, account: &str) -> LimitKey {
        LimitKey::hash(&[self.secret(), account.as_bytes()])
    }

    fn account_from(&self, account: &str, address: IpAddr) -> LimitKey {
        let network = network_of(address).to_string();
        LimitKey::hash(&[self.secret(), account.as_bytes(), network.as_bytes()])
    }

    fn secret(&self) -> &[u8] {
        self.secret.get().map_or(&[], <[u8; 32]>::as_slice)
    }
}

/// The network that an address is of: a /24, or a /64 of IPv6.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00)),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

/// What an attempt is counted against.
type Count<'a> = (&'a Limiter, LimitKey);

/// An attempt at a password that still runs. Dropped without a word, such as when the caller hangs up, it has failed.
#[must_use]
pub(crate) struct Attempt<'a> {
    address: Count<'a>,
    network: Count<'a>,
    strangers: Option<Count<'a>>,
}

impl<'a> Attempt<'a> {
    fn counts(&self) -> impl Iterator<Item = Count<'a>> + use<'a> {
        [self.address, self.network].into_iter().chain(self.strangers)
    }

    /// It was the right password: this network has its whole allowance for the account again.
    pub(crate) async fn succeed(self) {
        let (limiter, key) = self.network;
        let others = [Some(self.address), self.strangers].into_iter().flatten();
        let others = join_all(others.map(|(limiter, key)| limiter.give_back(key)));
        join(limiter.reset(key), others).await;
    }

    /// It counts for nothing: no password was refused.
    pub(crate) async fn release(self) {
        join_all(self.counts().map(|(limiter, key)| limiter.give_back(key))).await;
    }

    /// The password was right and the code of the second factor was not. There are few codes, and so fewer attempts.
    pub(crate) async fn wrong_code(self) {
        if let Some((limiter, key)) = self.strangers {
            limiter.spend(key, STRANGERS - 1).await;
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
    async fn fail(lockout: &Lockout, times: u32, address: impl Fn(u32) -> IpAddr, known: bool) -> usize {
        let mut through = 0;
        for n in 0..times {
            through += usize::from(lockout.attempt(address(n), "ada", known).await.is_ok());
        }
        through
    }

    #[tokio::test]
    async fn failures_from_elsewhere_do_not_lock_the_owner_out() {
        let (lockout, _) = lockout("20/m", "5/m");
        assert_eq!(
            fail(&lockout, 1000, from, false).await,
            50,
            "all networks together"
        );
        assert_eq!(
            fail(&lockout, 1, |_| from(2000), false).await,
            0,
            "also a new one"
        );
        lockout
            .attempt(from(3000), "ada", true)
            .await
            .unwrap()
            .succeed()
            .await;
        lockout
            .attempt(from(3000), "bob", false)
            .await
            .unwrap()
            .succeed()
            .await;
    }

    #[tokio::test]
    async fn one_network_has_the_accounts_allowance_and_one_address_its_own() {
        let (lockout, clock) = lockout("8/m", "5/m");
        assert_eq!(fail(&lockout, 10, |_| from(1), true).await, 5);
        assert!(lockout.attempt(from(1), "bob", true).await.is_ok());
        drop(lockout.attempt(from(1), "carol", true).await);
        drop(lockout.attempt(from(1), "dora", true).await);
        assert!(
            lockout.attempt(from(1), "emil", true).await.is_err(),
            "the address has had its eight"
        );
        clock.advance(Duration::from_secs(60));
        assert!(lockout.attempt(from(1), "ada", true).await.is_ok());
    }

    #[tokio::test]
    async fn a_good_sign_in_gives_the_network_its_allowance_back() {
        let (lockout, _) = lockout("100/m", "5/m");
        assert_eq!(fail(&lockout, 4, |_| from(1), true).await, 4);
        lockout
            .attempt(from(1), "ada", true)
            .await
            .unwrap()
            .succeed()
            .await;
        assert_eq!(fail(&lockout, 10, |_| from(1), true).await, 5);
    }

    #[tokio::test]
    async fn attempts_at_once_count_before_they_end() {
        let (lockout, _) = lockout("100/m", "5/m");
        let running = join_all((0..10).map(|_| lockout.attempt(from(1), "ada", true))).await;
        let running: Vec<_> = running.into_iter().filter_map(Result::ok).collect();
        assert_eq!(running.len(), 5);
        join_all(running.into_iter().map(Attempt::release)).await;
        assert_eq!(
            fail(&lockout, 10, |_| from(1), true).await,
            5,
            "those that were released count for nothing"
        );
    }

    #[tokio::test]
    async fn wrong_codes_run_out_sooner() {
        let (lockout, _) = lockout("100/m", "5/m");
        let mut tries = 0;
        while let Ok(attempt) = lockout.attempt(from(tries), "ada", false).await {
            attempt.wrong_code().await;
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
