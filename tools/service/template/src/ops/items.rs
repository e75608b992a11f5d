//! Making items, and deleting old ones.

use stoa_audit::{Entry, TxExt as _};
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, Id, Owner};

use crate::{
    ctx::Ctx,
    error::Error,
    events::ItemCreated,
    store::{
        items::{self, ItemRow},
        owners,
    },
};

/// Rows that one transaction deletes at most.
const BATCH: u32 = 500;

pub(crate) async fn create(ctx: &Ctx, actor: &Actor, owner: Owner, name: String) -> Result<ItemRow, Error> {
    let row = ItemRow {
        id: Id::new(&ctx.clock),
        name,
        created_at: ctx.clock.now(),
    };
    let max = ctx.config.items_max;
    let mut tx = ctx.db.begin().await?;
    if !owners::lock(&mut tx, owner).await? {
        return Err(Error::Erased);
    }
    if items::count(&mut tx, owner, max).await? >= i64::from(max) {
        return Err(Error::Full(max));
    }
    items::insert(&mut tx, owner, &row).await?;
    let entry = Entry::by(actor, "__item__.create", "__item__", Some(row.id.uuid()));
    tx.audit(&entry.owner(owner)).await?;
    tx.emit(&ItemCreated {
        owner,
        item_id: row.id,
    })
    .await?;
    tx.commit().await?;
    Ok(row)
}

/// Deletes what is older than it is kept, a batch in a transaction.
pub(crate) async fn purge(ctx: &Ctx) -> Result<(), Error> {
    let Ok(before) = ctx.clock.now().checked_sub(ctx.config.keep.0) else {
        return Ok(());
    };
    loop {
        let mut tx = ctx.db.begin().await?;
        let deleted = items::delete_before(&mut tx, before, BATCH).await?;
        tx.commit().await?;
        if deleted < u64::from(BATCH) {
            return Ok(());
        }
    }
}
