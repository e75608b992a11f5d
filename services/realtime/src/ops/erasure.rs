//! What follows from `user.erased` and `organization.purged`.

use stoa_db::Tx;
use stoa_events::{Channel, TxExt as _};
use stoa_kernel::{Owner, Timestamp, UserId};

use crate::{error::Error, jobs::EraseChannel, store};

/// Messages that one transaction erases.
const BATCH: u32 = 500;

/// Closes the channel of a person or an organization for good. Its history goes by a job, for it may be long.
pub(crate) async fn erase(tx: &mut Tx, owner: Owner, now: Timestamp) -> Result<(), Error> {
    store::channels::close(tx, &Channel::of(owner), now).await?;
    if let Owner::User(user) = owner {
        store::tickets::delete_of(tx, user).await?;
        store::presence::delete_of(tx, user).await?;
    }
    tx.enqueue(&EraseChannel { owner }).await?;
    Ok(())
}

/// Erases some of what is left; true if there may be more.
pub(crate) async fn erase_some(tx: &mut Tx, owner: Owner) -> Result<bool, Error> {
    tx.shred();
    let mut more = store::messages::delete_some(tx, &Channel::of(owner), BATCH).await? == u64::from(BATCH);
    if let Owner::User(user) = owner {
        more |= blank(tx, user).await?;
    }
    Ok(more)
}

async fn blank(tx: &mut Tx, user: UserId) -> Result<bool, Error> {
    Ok(store::messages::blank(tx, user, BATCH).await? == u64::from(BATCH))
}
