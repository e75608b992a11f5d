//! Hashing and verifying, for the rest of the service.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use stoa_kernel::network_of;

use super::{
    lanes::{Lanes, NotDone, Task},
    phc::{self, Cost},
    secret::Password,
};
use crate::{
    config::PasswordConfig,
    error::{BUSY, Error, Result},
};

/// Hashes and verifies passwords on threads of their own.
#[derive(Clone)]
pub(crate) struct Hasher {
    lanes: Lanes,
    cost: Cost,
    nobodys: Arc<str>,
    asked: Arc<AtomicU64>,
}

/// What verifying a password found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// Whether it is the right one.
    pub(crate) right: bool,
    /// Whether the kept hash was made otherwise than new ones are, or of another form of the password.
    pub(crate) outdated: bool,
}

impl Hasher {
    /// Starts the threads.
    pub(crate) fn start(config: &PasswordConfig) -> Result<Self, String> {
        let cost = Cost::of(config);
        cost.check()?;
        Ok(Self {
            lanes: Lanes::start(config.lanes, config.queue)?,
            cost,
            nobodys: phc::nobodys(cost)?.into(),
            asked: Arc::default(),
        })
    }

    /// The hash to keep of a new password. Never while a transaction is open. `from`: whom it is done for; networks take turns.
    pub(crate) async fn hash(&self, password: &Password, from: Option<IpAddr>) -> Result<String> {
        self.count("hash");
        let (password, cost) = (password.clone(), self.cost);
        self.lanes
            .ask(from.map(network_of), |answer| Task::Hash {
                password,
                cost,
                answer,
            })
            .await
            .map_err(failed)
    }

    /// Whether `kept` is the hash of `password`. Without `kept`, for somebody who has no account, it does the same work and
    /// says no.
    pub(crate) async fn verify(
        &self,
        password: &Password,
        kept: Option<&str>,
        from: IpAddr,
    ) -> Result<Verified> {
        self.count("verify");
        let (forms, hash) = (password.forms(), kept.unwrap_or(&self.nobodys).to_owned());
        let form = self
            .lanes
            .ask(Some(network_of(from)), |answer| Task::Verify {
                forms,
                kept: hash,
                answer,
            })
            .await
            .map_err(failed)?;
        Ok(Verified {
            right: kept.is_some() && form.is_some(),
            outdated: form.is_some_and(|place| place > 0)
                || kept.is_some_and(|kept| phc::is_outdated(kept, self.cost)),
        })
    }

    /// How many hashes were asked for since the start.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn count(&self, what: &'static str) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("stoa_auth_passwords_total", "what" => what).increment(1);
    }
}

fn failed(why: NotDone) -> Error {
    match why {
        NotDone::Full => BUSY.into(),
        NotDone::Failed(cause) => Error::Internal(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(lanes: usize, queue: usize) -> Hasher {
        let config = PasswordConfig {
            min_length: 8,
            max_length: 128,
            memory_kib: 1024,
            iterations: 8,
            lanes,
            queue,
        };
        Hasher::start(&config).unwrap()
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let hasher = hasher(1, 4);
        let kept = hasher.hash(&Password::new("correct horse"), None).await.unwrap();
        let verify = async |password: &str, kept: Option<&str>| {
            hasher
                .verify(&Password::new(password), kept, [192, 0, 2, 1].into())
                .await
                .unwrap()
                .right
        };
        assert!(verify("correct horse", Some(&kept)).await);
        assert!(!verify("wrong horse", Some(&kept)).await);
        assert!(!verify("correct horse", None).await);
    }

    #[tokio::test]
    async fn one_password_however_its_characters_are_written() {
        let hasher = hasher(1, 4);
        let verify = async |typed: &str, kept: &str| {
            let typed = Password::new(typed);
            let verified = hasher.verify(&typed, Some(kept), [192, 0, 2, 1].into()).await;
            verified
                .map(|verified| (verified.right, verified.outdated))
                .unwrap()
        };
        let (composed, decomposed) = ("pass\u{a0}w\u{f6}rter", "pass wo\u{308}rter");
        let kept = hasher.hash(&Password::new(decomposed), None).await.unwrap();
        assert_eq!(verify(composed, &kept).await, (true, false));
        assert_eq!(verify(decomposed, &kept).await, (true, false));
        assert_eq!(verify("pass worter", &kept).await, (false, false));
        // Hashes of before are of what was typed.
        let cost = hasher.cost;
        let raw = phc::Memory::default().hash("passwo\u{308}rter", cost).unwrap();
        assert_eq!(verify("passwo\u{308}rter", &raw).await, (true, true));
        assert_eq!(verify("passw\u{f6}rter", &raw).await, (true, true));
    }

    #[tokio::test]
    async fn more_than_can_wait_are_refused_and_the_others_are_served() {
        let hasher = hasher(1, 2);
        let all = (0..20).map(|_| async { hasher.hash(&Password::new("correct horse"), None).await });
        let (mut served, mut refused) = (0, 0);
        for result in futures::future::join_all(all).await {
            match result {
                Ok(_) => served += 1,
                Err(Error::Refused(code)) if code == BUSY => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(served >= 2 && refused >= 15, "{served} served, {refused} refused");
    }
}
