//! What other services need of auth: its contract and its events.

mod access;
mod contacts;
pub mod events;
mod keys;
mod mails;
mod registrations;
mod standing;
#[cfg(feature = "testing")]
pub mod testing;
mod trust;

pub use access::{Access, AccessError};
pub use contacts::{CONTACTS_MAX, Contacts};
pub use keys::{KeyClient, tell_key_changed};
pub use mails::{Asked, Mails, Prepared};
pub use registrations::Registrations;
pub use standing::{Standings, Stands};
pub use trust::TrustFeed;

/// Generated from `proto/stoa/auth/v1/access.proto`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    unused_qualifications
)]
pub mod v1 {
    tonic::include_proto!("stoa.auth.v1");
}

/// The contract, encoded, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
