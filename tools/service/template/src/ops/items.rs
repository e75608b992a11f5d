//! Making an item, while its owner has room for it.

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
    let entry = Entry::by(actor, "item.create", "item", Some(row.id.uuid()));
    tx.audit(&entry.owner(owner)).await?;
    tx.emit(&ItemCreated {
        owner,
        item_id: row.id,
    })
    .await?;
    tx.commit().await?;
    Ok(row)
}
