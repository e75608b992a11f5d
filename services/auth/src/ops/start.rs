//! What is done before the first request.

use std::time::Duration;

use stoa_db::Engine;

use crate::{
    ctx::Ctx,
    error::{Error, Result},
    ops::trust,
};

/// How long a key that signs at once waits for other processes to hear of it. They ask about three times a second.
const HEARD: Duration = Duration::from_secs(1);

/// Opens the signing keys, and tells the verifier what was taken back before the last stop.
pub(crate) async fn start(ctx: Ctx) -> Result<(), String> {
    ctx.verifier.set_issuers(&ctx.issuers());
    open_secrets(&ctx).await.map_err(|e| e.to_string())?;
    let unheard = rotate_keys(&ctx).await.map_err(|e| e.to_string())?;
    if unheard && ctx.db.engine() == Engine::Postgres {
        tokio::time::sleep(HEARD).await;
    }
    trust::load(&ctx)
        .await
        .map_err(|e| format!("what was revoked cannot be read: {e}"))
}

/// Reads the key that secrets are sealed with, and makes it at the first start.
async fn open_secrets(ctx: &Ctx) -> Result<()> {
    let shared = ctx.clone();
    let open = move || {
        shared.secrets.load()?;
        shared.lockout.keep_secret(shared.secrets.derive("lockout")?);
        Ok(())
    };
    tokio::task::spawn_blocking(open)
        .await
        .map_err(|e| Error::Internal(e.to_string()))?
}

/// Makes the signing key that is due, removes those that are over, and verifies with what there is. True if a key signs at
/// once that nobody has heard of.
pub(crate) async fn rotate_keys(ctx: &Ctx) -> Result<bool> {
    let unheard = ctx.keys.rotate(&ctx.db, &ctx.secrets).await?;
    ctx.verifier.set_keys(ctx.keys.public());
    Ok(unheard)
}
