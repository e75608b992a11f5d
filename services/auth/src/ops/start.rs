//! What is done before the first request.

use crate::{
    ctx::Ctx,
    error::{Error, Result},
    store::revocations,
};

/// Opens the signing keys, and tells the verifier what was taken back before the last stop.
pub(crate) async fn start(ctx: Ctx) -> Result<(), String> {
    rotate_keys(&ctx).await.map_err(|e| e.to_string())?;
    open_secrets(&ctx).await.map_err(|e| e.to_string())?;
    let failed = |e: stoa_db::Error| format!("what was revoked cannot be read: {e}");
    for revoked in revocations::sessions(&ctx.db).await.map_err(failed)? {
        ctx.verifier.revoke_session(revoked.session_id, revoked.until);
    }
    for raised in revocations::versions(&ctx.db).await.map_err(failed)? {
        ctx.verifier
            .raise_version(raised.user_id, raised.version, raised.until);
    }
    Ok(())
}

/// Reads the key that second factors are sealed with, and makes it at the first start.
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

/// Makes the signing key that is due, removes those that are over, and verifies with what there is.
pub(crate) async fn rotate_keys(ctx: &Ctx) -> Result<()> {
    let ring = ctx.clone();
    let keys = tokio::task::spawn_blocking(move || ring.keys.rotate())
        .await
        .map_err(|e| Error::Internal(e.to_string()))??;
    ctx.verifier.set_keys(keys);
    Ok(())
}
