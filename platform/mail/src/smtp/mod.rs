//! Sending through a mail server.

mod server;
mod session;

use std::time::Duration;

use lettre::Message;
use parking_lot::Mutex;
use tokio::time::Instant;
use url::Url;

use self::{
    server::Server,
    session::{NotSent, Session},
};
use crate::{MailConfig, SendError};

/// Connections that are kept to be used again, and for how long.
const KEPT: usize = 4;
const IDLE: Duration = Duration::from_secs(30);

/// A mail server, with connections that are used again.
pub(crate) struct Smtp {
    server: Server,
    idle: Mutex<Vec<(Session, Instant)>>,
}

impl Smtp {
    /// The server at `url`, which the setting `key` names. The messages of errors do not repeat the URL, as it may hold a password.
    pub(crate) fn new(url: &Url, key: &str, config: &MailConfig) -> Result<Self, SendError> {
        Ok(Self {
            server: Server::read(url, key, config)?,
            idle: Mutex::default(),
        })
    }

    /// Sends a mail, and returns what the server calls it.
    pub(crate) async fn send(&self, message: &Message) -> Result<String, SendError> {
        let (mut session, is_kept) = self.session().await?;
        let (envelope, mail) = (message.envelope(), message.formatted());
        // Where it fails the connection is not used again.
        let mut sent = session.send(envelope, &mail).await;
        if is_kept && matches!(sent, Err(NotSent::Closed(_))) {
            // Servers close connections that were used for a while, or not used: that says nothing about the mail.
            session = Session::open(&self.server).await?;
            sent = session.send(envelope, &mail).await;
        }
        let id = sent?;
        self.keep(session);
        Ok(id)
    }

    /// Whether the server takes addresses that are not ASCII (SMTPUTF8). Asks it.
    pub(crate) async fn takes_utf8(&self) -> Result<bool, SendError> {
        let (session, _) = self.session().await?;
        let takes = session.takes_utf8();
        self.keep(session);
        Ok(takes)
    }

    fn keep(&self, session: Session) {
        let mut idle = self.idle.lock();
        if idle.len() < KEPT {
            idle.push((session, Instant::now()));
        }
    }

    /// One that was kept and still answers, or a new one; whether it was kept.
    async fn session(&self) -> Result<(Session, bool), SendError> {
        loop {
            let kept = self.idle.lock().pop();
            match kept {
                None => return Ok((Session::open(&self.server).await?, false)),
                Some((mut session, since)) => {
                    if since.elapsed() < IDLE && session.answers().await {
                        return Ok((session, true));
                    }
                }
            }
        }
    }
}
