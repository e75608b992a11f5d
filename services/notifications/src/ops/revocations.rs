//! What follows from `credentials.revoked`: what was made with a stolen session does not outlive the reset of the password.

use std::time::Duration;

use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_kernel::{Timestamp, UserId};

use super::{phones, push};
use crate::{ctx::Ctx, error::Error, store::people};

/// So long a session that has ended may be believed in, and clocks may be apart.
const LEEWAY: Duration = Duration::from_secs(2);
/// How long a number is kept under suspicion. One that was verified before has been known to the person by mail for as long, and is where
/// a warning of the reset itself goes to.
const SUSPECT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Ends the browsers and phones that were registered until then, a number that is new, and one that waits for its code.
pub(crate) async fn revoke(ctx: &Ctx, tx: &mut Tx, user: UserId, at: Timestamp) -> Result<(), Error> {
    let until = at.checked_add(LEEWAY).unwrap_or(Timestamp::MAX);
    let since = at.checked_sub(SUSPECT).unwrap_or(Timestamp::MIN);
    if people::lock(tx, user).await?.is_none() {
        return Ok(());
    }
    people::revoke(tx, user, until).await?;
    // What an ended session registers from now on is deleted with the session.
    let ended = push::end_all(tx, user, at).await?;
    if ended > 0 {
        tx.audit(&entry(user, "push_subscription.delete", ended)).await?;
    }
    if phones::revoke(ctx, tx, user, (since, until)).await? {
        tx.audit(&entry(user, "phone.delete", 1)).await?;
    }
    tx.shred();
    Ok(())
}

/// Nobody did it: it follows.
fn entry(user: UserId, action: &'static str, count: u64) -> Entry<'static> {
    Entry::new(None, action, "account", Some(user.uuid()))
        .detail(json!({ "reason": "credentials_revoked", "count": count }))
}
