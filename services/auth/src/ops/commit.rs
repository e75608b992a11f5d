//! What follows from a commit.

use stoa_db::{Error, Tx};
use tracing::Instrument;

/// Commits, and then does what follows from it. Both are done also when the caller hangs up meanwhile, with whom the rest of the
/// request ends.
pub(crate) async fn commit_then(
    tx: Tx,
    then: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let task = async move {
        tx.commit().await?;
        then.await;
        Ok(())
    };
    let task = tokio::spawn(task.in_current_span());
    // It ended early: nobody knows whether it had committed.
    task.await.unwrap_or(Err(Error::Unknown))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stoa_db::{Db, DbOptions};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_follows_from_a_commit_is_done_also_when_the_caller_has_hung_up() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("auth.db").display());
        let db = Db::open(DbOptions::new(url, "auth")).await.unwrap();
        db.execute("CREATE TABLE done (n BIGINT NOT NULL)", &[])
            .await
            .unwrap();

        let mut tx = db.begin().await.unwrap();
        tx.execute("INSERT INTO done (n) VALUES (1)", &[]).await.unwrap();
        let (tell, told) = oneshot::channel();
        let mut request = Box::pin(commit_then(tx, async move { tell.send(()).unwrap() }));
        assert!(futures::poll!(&mut request).is_pending());
        drop(request);

        tokio::time::timeout(Duration::from_secs(10), told)
            .await
            .unwrap()
            .unwrap();
        let rows: i64 = db.fetch_one("SELECT count(*) FROM done", &[]).await.unwrap();
        assert_eq!(rows, 1);
    }
}
