//! What follows from `user.erased`, once the person is noted as erased.

use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::UserId;

use crate::{
    ctx::Ctx,
    error::Error,
    jobs::EraseMails,
    store::{deliveries, digests, followers, inbox, links, notifications, preferences, sends},
};

/// Rows that one transaction deletes at most.
const BATCH: u32 = 100;

/// Deletes some of what is kept of the person; true if there may be more. Mails in the folder go by a job of their own.
pub(crate) async fn batch(ctx: &Ctx, tx: &mut Tx, user: UserId) -> Result<bool, Error> {
    let theirs = deliveries::of_user(tx, user, BATCH).await?;
    if ctx.mailer.is_folder() {
        for hash in sends::address_hashes(tx, &theirs).await? {
            mails(tx, &hash).await?;
        }
    }
    deliveries::delete(tx, &theirs).await?;
    let alone = notifications::delete_to(tx, user, BATCH).await?;
    let items = inbox::delete_oldest(tx, user, i64::from(BATCH)).await?;
    preferences::delete_all(tx, user).await?;
    let most = [
        theirs.len() as u64,
        alone,
        items.len() as u64,
        digests::delete_of(tx, user, BATCH).await?,
        followers::delete_of(tx, user, BATCH).await?,
        links::delete_of(tx, user, BATCH).await?,
    ];
    Ok(most.contains(&u64::from(BATCH)))
}

/// Has the mails to an address go from the folder.
pub(crate) async fn mails(tx: &mut Tx, address_hash: &[u8]) -> Result<(), Error> {
    let address_hash = hex::encode(address_hash);
    Ok(tx.enqueue(&EraseMails { address_hash }).await.map(drop)?)
}
