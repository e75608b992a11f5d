//! Ids that go on where they were, also when the clock was set back while the process was away.

use stoa_db::{Db, Error, Tx};
use uuid::Uuid;

use crate::{EventId, JobHandler};

/// The row of `positions` that keeps the newest event that was handed on.
const HANDED_ON: &str = "outbox";

/// Has new ids sort behind all that this service has told and enqueued: events and jobs of a key run in the order of their ids.
pub(crate) async fn go_on(db: &Db, jobs: &[JobHandler]) -> Result<(), Error> {
    let newest: Option<Uuid> = db
        .fetch_optional("SELECT id FROM outbox ORDER BY id DESC LIMIT 1", &[])
        .await?;
    let handed_on: Option<i64> = db
        .fetch_optional("SELECT position FROM positions WHERE stream = $1", &[&HANDED_ON])
        .await?;
    db.ids_after(handed_on.unwrap_or(0));
    let mut all = Vec::from_iter(newest);
    for job in jobs {
        let sql = "SELECT id FROM jobs WHERE queue = $1 ORDER BY id DESC LIMIT 1";
        all.extend(db.fetch_optional::<Uuid>(sql, &[&job.handler.queue]).await?);
    }
    all.into_iter()
        .for_each(|id| db.ids_after(EventId::from_uuid(id).microsecond()));
    Ok(())
}

/// Keeps, in the transaction that deletes them, that events were told up to these.
pub(crate) async fn note(tx: &mut Tx, ids: &[EventId]) -> Result<(), Error> {
    let Some(newest) = ids.iter().max() else {
        return Ok(());
    };
    let sql = "INSERT INTO positions (stream, position) VALUES ($1, $2) \
        ON CONFLICT (stream) DO UPDATE SET position = excluded.position WHERE positions.position < excluded.position";
    tx.execute(sql, &[&HANDED_ON, &newest.microsecond()])
        .await
        .map(drop)
}
