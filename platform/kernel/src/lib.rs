//! What every other crate speaks of: ids, time, randomness, rates, turns, pages, error codes and who is acting. No I/O.

mod access;
mod actor;
mod as_text;
mod clock;
pub mod codes;
mod expected;
mod id;
mod network;
mod owner;
mod page;
mod period;
pub mod random;
mod rate;
pub mod text;
mod turns;

pub use access::{
    API_KEY_PREFIX, Action, Decision, Grant, Permissions, Principal, PrincipalKind, Reason, Resource, allow,
};
pub use actor::{Actor, RequestFacts};
pub use clock::Clock;
pub use codes::Code;
pub use expected::Expected;
pub use id::{EventTag, Id, OrganizationId, OrganizationTag, SessionId, SessionTag, UserId, UserTag};
pub use jiff::Timestamp;
pub use network::{network_of, subscriber_of};
pub use owner::{Membership, Memberships, NotAnOwner, OrganizationRole, Owner};
pub use page::{Cursor, CursorError, DEFAULT_LIMIT, MAX_LIMIT, Page, PageRequest};
pub use period::{Period, PeriodError};
pub use rate::{Rate, RateError};
pub use turns::{Full, Turns};
