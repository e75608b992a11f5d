//! The only place with SQL.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod grants;
pub(crate) mod known_networks;
pub(crate) mod mail_tokens;
pub(crate) mod refresh_tokens;
pub(crate) mod revocations;
pub(crate) mod roles;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod totp;
