//! Passwords: what they must be like, and how they are hashed.

mod hasher;
mod lanes;
mod phc;
mod queue;
mod rules;
mod secret;

pub(crate) use hasher::Hasher;
pub(crate) use phc::Cost;
pub(crate) use rules::check;
pub(crate) use secret::{MOST_CHARACTERS, Password};
