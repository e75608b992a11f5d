//! The only place with SQL.
//!
//! # Lock order
//!
//! On PostgreSQL a transaction keeps every row that it has changed locked until its end, and two that lock the same rows in
//! different orders can block each other. So every transaction of this service locks rows in one order, and leaves out what it
//! does not need:
//!
//! 1. `roles`: [`roles::hold`], or a change of the role itself. At most one role.
//! 2. `organizations`, in the order of their ids: [`organizations::hold`]. They are held before their members, invitations, domains
//!    or keys are changed.
//! 3. `accounts`, in the order of their ids: [`accounts::hold`], or a change of the account itself.
//! 4. Rows of those accounts: `user_roles`, `sessions`, `refresh_tokens`, `mail_tokens`, `totp`, `recovery_codes`, `api_keys`,
//!    `known_networks`, `grants`. The account is held before rows of two of these tables are changed, so that their order does not
//!    matter; but a refresh holds its session alone, before the tokens of it.
//! 5. What was revoked: `revoked_sessions`, `raised_versions`, `raised_organizations`, and the counter that numbers them.
//!
//! An insertion locks the account that its row belongs to against deletion alone. A transaction that changes an account holds
//! it before it inserts rows of it.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod domains;
pub(crate) mod expired;
pub(crate) mod grants;
pub(crate) mod invitations;
pub(crate) mod known_networks;
pub(crate) mod mail_tokens;
pub(crate) mod members;
pub(crate) mod organizations;
pub(crate) mod refresh_tokens;
pub(crate) mod registered_names;
pub(crate) mod revocations;
pub(crate) mod roles;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod totp;
pub(crate) mod unsent_mails;
