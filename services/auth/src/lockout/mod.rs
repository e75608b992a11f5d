//! How often somebody may try, in a way that cannot be used to lock somebody else out.
//!
//! Everything is counted by account and by where the caller is. An address from which the account has signed in before is known and
//! has allowances of its own for the account, which nobody elsewhere can use up. All other places share allowances, so that a
//! guesser with many addresses is bounded as well.

mod attempt;

use std::{net::IpAddr, num::NonZeroU32, sync::OnceLock, time::Duration};

use stoa_cache::{Cache, LimitKey, Limiter};
use stoa_kernel::{Rate, UserId, network_of, subscriber_of};

use crate::{
    config::RateLimitConfig,
    error::{Error, Result},
    notifications::MailKind,
};
pub(crate) use attempt::{Attempt, Refused};
use attempt::{Count, Group};

/// How many times one network's failed sign-ins all networks together have that an account is new to.
const STRANGERS: u32 = 10;
/// How many times one network's mails all networks together have that an account is new to.
const STRANGERS_MAILS: u32 = 2;
/// Mails of one kind with a link that one account gets, from each place that they are asked for from.
const MAILS: Rate = Rate::Limit {
    count: NonZeroU32::MIN.saturating_add(4),
    period: Duration::from_secs(3600),
};
/// Mails that tell one account what happened to it.
const NOTICES: Rate = Rate::Limit {
    count: NonZeroU32::MIN.saturating_add(19),
    period: Duration::from_secs(3600),
};
/// Mails that one person has sent to one address that need not have an account.
const INVITATIONS: Rate = Rate::Limit {
    count: NonZeroU32::MIN.saturating_add(2),
    period: Duration::from_secs(86_400),
};
/// Such mails that one address gets from one network: so that many accounts of one place do not use up what follows.
const INVITATIONS_FROM_NETWORK: Rate = Rate::Limit {
    count: NonZeroU32::MIN.saturating_add(9),
    period: Duration::from_secs(86_400),
};
/// Such mails that one address gets from everybody: more than one person can have sent to it, so that nobody alone keeps others from
/// inviting it.
const INVITATIONS_TO_ADDRESS: Rate = Rate::Limit {
    count: NonZeroU32::MIN.saturating_add(29),
    period: Duration::from_secs(86_400),
};
/// How often an owner is told that somebody guesses.
const WARNINGS: Rate = Rate::Limit {
    count: NonZeroU32::MIN,
    period: Duration::from_secs(86_400),
};

/// How familiar an account is with where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Familiarity {
    /// It has signed in from this very address; or, with IPv6, from its /64.
    KnownAddress,
    /// It has signed in from this network: a /24, or a /64 of IPv6.
    KnownNetwork,
    /// Neither, or there is no such account.
    Elsewhere,
}

/// Who tries something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// The key of the account's address, whether it has an account or not.
    pub(crate) account: &'a str,
    pub(crate) address: IpAddr,
    pub(crate) familiarity: Familiarity,
}

/// The limits.
pub(crate) struct Lockout {
    /// Goes into the hashes of accounts, so that nobody learns addresses from a cache that they can look into. All processes of
    /// an installation have the same.
    secret: OnceLock<[u8; 32]>,
    register: Limiter,
    mail_requests: Limiter,
    address: Limiter,
    sign_in: Shared,
    mails: Shared,
    proofs: Bounded,
    codes: Bounded,
    warnings: Limiter,
    notices: Limiter,
    invitations_by: Limiter,
    invitations: Limiter,
    invitations_from: Limiter,
    invitations_between: Limiter,
    invitations_to: Limiter,
}

/// Allowances of an account for each network, and for all networks together that are new to it.
struct Shared {
    network: Limiter,
    strangers: Limiter,
}

/// Allowances of an account for known addresses apart and for all other places together, a short one and one of a day.
struct Bounded {
    short: Limiter,
    day: Limiter,
}

impl Lockout {
    pub(crate) fn new(cache: &Cache, rates: &RateLimitConfig) -> Self {
        let shared = |network: &'static str, strangers: &'static str, rate: Rate, times: u32| Shared {
            network: cache.limiter(network, rate),
            strangers: cache.limiter(strangers, times_more(rate, times)),
        };
        let bounded = |short: &'static str, day: &'static str| Bounded {
            short: cache.limiter(short, rates.login_per_account),
            day: cache.limiter(day, rates.guesses_per_account),
        };
        Self {
            secret: OnceLock::new(),
            register: cache.limiter("auth.register", rates.register_per_address),
            mail_requests: cache.limiter("auth.mails.address", rates.mails_per_address),
            address: cache.limiter("auth.login.address", rates.login_per_address),
            sign_in: shared(
                "auth.login.network",
                "auth.login.strangers",
                rates.login_per_account,
                STRANGERS,
            ),
            mails: shared(
                "auth.mails.network",
                "auth.mails.strangers",
                MAILS,
                STRANGERS_MAILS,
            ),
            proofs: bounded("auth.proofs", "auth.proofs.day"),
            codes: bounded("auth.codes", "auth.codes.day"),
            warnings: cache.limiter("auth.warnings", WARNINGS),
            notices: cache.limiter("auth.notices", NOTICES),
            invitations_by: cache.limiter("auth.invitations.by", rates.invitations_per_account),
            invitations: cache.limiter("auth.invitations", INVITATIONS),
            invitations_from: cache.limiter("auth.invitations.from", rates.invitations_per_address),
            invitations_between: cache.limiter("auth.invitations.between", INVITATIONS_FROM_NETWORK),
            invitations_to: cache.limiter("auth.invitations.to", INVITATIONS_TO_ADDRESS),
        }
    }

    /// Takes the secret, before the first request.
    pub(crate) fn keep_secret(&self, secret: [u8; 32]) {
        // Whoever was first has derived the same.
        let _ = self.secret.set(secret);
    }

    /// Counts a registration.
    pub(crate) async fn register(&self, address: IpAddr) -> Result<()> {
        count(&self.register, address).await
    }

    /// Counts a request for a mail with a link, whoever would get it.
    pub(crate) async fn mail_request(&self, address: IpAddr) -> Result<()> {
        count(&self.mail_requests, address).await
    }

    /// Begins to send one more mail of this kind, asked for by `source`. Release it if no mail goes out.
    pub(crate) async fn mail(&self, kind: MailKind, source: &Source<'_>) -> Result<Attempt<'_>, Refused> {
        let kind = format!("{kind:?}");
        Attempt::begin(self.shared(&self.mails, &kind, source).map(Group::new).collect()).await
    }

    /// Begins a sign-in: an attempt at a password by somebody who may be anybody.
    pub(crate) async fn sign_in(&self, source: &Source<'_>) -> Result<Attempt<'_>, Refused> {
        let mut groups = vec![self.address(source)];
        let mut shared = self.shared(&self.sign_in, "", source);
        groups.extend(shared.next().map(Group::reset_on_success));
        groups.extend(shared.map(Group::new));
        Attempt::begin(groups).await
    }

    /// Begins a proof: an attempt at a password by somebody who is signed in, perhaps with a session that was stolen.
    pub(crate) async fn proof(&self, source: &Source<'_>) -> Result<Attempt<'_>, Refused> {
        let [short, day] = self.bounded(&self.proofs, source);
        Attempt::begin(vec![self.address(source), short, day]).await
    }

    /// Begins an attempt at a code of the second factor.
    pub(crate) async fn code(&self, source: &Source<'_>) -> Result<Attempt<'_>, Refused> {
        Attempt::begin(self.bounded(&self.codes, source).into()).await
    }

    /// Whether the owner of this account is to be told that somebody guesses. Once a day is enough.
    pub(crate) async fn warning(&self, account: &str) -> bool {
        self.warnings.allows(self.key(account, "", &[])).await
    }

    /// Whether the owner of this account may be told of one more thing that happened to it.
    pub(crate) async fn notice(&self, account: &str) -> bool {
        self.may_tell(account, "").await
    }

    /// Whether somebody may be told of one more thing that happened to an organization of theirs. Counted apart: another owner must
    /// not use up what tells of the account.
    pub(crate) async fn organization_notice(&self, account: &str) -> bool {
        self.may_tell(account, "organization").await
    }

    async fn may_tell(&self, account: &str, what: &str) -> bool {
        self.notices.allows(self.key(account, what, &[])).await
    }

    /// Counts a mail that `by` has sent from `address` to an address which need not have an account. `to`: the key of that one.
    pub(crate) async fn invitation(&self, by: UserId, address: IpAddr, to: &str) -> Result<()> {
        let (by, network) = (by.to_string(), network_of(address).to_string());
        let counts = [
            (&self.invitations_by, self.key(&by, "", &[])),
            (&self.invitations, self.key(&by, "", &[to])),
            (&self.invitations_from, LimitKey::address(address)),
            (&self.invitations_between, self.key(to, "", &[&network])),
            (&self.invitations_to, self.key(to, "", &[])),
        ];
        let groups = counts.map(|count| Group::new([count])).into();
        // Dropped, it stays counted.
        Attempt::begin(groups).await.map(drop).map_err(Error::from)
    }

    fn address(&self, source: &Source<'_>) -> Group<'_> {
        Group::new([(&self.address, LimitKey::address(source.address))])
    }

    /// The allowances of the network, with that of a known address beside it; then that of all strangers, for one of them.
    fn shared<'a>(
        &self,
        limits: &'a Shared,
        what: &str,
        source: &Source<'_>,
    ) -> impl Iterator<Item = Vec<Count<'a>>> + use<'a> {
        let network = network_of(source.address).to_string();
        let key = |parts: &[&str]| self.key(source.account, what, parts);
        let mut places = vec![(&limits.network, key(&[&network]))];
        if source.familiarity == Familiarity::KnownAddress {
            places.push((&limits.network, key(&["address", &address_of(source.address)])));
        }
        let strangers =
            (source.familiarity == Familiarity::Elsewhere).then(|| vec![(&limits.strangers, key(&[]))]);
        [Some(places), strangers].into_iter().flatten()
    }

    /// The short allowances and those of a day: the one for all places, with that of a known address beside it.
    fn bounded<'a>(&self, limits: &'a Bounded, source: &Source<'_>) -> [Group<'a>; 2] {
        let mut keys = vec![self.key(source.account, "", &[])];
        if source.familiarity == Familiarity::KnownAddress {
            keys.push(self.key(source.account, "", &["address", &address_of(source.address)]));
        }
        let of = |limiter: &'a Limiter| keys.iter().map(move |key| (limiter, *key)).collect::<Vec<_>>();
        [
            Group::reset_on_success(of(&limits.short)),
            Group::daily(of(&limits.day)),
        ]
    }

    fn key(&self, account: &str, what: &str, parts: &[&str]) -> LimitKey {
        let secret = self.secret.get().map_or(&[][..], <[u8; 32]>::as_slice);
        let mut all = vec![secret, account.as_bytes(), what.as_bytes()];
        all.extend(parts.iter().map(|part| part.as_bytes()));
        LimitKey::hash(&all)
    }
}

fn times_more(rate: Rate, times: u32) -> Rate {
    match rate {
        Rate::Off => Rate::Off,
        Rate::Limit { count, period } => Rate::Limit {
            count: NonZeroU32::new(times).map_or(count, |times| count.saturating_mul(times)),
            period,
        },
    }
}

async fn count(limiter: &Limiter, address: IpAddr) -> Result<()> {
    match limiter.check(LimitKey::address(address)).await {
        Some(verdict) if !verdict.allowed => Err(Error::TooMany(verdict.retry_after)),
        _ => Ok(()),
    }
}

/// The address of one subscriber, as text.
pub(crate) fn address_of(address: IpAddr) -> String {
    subscriber_of(address).to_string()
}

#[cfg(test)]
mod tests;
