//! What follows from `user.erased` and `organization.purged`.

use stoa_kernel::Owner;

use super::BATCH;
use crate::{
    ctx::Ctx,
    error::Error,
    store::{items, owners},
};

/// Deletes all that the owner has, a batch in a transaction. Nothing is made for them meanwhile, nor later.
pub(crate) async fn erase(ctx: &Ctx, owner: Owner) -> Result<(), Error> {
    loop {
        let mut tx = ctx.db.begin().await?;
        owners::erase(&mut tx, owner).await?;
        let deleted = items::delete_of(&mut tx, owner, BATCH).await?;
        tx.shred();
        tx.commit().await?;
        if deleted < u64::from(BATCH) {
            return Ok(());
        }
    }
}
