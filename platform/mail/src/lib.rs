//! Mail by SMTP; or, while no server is set, into a folder that `/dev/mail` shows.

mod address;
mod header;
mod kept;
mod mail;
mod mailer;
mod message;
mod provider;
mod sendgrid;
mod smtp;

pub use address::Address;
pub use header::{Header, Headers};
pub use mail::{Mail, MailConfig};
pub use mailer::Mailer;
pub use sendgrid::{EventKey, EventKind, MailEvent, parse_events};
pub use stoa_providers::{Cause, DevPages, Receipt, SendError};
