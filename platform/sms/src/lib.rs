//! Text messages by Twilio; or, while no provider is set, into a folder that `/dev/sms` shows.

mod kept;
mod number;
mod provider;
mod segments;
mod sender;
mod sms;
mod twilio;

pub use number::Number;
pub use segments::{Encoding, Segments};
pub use sender::SmsSender;
pub use sms::{Sms, SmsConfig};
pub use stoa_providers::{Cause, DevPages, Receipt, SendError};
pub use twilio::{Reply, SmsEvent, SmsStatus, parse_callback, parse_reply, verifies_callback};
