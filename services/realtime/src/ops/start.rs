//! What runs for as long as the process does.

use stoa_kernel::random;

use crate::{
    ctx::Ctx,
    hub::{self, Close},
};

/// Begins to look after connections and channels.
pub(crate) async fn start(ctx: Ctx) -> Result<(), String> {
    tokio::spawn(hub::catch_up(ctx.clone()));
    tokio::spawn(hub::follow(ctx.clone()));
    tokio::spawn(hub::watch(ctx.clone()));
    tokio::spawn(hub::watch_nodes(ctx.clone()));
    if let Some(leaving) = ctx.leaving() {
        tokio::spawn(hub::say_goodbye(ctx.clone(), leaving));
    }
    tokio::spawn(drain(ctx));
    Ok(())
}

/// Says goodbye once the process is about to stop: each client is told when to come back, so that they do not come all at once.
async fn drain(ctx: Ctx) {
    ctx.draining.cancelled().await;
    let spread = ctx.config.reconnect_spread.0;
    ctx.hub.connections().close_all(|| {
        let after = spread.mul_f64(random::fraction()).as_millis();
        Close::shutdown(u64::try_from(after).unwrap_or(0))
    });
}
