//! What follows from `user.erased`.

use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Timestamp, UserId};

use crate::{
    error::Error,
    events::ProfileErased,
    jobs::ForgetObjects,
    store::{self, profiles::ProfileRow},
};

/// Erases what is held on the person, and notes that they are never to come back. Once more does nothing.
///
/// The order matters: the profile goes first, for whoever adds to the person's data takes the profile's row before.
pub(crate) async fn erase(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<(), Error> {
    // See `store::erased` for why a row is made that is deleted right after.
    let row = ProfileRow::new(tx.new_id(), user, now);
    store::profiles::insert(tx, &row).await?;
    if !store::erased::insert(tx, user, now).await? {
        store::profiles::delete(tx, user).await?;
        return Ok(());
    }
    store::profiles::delete(tx, user).await?;
    store::preferences::delete_all(tx, user).await?;
    store::activity::delete_all(tx, user).await?;
    tx.shred();
    tx.enqueue(&ForgetObjects { user_id: user }).await?;
    tx.emit(&ProfileErased { user_id: user }).await?;
    tx.audit(&Entry::new(None, "profile.erase", "profile", Some(user.uuid())))
        .await?;
    Ok(())
}
