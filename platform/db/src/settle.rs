//! What was seen of others before it was on the disk.
//!
//! On SQLite a transaction sees what those before it in the same group have done, and the group is committed later. Whoever commits
//! waits for that. Who only looks and then drops the transaction must not tell what was seen before it is durable, either: a
//! second logout that finds nothing left to do is as good as the first. So whatever answers to the outside does its work within
//! [`settled`].

use parking_lot::Mutex;

use crate::{Error, sqlite::Outcome};

tokio::task_local! {
    static SEEN: Mutex<Vec<Outcome>>;
}

/// Runs `work`, and returns once all that its transactions saw is on the disk.
///
/// # Errors
/// When something was seen that was not kept in the end: then what `work` made of it must not be told.
pub async fn settled<F: Future>(work: F) -> Result<F::Output, Error> {
    let scope = SEEN.scope(Mutex::default(), async {
        let output = work.await;
        (output, SEEN.with(|seen| std::mem::take(&mut *seen.lock())))
    });
    let (output, seen) = scope.await;
    for outcome in seen {
        wait(outcome).await?;
    }
    Ok(output)
}

/// To be waited for by whoever answers.
pub(crate) fn note(outcome: Outcome) {
    let _ = SEEN.try_with(|seen| seen.lock().push(outcome));
}

pub(crate) async fn wait(outcome: Outcome) -> Result<(), Error> {
    outcome
        .await
        .unwrap_or_else(|_| Err(Error::Engine("the writer ended before the commit".to_owned())))
}
