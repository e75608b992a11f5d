//! Push messages: to browsers by Web Push (RFC 8030, encrypted by RFC 8291, with VAPID of RFC 8292), to phones by FCM's HTTP v1 API.

mod config;
mod fcm;
mod key;
mod message;
mod sender;
mod text;
mod web;

pub use config::PushConfig;
pub use key::VapidKey;
pub use message::{Push, Urgency};
pub use sender::{PushAddress, PushSender};
pub use stoa_providers::{Cause, Receipt, SendError};
pub use text::{json_length, shortened};
pub use web::{Subscription, SubscriptionError};
