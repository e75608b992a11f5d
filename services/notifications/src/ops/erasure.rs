//! What follows from `user.erased`, once the person is noted as erased.

use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::UserId;
use stoa_service::Channel;

use crate::{
    ctx::Ctx,
    error::Error,
    jobs::{EraseMails, EraseTexts},
    store::{deliveries, digests, followers, inbox, links, notifications, phones, preferences, push, sends},
};

/// Rows that one transaction deletes at most.
const BATCH: u32 = 100;

/// Deletes some of what is kept of the person; true if there may be more. Mails in the folder go by a job of their own.
pub(crate) async fn batch(ctx: &Ctx, tx: &mut Tx, user: UserId) -> Result<bool, Error> {
    let theirs = deliveries::of_user(tx, user, BATCH).await?;
    if ctx.mailer.is_folder() {
        for hash in sends::address_hashes(tx, Channel::Email, &theirs).await? {
            mails(tx, &hash).await?;
        }
    }
    for hash in sends::address_hashes(tx, Channel::Sms, &theirs).await? {
        texts(ctx, tx, &hash).await?;
    }
    phone(ctx, tx, user).await?;
    deliveries::delete(tx, &theirs).await?;
    let alone = notifications::delete_to(tx, user, BATCH).await?;
    let items = inbox::delete_oldest(tx, user, i64::from(BATCH)).await?;
    preferences::delete_all(tx, user).await?;
    push::delete_of(tx, user).await?;
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

/// Has the messages to a phone number go from the folder, where there is one.
pub(crate) async fn texts(ctx: &Ctx, tx: &mut Tx, number_hash: &[u8]) -> Result<(), Error> {
    if !ctx.sms.is_folder() {
        return Ok(());
    }
    let number_hash = hex::encode(number_hash);
    Ok(tx.enqueue(&EraseTexts { number_hash }).await.map(drop)?)
}

/// Deletes the person's phone number, and the codes that were sent to one.
async fn phone(ctx: &Ctx, tx: &mut Tx, user: UserId) -> Result<(), Error> {
    let (number, code) = (phones::find(tx, user).await?, phones::find_code(tx, user).await?);
    let hashes = [number.map(|row| row.number_hash), code.map(|row| row.number_hash)];
    for hash in hashes.into_iter().flatten() {
        texts(ctx, tx, &hash).await?;
    }
    phones::delete(tx, user).await?;
    phones::delete_code(tx, user).await?;
    Ok(())
}
