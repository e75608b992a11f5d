//! Sending through a mail server.

mod server;
mod session;

use std::time::Duration;

use lettre::Message;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::{server::Server, session::Session};
use crate::MailError;

/// Connections that are kept to be used again, and for how long.
const KEPT: usize = 4;
const IDLE: Duration = Duration::from_secs(30);

/// A mail server, with connections that are used again.
pub(crate) struct Smtp {
    server: Server,
    idle: Mutex<Vec<(Session, Instant)>>,
}

impl Smtp {
    /// The server at `url`; `timeout` is how long each step may take. The messages of errors do not repeat the URL, as it may
    /// hold a password.
    pub(crate) fn new(url: &str, timeout: Duration) -> Result<Self, MailError> {
        Ok(Self {
            server: Server::read(url, timeout)?,
            idle: Mutex::default(),
        })
    }

    pub(crate) async fn send(&self, message: Message) -> Result<(), MailError> {
        let mut session = self.session().await?;
        // Where it fails the connection is not used again.
        session.send(message.envelope(), &message.formatted()).await?;
        self.keep(session);
        Ok(())
    }

    /// Whether the server takes addresses that are not ASCII (SMTPUTF8). Asks it.
    pub(crate) async fn takes_utf8(&self) -> Result<bool, MailError> {
        let session = self.session().await?;
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

    /// One that is left and still answers, or a new one.
    async fn session(&self) -> Result<Session, MailError> {
        loop {
            let kept = self.idle.lock().pop();
            match kept {
                None => return Session::open(&self.server).await,
                Some((mut session, since)) => {
                    if since.elapsed() < IDLE && session.answers().await {
                        return Ok(session);
                    }
                }
            }
        }
    }
}
