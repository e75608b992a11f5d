//! What a client says and is answered, whatever it is connected by.

mod commands;
mod credential;
mod protocol;
mod publishing;

use std::sync::Arc;

use serde::Serialize;
use stoa_cache::{LimitKey, Limiter};
use stoa_events::Channel;
use stoa_http::{Failure, codes};
use stoa_kernel::Principal;

use self::{commands::Receipt, protocol::Wish, publishing::Pending};
pub(crate) use self::{
    commands::check_event,
    credential::Credential,
    protocol::{Command, Disconnect},
};
use crate::{
    ctx::Ctx,
    hub::{Close, Connection, Frame, Open, problem_of},
    ops::publish::{self, By, Publishing},
};

/// One client.
pub(crate) struct Session {
    ctx: Ctx,
    open: Open,
    /// What its commands are counted by.
    key: LimitKey,
    publishing: Pending,
}

impl Session {
    pub(crate) fn new(ctx: Ctx, open: Open) -> Self {
        let key = LimitKey::User(open.connection().id.into_bytes());
        Self {
            ctx,
            open,
            key,
            publishing: Pending::default(),
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        self.open.connection()
    }

    /// Whether the client has said who it is.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection().with_credential(|_| ()).is_some()
    }

    /// Whether the client may send another command: only so much is published at once, and it reads most of the answers first.
    pub(crate) fn has_room(&self) -> bool {
        self.publishing.has_room() && !self.connection().outbox.is_busy()
    }

    /// Waits for a message to be published, and answers its command. Nothing is lost when this is dropped while it waits.
    pub(crate) async fn answer_published(&mut self) {
        let (id, result) = self.publishing.next().await;
        match result {
            Ok(published) => self.answer(id, &Receipt::of(&published)),
            Err(error) => self.refuse(id, error.into()),
        }
    }

    /// Does what a client says, and puts the answer into its outbox. `publish` is answered by [`Self::answer_published`].
    pub(crate) async fn handle(&mut self, text: &str) {
        // What cannot be read counts as well.
        if let Err(failure) = self.count().await {
            return self.refuse(protocol::id_of(text), failure);
        }
        let command = match Command::read(text) {
            Ok(command) => command,
            Err((id, failure)) => return self.refuse(id, failure),
        };
        // What a client does next, it does behind what it has published.
        while !matches!(command.wish, Wish::Publish(_)) && !self.publishing.is_empty() {
            self.answer_published().await;
        }
        if let Err(failure) = self.run(command.id, command.wish, text.len()).await {
            self.refuse(command.id, failure);
        }
    }

    /// The client has these credentials.
    ///
    /// # Errors
    /// Where the user has as many connections as one may have.
    pub(crate) fn sign_in(&mut self, credential: Credential) -> Result<(), Failure> {
        if !self.open.count(credential.principal().user_id) {
            return Err(Failure::new(crate::error::TOO_MANY_CONNECTIONS));
        }
        self.connection().set_credential(credential);
        Ok(())
    }

    async fn count(&self) -> Result<(), Failure> {
        within(&self.ctx.commands, self.key).await
    }

    fn principal(&self) -> Result<Arc<Principal>, Failure> {
        let principal = self.connection().principal();
        principal.ok_or_else(|| {
            Failure::new(codes::UNAUTHENTICATED)
                .detail("The first command is `connect`, with a token or a ticket.")
        })
    }

    fn answer(&self, id: Option<u64>, result: &impl Serialize) {
        self.connection()
            .outbox
            .push([Frame::of(&protocol::Answer { id, result })]);
    }

    fn refuse(&self, id: Option<u64>, failure: Failure) {
        let problem = &problem_of(failure);
        self.connection()
            .outbox
            .push([Frame::of(&protocol::Refused { id, problem })]);
    }
}

/// Counts one against a limit.
pub(crate) async fn within(limiter: &Limiter, key: LimitKey) -> Result<(), Failure> {
    match limiter.check(key).await {
        Some(verdict) if !verdict.allowed => {
            // Rounded up, as clients go by it.
            let wait = (verdict.retry_after.as_secs_f64() * 10.0).ceil() / 10.0;
            Err(Failure::new(codes::RATE_LIMITED)
                .retry_after(verdict.retry_after)
                .detail(format!("Try again in {:.1} seconds.", wait.max(0.1))))
        }
        _ => Ok(()),
    }
}

/// Publishes what a client sends, within what its user may.
///
/// # Errors
/// 429; as [`publish::publish`].
pub(crate) async fn publish(
    ctx: &Ctx,
    principal: &Principal,
    channel: &Channel,
    message: (String, &str),
    by: By,
) -> Result<Publishing, Failure> {
    let key = LimitKey::User(principal.user_id.uuid().into_bytes());
    within(&ctx.publishes, key).await?;
    Ok(publish::publish(ctx, principal, channel, message, by).await?)
}

/// Closes a connection to which a token was refused.
pub(crate) fn closes(failure: &Failure) -> Option<Close> {
    let code = &*failure.problem.code;
    let known = [
        codes::UNAUTHENTICATED,
        codes::TOKEN_EXPIRED,
        codes::TOKEN_REVOKED,
        codes::TOKEN_STALE,
    ];
    if code == crate::error::TOO_MANY_CONNECTIONS.code {
        return Some(Close::too_many_connections());
    }
    if code == crate::error::TICKET_INVALID.code {
        return Some(Close::token(codes::UNAUTHENTICATED, 0));
    }
    let found = known.into_iter().find(|known| known.code == code);
    found.map(|code| Close::token(code, 0))
}
