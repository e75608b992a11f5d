//! What tells the owner of an account what happened to it.

use serde_json::json;
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::UserId;
use stoa_notifications_api::NotificationRequested;

use crate::{ctx::Ctx, error::Result, notifications::MailKind, store::accounts::Account};

/// Tells the owner of one account.
pub(crate) struct Notices {
    user: UserId,
    /// False once they were told often enough within the hour: whoever holds the account cannot flood its mailbox.
    allowed: bool,
}

impl Notices {
    /// For what is about to happen to `account`. Ask before the transaction begins.
    pub(crate) async fn to(ctx: &Ctx, account: &Account) -> Self {
        Self {
            user: account.id,
            allowed: ctx.lockout.notice(&account.email_key).await,
        }
    }

    /// For what the command line does, which nobody else can repeat.
    pub(crate) fn always(user: UserId) -> Self {
        Self { user, allowed: true }
    }

    /// Has them told after the commit.
    pub(crate) async fn tell(&self, tx: &mut Tx, kind: MailKind) -> Result<()> {
        if self.allowed {
            tx.emit(&NotificationRequested::to(kind.name(), self.user, json!({})))
                .await?;
        }
        Ok(())
    }
}
