//! Sessions: begun, gone on with, listed, ended.

use stoa_audit::TxExt as _;
use stoa_auth_api::events::SessionRevoked;
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Id, SessionId, Timestamp, UserId, codes};

use crate::{
    ctx::Ctx,
    error::Result,
    ops::{
        commit::commit_then,
        credentials::{ApiKeys, Case},
        notices::Notices,
        origin::Origin,
    },
    store::{
        accounts::{self, Account},
        members, refresh_tokens, revocations, roles,
        roles::AccessOf,
        sessions::{self, Ended, NewSession},
    },
    tokens::{self, AccessToken, Opaque},
};

/// How a session is kept by its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Tokens in the body of answers, for programs.
    #[default]
    Bearer,
    /// Tokens in cookies that no script can read, for browsers.
    Cookie,
}

/// Somebody who is signed in, and their new tokens.
pub(crate) struct SignedIn {
    pub(crate) account: Account,
    pub(crate) access: AccessOf,
    /// None: signing in waits until the address is verified.
    pub(crate) tokens: Option<Tokens>,
}

/// What a client is given.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    /// Of a session that is kept in cookies.
    pub(crate) csrf: Option<String>,
}

/// A session on its way: made before the transaction, written in it, signed for after it.
pub(crate) struct Opening {
    pub(crate) id: SessionId,
    refresh: Opaque,
    csrf: Option<String>,
    csrf_hash: Option<[u8; 32]>,
    now: Timestamp,
    expires_at: Timestamp,
    access_until: Timestamp,
}

impl Opening {
    /// A new session.
    pub(crate) fn new(ctx: &Ctx, mode: Mode) -> Self {
        let csrf = (mode == Mode::Cookie).then(Opaque::new);
        Self {
            csrf_hash: csrf.as_ref().map(|csrf| csrf.hash),
            ..Self::of(ctx, Id::new(&ctx.clock), csrf.map(|csrf| csrf.text))
        }
    }

    /// The same session, gone on with.
    pub(crate) fn again(ctx: &Ctx, id: SessionId, csrf: Option<String>) -> Self {
        Self::of(ctx, id, csrf)
    }

    fn of(ctx: &Ctx, id: SessionId, csrf: Option<String>) -> Self {
        let now = ctx.clock.now();
        let after = |period: std::time::Duration| now.saturating_add(period).unwrap_or(Timestamp::MAX);
        Self {
            id,
            refresh: Opaque::new(),
            csrf,
            csrf_hash: None,
            now,
            expires_at: after(ctx.config.refresh_token_lifetime.0),
            access_until: after(ctx.config.access_token_lifetime.0),
        }
    }

    fn row<'a>(&'a self, user: UserId, origin: &'a Origin) -> NewSession<'a> {
        NewSession {
            id: self.id,
            user,
            now: self.now,
            expires_at: self.expires_at,
            access_until: self.access_until,
            address: &origin.from,
            user_agent: origin.user_agent.as_deref(),
            csrf_hash: self.csrf_hash.as_ref(),
        }
    }

    /// Writes a new session and its first refresh token, and ends those that are too many beside it.
    pub(crate) async fn begin(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        user: UserId,
        origin: &Origin,
    ) -> Result<Ending> {
        sessions::insert(tx, &self.row(user, origin)).await?;
        refresh_tokens::insert(tx, &self.refresh.hash, self.id, user, self.expires_at, None).await?;
        let entry = origin.entry(Some(user), "session.create", "session", Some(self.id.uuid()));
        tx.audit(&entry).await?;
        let ended = sessions::end_oldest(tx, user, self.id, ctx.config.sessions_max).await?;
        note(tx, user, Some(user), ended, origin).await
    }

    /// Notes that the session is used, and holds it, before its refresh tokens are changed; false if it was ended.
    pub(crate) async fn touch(&self, tx: &mut Tx, user: UserId, origin: &Origin) -> Result<bool> {
        Ok(sessions::touch(tx, &self.row(user, origin)).await?)
    }

    /// Writes the next refresh token of a session that is held, given for `before`.
    pub(crate) async fn go_on(&self, tx: &mut Tx, user: UserId, before: &[u8; 32]) -> Result<()> {
        let (hash, until) = (&self.refresh.hash, self.expires_at);
        refresh_tokens::insert(tx, hash, self.id, user, until, Some(before)).await?;
        Ok(refresh_tokens::keep_newest(tx, self.id).await?)
    }

    /// Signs the access token, with the roles as they are after the commit.
    pub(crate) async fn finish(self, ctx: &Ctx, account: Account) -> Result<SignedIn> {
        let access = roles::access_of(&ctx.db, account.id).await?;
        let token = AccessToken {
            user: account.id,
            session: self.id,
            issued: self.now,
            until: self.access_until,
            csrf: self.csrf.as_deref(),
        };
        let memberships = members::listed(&ctx.db, account.id).await?;
        let signed = tokens::sign(ctx, &token, &access, &memberships)?;
        let tokens = Tokens {
            access: signed,
            refresh: self.refresh.text,
            csrf: self.csrf,
        };
        Ok(SignedIn {
            account,
            access,
            tokens: Some(tokens),
        })
    }
}

/// Sessions that were ended in a transaction, for the verifier to hear of after its commit.
#[derive(Default)]
#[must_use = "it commits the transaction"]
pub(crate) struct Ending(Vec<Ended>);

impl Ending {
    /// Commits. From then on this process refuses their access tokens; the others hear of it when they ask next.
    pub(crate) async fn commit(self, ctx: &Ctx, tx: Tx) -> Result<()> {
        self.commit_then(ctx, tx, async {}).await
    }

    /// Commits, and does what else follows from it.
    pub(crate) async fn commit_then(
        self,
        ctx: &Ctx,
        tx: Tx,
        then: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let ctx = ctx.clone();
        let told = async move {
            self.tell(&ctx);
            then.await;
        };
        Ok(commit_then(tx, told).await?)
    }

    /// To be done after the commit.
    pub(crate) fn tell(&self, ctx: &Ctx) {
        for ended in &self.0 {
            ctx.verifier.revoke_session(ended.id, ended.access_until);
        }
    }
}

/// Ends one session of `user`; false if there is none such.
pub(crate) async fn end(ctx: &Ctx, user: UserId, session: SessionId, origin: &Origin) -> Result<bool> {
    let mut tx = ctx.db.begin().await?;
    let Some(ended) = sessions::end(&mut tx, user, session).await? else {
        tx.rollback().await;
        return Ok(false);
    };
    let ending = note(&mut tx, user, Some(user), vec![ended], origin).await?;
    ending.commit(ctx, tx).await?;
    Ok(true)
}

/// Ends one session of the caller, which must be there.
pub(crate) async fn end_own(ctx: &Ctx, user: UserId, session: SessionId, origin: &Origin) -> Result<()> {
    if end(ctx, user, session, origin).await? {
        Ok(())
    } else {
        Err(codes::NOT_FOUND.into())
    }
}

/// Ends every session of `user`, and the API keys if they wish.
pub(crate) async fn end_everywhere(ctx: &Ctx, user: UserId, keys: ApiKeys, origin: &Origin) -> Result<()> {
    let account = accounts::by_id(&ctx.db, user)
        .await?
        .ok_or(codes::UNAUTHENTICATED)?;
    let case = Case {
        user,
        actor: Some(user),
        origin,
        notices: Notices::to(ctx, &account).await,
    };
    let mut tx = ctx.db.begin().await?;
    accounts::hold(&mut tx, user).await?;
    let ended = case.end(&mut tx, None, keys).await?;
    ended.commit(ctx, tx).await
}

/// Ends every session of `user` but `spared`, as part of something larger.
pub(crate) async fn end_all(
    tx: &mut Tx,
    user: UserId,
    spared: Option<SessionId>,
    actor: Option<UserId>,
    origin: &Origin,
) -> Result<Ending> {
    let ended = sessions::end_all(tx, user, spared).await?;
    note(tx, user, actor, ended, origin).await
}

/// Ends the session of a refresh token that was used twice. Nobody knows which of the two users is the owner.
pub(crate) async fn end_family(ctx: &Ctx, user: UserId, session: SessionId, origin: &Origin) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let Some(ended) = sessions::end(&mut tx, user, session).await? else {
        tx.rollback().await;
        return Ok(());
    };
    let reused = origin.entry(None, "session.refresh_reused", "session", Some(session.uuid()));
    tx.audit(&reused).await?;
    let ending = note(&mut tx, user, None, vec![ended], origin).await?;
    ending.commit(ctx, tx).await?;
    tracing::warn!(%user, %session, "a refresh token was used twice; its session was ended");
    Ok(())
}

/// Writes down and tells that sessions were ended.
async fn note(
    tx: &mut Tx,
    user: UserId,
    actor: Option<UserId>,
    ended: Vec<Ended>,
    origin: &Origin,
) -> Result<Ending> {
    for Ended { id, access_until } in &ended {
        revocations::revoke_session(tx, *id, user, *access_until).await?;
        tx.audit(&origin.entry(actor, "session.revoke", "session", Some(id.uuid())))
            .await?;
        tx.emit(&SessionRevoked {
            user_id: user,
            session_id: *id,
            until: *access_until,
        })
        .await?;
    }
    Ok(Ending(ended))
}
