//! What other services need of users: its events.

pub mod events;
