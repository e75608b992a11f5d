//! What can be done, one use case a file: called by http, jobs and subscriptions alike.

pub(crate) mod callbacks;
pub(crate) mod cancel;
pub(crate) mod digest;
pub(crate) mod erasure;
pub(crate) mod fan_out;
pub(crate) mod inbox;
pub(crate) mod people;
pub(crate) mod phones;
pub(crate) mod preferences;
pub(crate) mod purge;
pub(crate) mod push;
pub(crate) mod request;
pub(crate) mod retry;
pub(crate) mod revocations;
pub(crate) mod send;
pub(crate) mod send_mail;
pub(crate) mod send_push;
pub(crate) mod send_sms;
pub(crate) mod show;
pub(crate) mod suppress;
pub(crate) mod templates;
pub(crate) mod text;
pub(crate) mod topics;
pub(crate) mod unsubscribe;
