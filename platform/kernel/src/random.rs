//! Randomness from the operating system's generator, by way of a per-thread ChaCha generator.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::Rng;

/// `N` random bytes, fit for keys.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    rand::rng().fill_bytes(&mut out);
    out
}

/// A secret of `N` random bytes, written in URL-safe base64 without padding.
#[must_use]
pub fn token<const N: usize>() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<N>())
}

/// A number between 0 and 1, for jitter.
#[must_use]
pub fn fraction() -> f64 {
    f64::from(rand::rng().next_u32()) / f64::from(u32::MAX)
}
