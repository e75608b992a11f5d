//! Passwords of links: Argon2id, a few at a time, so that a storm of guesses neither fills the memory nor slows other requests.

use std::{net::IpAddr, time::Duration};

use argon2::{Algorithm, Argon2, Params, Version};
use stoa_kernel::random;
use subtle::ConstantTimeEq;

use crate::{error::Error, lanes::Lanes};

/// What one hash costs: memory in KiB, and iterations.
const COST: (u32, u32) = (19 * 1024, 2);
/// Hashes at once. Networks take turns.
const LANES: usize = 2;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
const SALT: usize = 16;
const OUTPUT: usize = 32;

/// Cheap to clone; clones share the lanes.
#[derive(Clone)]
pub(crate) struct Passwords(Lanes);

impl Passwords {
    pub(crate) fn new() -> Self {
        Self(Lanes::new(LANES))
    }

    /// What is kept of a new password of somebody at `address`.
    pub(crate) async fn keep(&self, password: &str, address: IpAddr) -> Result<Vec<u8>, Error> {
        let salt = random::bytes::<SALT>();
        let output = self.hash(password, salt, address).await?;
        Ok([salt.as_slice(), &output].concat())
    }

    /// Whether it is the one that was kept, for somebody at `address`.
    pub(crate) async fn is_right(&self, password: &str, kept: &[u8], address: IpAddr) -> Result<bool, Error> {
        let Some((salt, output)) = kept.split_first_chunk::<SALT>() else {
            return Ok(false);
        };
        let found = self.hash(password, *salt, address).await?;
        Ok(found.as_slice().ct_eq(output).into())
    }

    async fn hash(&self, password: &str, salt: [u8; SALT], address: IpAddr) -> Result<[u8; OUTPUT], Error> {
        let busy = Error::Busy("too many passwords are being hashed");
        let Some(turn) = self.0.lane(address, PATIENCE).await else {
            return Err(busy);
        };
        let password = password.to_owned();
        let hashed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let (memory, iterations) = COST;
            let params = Params::new(memory, iterations, 1, Some(OUTPUT)).ok()?;
            let mut output = [0; OUTPUT];
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(password.as_bytes(), &salt, &mut output)
                .ok()?;
            Some(output)
        });
        hashed.await.ok().flatten().ok_or(busy)
    }
}
