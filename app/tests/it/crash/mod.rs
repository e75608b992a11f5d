//! Whatever breaks under load: what was acknowledged is there, and its effects happened once.

mod backlog;
mod checker;
mod clock;
mod disk;
mod embedded;
mod load;
mod outside;
mod slow;
mod split;
mod storage;

use rand::{SeedableRng, rngs::StdRng};

use crate::system::SHAPE;

/// How often something breaks, and the randomness that decides what and when: from the environment, so that a run that failed
/// can be had again.
fn rounds(usual: u32) -> (u32, StdRng) {
    let rounds = number("STOA_TEST_CRASH_ROUNDS").unwrap_or(usual);
    let seed = number("STOA_TEST_CRASH_SEED").unwrap_or_else(rand::random);
    let shape = std::env::var(SHAPE).unwrap_or_else(|_| "embedded".to_owned());
    println!(
        "crash: {rounds} rounds, seed {seed}; run again with: make crash SHAPE={shape} ROUNDS={rounds} SEED={seed}"
    );
    (rounds, StdRng::seed_from_u64(seed))
}

/// A setting of these tests, from the environment.
fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
