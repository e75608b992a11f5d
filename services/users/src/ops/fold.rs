//! Names that were written before they were folded to be searched in.

use stoa_db::Db;
use stoa_events::TxExt as _;

use crate::{ctx::Ctx, error::Error, jobs::FoldNames, store::profiles};

/// Rows in one transaction.
const BATCH: u32 = 500;
/// Transactions in one job.
const BATCHES: u32 = 100;

/// Leaves a job if there are such names.
pub(crate) async fn start(ctx: Ctx) -> Result<(), String> {
    enqueue(&ctx.db).await.map_err(|error| error.to_string())
}

async fn enqueue(db: &Db) -> Result<(), stoa_db::Error> {
    if !profiles::any_unfolded(db).await? {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    tx.enqueue(&FoldNames {}).await?;
    tx.commit().await
}

/// Folds them, batch after batch. False if there is more to do.
pub(crate) async fn fold(ctx: &Ctx) -> Result<bool, Error> {
    for _ in 0..BATCHES {
        let mut tx = ctx.db.begin().await?;
        let found = profiles::fold(&mut tx, BATCH).await?;
        tx.commit().await?;
        if found < BATCH as usize {
            return Ok(true);
        }
    }
    Ok(false)
}
