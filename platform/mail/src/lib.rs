//! Mail by SMTP; or, while no server is set, into a folder that `/dev/mail` shows.

mod address;
mod dev;
mod folder;
mod mail;
mod mailer;
mod message;
mod smtp;

pub use address::Address;
pub use dev::DevMailbox;
pub use mail::{Mail, MailConfig, MailError};
pub use mailer::Mailer;
