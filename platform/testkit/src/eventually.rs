//! Waiting for what nobody can be asked to wait for.

use std::time::Duration;

/// How long [`eventually`] waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until this holds, and fails the test if it takes too long.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}
