//! Access tokens, which say who somebody is, and opaque tokens, which only we can tell.

mod access;
mod asked;
mod link;
mod opaque;

pub(crate) use access::{AccessToken, sign};
pub(crate) use asked::{asked_key, is_asked};
pub(crate) use link::{LinkPurpose, link_id, link_token};
pub(crate) use opaque::{Opaque, hash_of};
