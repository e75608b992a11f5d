//! Mails with details: asked for in a transaction, without any secret; and prepared when notifications is about to send one.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::UserId;
use stoa_notifications_api::{NotificationRequested, Recipients, Reference};

use super::organizations::mails;
use crate::{
    ctx::Ctx,
    error::{Error, Result},
    notifications::MailKind,
    store::{
        accounts::{self, Account},
        mail_tokens::{self, Purpose},
    },
    tokens::{Opaque, asked_key, is_asked},
};

/// What a mail with a link of an account is made of.
#[derive(Debug, Serialize, Deserialize)]
struct Link {
    user_id: UserId,
}

/// A mail that is about to be sent.
#[derive(Debug)]
pub(crate) enum Prepared {
    Mail {
        /// Where it goes, if to a reference.
        address: Option<String>,
        details: Map<String, Value>,
    },
    /// It is not to be sent, for this reason.
    NotNeeded(&'static str),
}

impl Prepared {
    /// To users.
    pub(crate) fn details(details: Value) -> Self {
        Self::to(None, details)
    }

    pub(crate) fn to(address: Option<String>, details: Value) -> Self {
        let details = match details {
            Value::Object(details) => details,
            _ => Map::new(),
        };
        Self::Mail { address, details }
    }
}

/// Asks for a mail with a link for an account, which is made when it is sent.
pub(crate) async fn ask_for_link(ctx: &Ctx, tx: &mut Tx, kind: MailKind, user_id: UserId) -> Result<()> {
    let recipients = Recipients::Users(vec![user_id]);
    ask(ctx, tx, kind, recipients, json!(Link { user_id })).await
}

/// Asks for a mail to what is no user.
pub(crate) async fn ask_for_reference(
    ctx: &Ctx,
    tx: &mut Tx,
    kind: MailKind,
    reference: Reference,
    data: Value,
) -> Result<()> {
    ask(ctx, tx, kind, Recipients::Reference(reference), data).await
}

/// Asks for mails of a type with details.
pub(crate) async fn ask(
    ctx: &Ctx,
    tx: &mut Tx,
    kind: MailKind,
    recipients: Recipients,
    data: Value,
) -> Result<()> {
    let event = NotificationRequested {
        kind: kind.name().to_owned(),
        recipients,
        idempotency_key: asked_key(ctx, kind.name(), &data)?,
        data,
        send_at: None,
    };
    tx.emit(&event).await?;
    Ok(())
}

/// Prepares a mail of a type with details, for one attempt to send it to `user`. Only what auth has asked for is prepared.
pub(crate) async fn prepare(
    ctx: &Ctx,
    kind: &str,
    data: Value,
    key: &str,
    user: Option<UserId>,
) -> Result<Prepared> {
    let Some(kind) = MailKind::of_name(kind).filter(|_| matches!(is_asked(ctx, kind, &data, key), Ok(true)))
    else {
        tracing::warn!(
            kind,
            "a mail that auth has not asked for, or long ago, is not prepared"
        );
        return Ok(Prepared::NotNeeded("auth has not asked for it, or too long ago"));
    };
    match kind {
        MailKind::VerifyEmail | MailKind::ResetPassword => link(ctx, kind, read::<Link>(data)?, user).await,
        MailKind::Invitation => mails::invitation(ctx, read(data)?).await,
        MailKind::Domain => mails::domain(ctx, read(data)?).await,
        MailKind::OwnerAdded
        | MailKind::OwnerRemoved
        | MailKind::OrganizationDeleted
        | MailKind::DomainVerified
        | MailKind::OrganizationKeysEnded => mails::notice(ctx, read(data)?).await,
        _ => Ok(Prepared::details(json!({}))),
    }
}

fn read<T: DeserializeOwned>(data: Value) -> Result<T> {
    serde_json::from_value(data).map_err(|e| Error::Internal(format!("the data of a mail: {e}")))
}

/// Whether a mail of this kind is of use to the account.
pub(crate) fn is_of_use(kind: MailKind, account: &Account) -> bool {
    kind != MailKind::VerifyEmail || account.email_verified_at.is_none()
}

/// Makes a link. It is kept before the mail goes out, so that whichever attempt's mail arrives, its link works.
async fn link(ctx: &Ctx, kind: MailKind, asked: Link, to: Option<UserId>) -> Result<Prepared> {
    let account = accounts::by_id(&ctx.db, asked.user_id).await?;
    let Some(account) = account.filter(|account| to == Some(account.id)) else {
        return Ok(Prepared::NotNeeded("there is no account any more"));
    };
    if !is_of_use(kind, &account) {
        return Ok(Prepared::NotNeeded("the address is verified already"));
    }
    let (purpose, page, works_for) = match kind {
        MailKind::VerifyEmail => (Purpose::Verify, "verify", ctx.config.verify_token_lifetime.0),
        _ => (Purpose::Reset, "reset", ctx.config.reset_token_lifetime.0),
    };
    let token = Opaque::new();
    let expires_at = ctx.clock.after(works_for);
    let mut tx = ctx.db.begin().await?;
    mail_tokens::insert(&mut tx, &token.hash, account.id, purpose, expires_at).await?;
    tx.commit().await?;
    Ok(Prepared::details(json!({
        "link": format!("{}/auth/{page}?token={}", ctx.public_url, token.text),
        "works_for": works_for.as_secs(),
    })))
}
