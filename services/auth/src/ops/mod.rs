//! Use cases: called by http, rpc, jobs and the command line alike.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod changes;
pub(crate) mod commit;
pub(crate) mod credentials;
pub(crate) mod erase;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod grants;
pub(crate) mod guesses;
pub(crate) mod login;
pub(crate) mod mails;
pub(crate) mod notices;
pub(crate) mod organizations;
pub(crate) mod origin;
pub(crate) mod password;
pub(crate) mod prove_again;
pub(crate) mod purge;
pub(crate) mod refresh;
pub(crate) mod register;
pub(crate) mod roles;
pub(crate) mod sessions;
pub(crate) mod start;
pub(crate) mod totp;
pub(crate) mod trust;
pub(crate) mod verify_email;
