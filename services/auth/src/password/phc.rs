//! Hashes as they are kept: Argon2id in the PHC format, and bcrypt's own.

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use subtle::ConstantTimeEq;

use crate::config::PasswordConfig;

const VERSION: Version = Version::V0x13;
/// Bytes of a salt and of a hash.
const SALT: usize = 16;
const OUTPUT: usize = 32;
/// The most memory that a kept hash may ask for: one gibibyte.
const MOST_MEMORY_KIB: u32 = 1024 * 1024;

/// Cost of Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) iterations: u32,
}

impl Cost {
    /// Hashing is spread over lanes of ours, so that each hash takes one thread.
    const PARALLELISM: u32 = 1;

    pub(crate) fn of(config: &PasswordConfig) -> Self {
        Self {
            memory_kib: config.memory_kib,
            iterations: config.iterations,
        }
    }

    /// Refuses a cost at which nothing can be hashed, or at which a hash would not be verified later.
    pub(crate) fn check(self) -> Result<(), String> {
        if self.memory_kib > MOST_MEMORY_KIB {
            return Err(format!(
                "auth.password.memory_kib must be at most {MOST_MEMORY_KIB}, and is {}",
                self.memory_kib
            ));
        }
        params(self)
            .map(drop)
            .map_err(|e| format!("auth.password.memory_kib and auth.password.iterations: {e}"))
    }
}

fn params(cost: Cost) -> Result<Params, String> {
    Params::new(cost.memory_kib, cost.iterations, Cost::PARALLELISM, Some(OUTPUT))
        .map_err(|e| format!("this cost of Argon2id is not possible: {e}"))
}

/// A kept hash, taken apart.
enum Kept {
    Argon2id {
        params: Box<Params>,
        salt: Salt,
        output: Output,
    },
    Bcrypt,
}

impl Kept {
    fn parse(text: &str) -> Option<Self> {
        if ["$2a$", "$2b$", "$2y$"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            return Some(Self::Bcrypt);
        }
        let hash = PasswordHash::new(text).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let is_ours = hash.algorithm == ARGON2ID_IDENT && hash.version == Some(VERSION.into());
        if !is_ours || params.m_cost() > MOST_MEMORY_KIB {
            return None;
        }
        Some(Self::Argon2id {
            params: Box::new(params),
            salt: hash.salt?,
            output: hash.hash?,
        })
    }
}

fn write(params: &Params, salt: &[u8], output: &[u8]) -> Result<String, String> {
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(VERSION.into()),
        params: ParamsString::try_from(params).map_err(|e| e.to_string())?,
        salt: Some(Salt::new(salt).map_err(|e| e.to_string())?),
        hash: Some(Output::new(output).map_err(|e| e.to_string())?),
    };
    Ok(hash.to_string())
}

/// Whether a kept hash was made otherwise than new ones are.
pub(super) fn is_outdated(kept: &str, cost: Cost) -> bool {
    !matches!(Kept::parse(kept), Some(Kept::Argon2id { params, .. })
        if params.m_cost() == cost.memory_kib && params.t_cost() == cost.iterations && params.p_cost() == Cost::PARALLELISM)
}

/// A hash that no password has, and that takes as long to verify as any other.
pub(super) fn nobodys(cost: Cost) -> Result<String, String> {
    write(
        &params(cost)?,
        &stoa_kernel::random::bytes::<SALT>(),
        &stoa_kernel::random::bytes::<OUTPUT>(),
    )
}

/// Memory that one lane hashes in, kept between hashes.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    fn argon2id(
        &mut self,
        params: &Params,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), String> {
        self.0.resize(params.block_count(), Block::new());
        Argon2::new(Algorithm::Argon2id, VERSION, params.clone())
            .hash_password_into_with_memory(password, salt, output, &mut self.0)
            .map_err(|e| format!("Argon2id failed: {e}"))
    }

    /// Hashes a new password.
    pub(super) fn hash(&mut self, password: &str, cost: Cost) -> Result<String, String> {
        let salt = stoa_kernel::random::bytes::<SALT>();
        let (params, mut output) = (params(cost)?, [0; OUTPUT]);
        self.argon2id(&params, password.as_bytes(), &salt, &mut output)?;
        write(&params, &salt, &output)
    }

    /// Whether `kept` is the hash of `password`.
    pub(super) fn verify(&mut self, password: &str, kept: &str) -> Result<bool, String> {
        match Kept::parse(kept).ok_or("a kept password hash cannot be read")? {
            Kept::Bcrypt => bcrypt::verify(password, kept).map_err(|e| format!("bcrypt failed: {e}")),
            Kept::Argon2id { params, salt, output } => {
                let mut found = vec![0; output.len()];
                self.argon2id(&params, password.as_bytes(), &salt, &mut found)?;
                Ok(found.ct_eq(output.as_ref()).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Cost = Cost {
        memory_kib: 64,
        iterations: 1,
    };

    #[test]
    fn a_hash_is_good_for_its_password_alone() {
        let mut memory = Memory::default();
        let kept = memory.hash("correct horse", SMALL).unwrap();
        assert!(memory.verify("correct horse", &kept).unwrap());
        assert!(!memory.verify("Correct horse", &kept).unwrap());
        assert!(!memory.verify("", &nobodys(SMALL).unwrap()).unwrap());
        assert_ne!(
            kept,
            memory.hash("correct horse", SMALL).unwrap(),
            "each has a salt of its own"
        );
    }

    /// Made by the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -k 256 -p 1 -l 24 -v 13`.
    #[test]
    fn hashes_made_elsewhere_are_read() {
        let kept = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert!(Memory::default().verify("password", kept).unwrap());
        assert!(!Memory::default().verify("passwort", kept).unwrap());
    }

    #[test]
    fn bcrypt_is_read_in_each_spelling() {
        let hash = bcrypt::hash("password", 4).unwrap();
        for version in ["$2a$", "$2b$", "$2y$"] {
            let kept = format!("{version}{}", &hash[4..]);
            assert!(Memory::default().verify("password", &kept).unwrap(), "{version}");
            assert!(!Memory::default().verify("passwort", &kept).unwrap(), "{version}");
            assert!(is_outdated(&kept, SMALL));
        }
    }

    #[test]
    fn a_hash_of_another_cost_is_outdated() {
        let kept = Memory::default().hash("password", SMALL).unwrap();
        assert!(!is_outdated(&kept, SMALL));
        assert!(is_outdated(
            &kept,
            Cost {
                iterations: 2,
                ..SMALL
            }
        ));
        assert!(is_outdated(
            &kept,
            Cost {
                memory_kib: 65,
                ..SMALL
            }
        ));
    }

    #[test]
    fn what_is_no_hash_is_an_error() {
        for kept in [
            "",
            "password",
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$AAAA",
            "$2x$04$",
        ] {
            assert!(Memory::default().verify("password", kept).is_err(), "{kept}");
        }
    }
}
