//! Closes connections that are no longer allowed, within a second: a session that has ended, a membership, an API key, a disabled
//! account. What was revoked is known to the verifier, so no connection asks a database.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use stoa_kernel::{Principal, random};

use super::{Close, Connection};
use crate::{ctx::Ctx, ops::subscribe, session::Credential};

/// How often the verifier is asked whether something was revoked.
const TICK: Duration = Duration::from_millis(200);
/// How often everybody is looked at all the same: tokens expire, and API keys end.
const FULL: Duration = Duration::from_millis(500);
/// API keys that are asked for at once.
const KEYS_AT_ONCE: usize = 16;

/// Looks for as long as somebody is connected.
pub(crate) async fn run(ctx: Ctx) {
    let (mut revision, mut looked, mut grants) = (0, Instant::now(), Instant::now());
    loop {
        ctx.hub.connections().occupied().await;
        tokio::time::sleep(TICK).await;
        let now = ctx.verifier.revision();
        let due = looked.elapsed() >= FULL;
        if now == revision && !due {
            continue;
        }
        revision = now;
        look_at_tokens(&ctx);
        if due {
            looked = Instant::now();
            look_at_keys(&ctx).await;
        }
        if grants.elapsed() >= ctx.config.grants_recheck.0 {
            grants = Instant::now();
            subscribe::check_grants(&ctx).await;
        }
    }
}

fn look_at_tokens(ctx: &Ctx) {
    let mut ended = Vec::new();
    ctx.hub.connections().each(|connection| {
        let found = connection.with_credential(|credential| match credential {
            Credential::Token(token) => ctx.verifier.still_good(token).err(),
            Credential::Key { .. } => None,
        });
        if let Some(Some(refused)) = found {
            ended.push((Arc::clone(connection), refused.code()));
        }
    });
    // When a role changes that everybody has, not all come back at once.
    let spread = if ended.len() < 10 {
        Duration::ZERO
    } else {
        ctx.config.reconnect_spread.0
    };
    for (connection, code) in ended {
        let after = spread.mul_f64(random::fraction()).as_millis();
        connection
            .outbox
            .cut_off(Close::token(code, u64::try_from(after).unwrap_or(0)));
    }
}

/// Asks once for each key, however many connections it has. Where nobody can be asked, what was known holds.
async fn look_at_keys(ctx: &Ctx) {
    let mut by_key: HashMap<Arc<str>, Vec<Arc<Connection>>> = HashMap::new();
    ctx.hub.connections().each(|connection| {
        let key = connection.with_credential(|credential| match credential {
            Credential::Key { key, .. } => Some(Arc::clone(key)),
            Credential::Token(_) => None,
        });
        if let Some(Some(key)) = key {
            by_key.entry(key).or_default().push(Arc::clone(connection));
        }
    });
    stream::iter(by_key)
        .for_each_concurrent(KEYS_AT_ONCE, |(key, connections)| async move {
            match ctx.keys.authenticate(&key).await {
                Ok(Some(principal)) => take_over(ctx, &key, &principal, &connections).await,
                Ok(None) => {
                    for connection in connections {
                        let close = Close::token(stoa_http::codes::UNAUTHENTICATED, 0);
                        connection.outbox.cut_off(close);
                    }
                }
                Err(_) => {}
            }
        })
        .await;
}

/// What the key may do may have changed.
async fn take_over(ctx: &Ctx, key: &Arc<str>, principal: &Arc<Principal>, connections: &[Arc<Connection>]) {
    for connection in connections {
        if connection
            .principal()
            .is_some_and(|known| is_same(&known, principal))
        {
            continue;
        }
        connection.set_credential(Credential::Key {
            key: Arc::clone(key),
            principal: Arc::clone(principal),
        });
        subscribe::check(ctx, connection).await;
    }
}

fn is_same(known: &Principal, now: &Principal) -> bool {
    known.permissions == now.permissions
        && known.scopes == now.scopes
        && known.memberships == now.memberships
        && known.organization_id == now.organization_id
}
