//! Finding dead letters, however many there are.

use stoa_db::{Db, Error, ToValue};
use stoa_kernel::Timestamp;

use crate::{DeadLetter, EventId};

const COLUMNS: &str = "id, queue, key, attempts, last_error, finished_at";

/// Where a page of dead letters ended.
#[derive(Clone, Debug)]
pub struct DeadPosition {
    finished_at: Timestamp,
    id: EventId,
    queue: String,
}

impl DeadPosition {
    /// Behind this letter.
    #[must_use]
    pub fn behind(letter: &DeadLetter) -> Option<Self> {
        Some(Self {
            finished_at: letter.finished_at?,
            id: letter.id,
            queue: letter.queue.clone(),
        })
    }
}

/// The dead letters with this id: one for each queue that gave it up.
///
/// # Errors
/// What the database says.
pub async fn dead_letters_of(db: &Db, id: EventId) -> Result<Vec<DeadLetter>, Error> {
    let jobs = db.engine().by_index("jobs", "jobs_dead");
    let sql = format!("SELECT {COLUMNS} FROM {jobs} WHERE state = 'dead' AND id = $1 ORDER BY queue");
    db.fetch_all(&sql, &[&id]).await
}

/// A page of dead letters that were given up no later than `until`, oldest first, from behind `after` on; of one queue, or of all.
///
/// # Errors
/// What the database says.
pub async fn dead_letters_after(
    db: &Db,
    queue: Option<&str>,
    after: Option<&DeadPosition>,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<DeadLetter>, Error> {
    let jobs = db.engine().by_index("jobs", "jobs_dead");
    let mut params: Vec<&dyn ToValue> = vec![&until, &queue, &limit];
    let mut behind = "";
    if let Some(after) = after {
        behind = "AND finished_at >= $4 AND (finished_at, id, queue) > ($4, $5, $6)";
        params.extend([&after.finished_at as &dyn ToValue, &after.id, &after.queue]);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM {jobs} WHERE state = 'dead' AND finished_at <= $1 \
         AND (CAST($2 AS TEXT) IS NULL OR queue = $2) {behind} ORDER BY finished_at, id, queue LIMIT $3"
    );
    db.fetch_all(&sql, &params).await
}
