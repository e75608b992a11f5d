//! Mail by SMTP; or, while no server is set, into a folder that `/dev/mail` shows.

mod dev;
mod folder;
mod mail;
mod mailer;
mod message;
mod smtp;

pub use mail::{Mail, MailConfig, MailError};
pub use mailer::Mailer;
