//! New tokens for a refresh token.

use stoa_kernel::codes;
use subtle::ConstantTimeEq;

use crate::{
    ctx::Ctx,
    error::{REFRESH_INVALID, REFRESH_REUSED, Result},
    ops::{
        origin::Origin,
        sessions::{Opening, SignedIn, end_family},
    },
    store::{
        accounts,
        refresh_tokens::{self, RefreshToken, Taken},
    },
    tokens::hash_of,
};

/// What a client presents.
pub(crate) enum Presented {
    /// A token in the body.
    Bearer(String),
    /// A token in a cookie, and the CSRF token from the header.
    Cookie(String, Option<String>),
}

/// Takes a refresh token and gives the next. A token that comes again ends its session: either its thief or its owner comes
/// second, and nobody can tell which. But tabs of a browser may well come at once, or an answer may be lost: so a token that was
/// used within `refresh_leeway` never ends its session. It is answered again a few times, as long as what it was answered with
/// has not been used.
pub(crate) async fn refresh(ctx: &Ctx, presented: Presented, origin: &Origin) -> Result<SignedIn> {
    let (text, csrf) = match &presented {
        Presented::Bearer(text) => (text, None),
        Presented::Cookie(text, csrf) => (text, csrf.clone()),
    };
    let hash = hash_of(text);
    let token = find(ctx, &hash, &presented).await?;
    if token.used_at.is_some() && token.live_session.is_none() {
        return reused(ctx, &token, origin).await;
    }
    if token.live_session.is_none() || token.expires_at <= ctx.clock.now() {
        return Err(REFRESH_INVALID.into());
    }
    let account = accounts::by_id(&ctx.db, token.user_id)
        .await?
        .ok_or(REFRESH_INVALID)?;

    let opening = Opening::again(ctx, token.session_id, csrf);
    let mut tx = ctx.db.begin().await?;
    if !opening.touch(&mut tx, token.user_id, origin).await? {
        tx.rollback().await;
        // It has ended meanwhile, perhaps because others came with this very token.
        return match refresh_tokens::find(&ctx.db, &hash).await? {
            Some(token) if token.used_at.is_some() => reused(ctx, &token, origin).await,
            _ => Err(REFRESH_INVALID.into()),
        };
    }
    let leeway = ctx.config.refresh_leeway.0;
    let taken = refresh_tokens::take(&mut tx, &hash, leeway).await?;
    if taken != Taken::Good {
        tx.rollback().await;
        return match taken {
            Taken::Reused => reused(ctx, &token, origin).await,
            _ => Err(REFRESH_INVALID.into()),
        };
    }
    // Whoever has this token has had the answer to the one before.
    let is_new = ctx.clock.now().duration_since(token.created_at).unsigned_abs() <= leeway;
    if let Some(parent) = token.parent.as_deref().filter(|_| is_new) {
        refresh_tokens::close(&mut tx, parent).await?;
    }
    opening.go_on(&mut tx, token.user_id, &hash).await?;
    tx.commit().await?;
    opening.finish(ctx, account).await
}

/// The token, if it comes in the way that its session is kept.
pub(crate) async fn find(ctx: &Ctx, hash: &[u8; 32], presented: &Presented) -> Result<RefreshToken> {
    let token = refresh_tokens::find(&ctx.db, hash)
        .await?
        .ok_or(REFRESH_INVALID)?;
    if token.live_session.is_none() {
        return Ok(token);
    }
    match (presented, &token.csrf_hash) {
        (Presented::Bearer(_), None) => Ok(token),
        (Presented::Cookie(_, csrf), Some(kept)) => {
            let same = csrf
                .as_deref()
                .is_some_and(|csrf| hash_of(csrf).as_slice().ct_eq(kept).into());
            if same { Ok(token) } else { Err(codes::CSRF.into()) }
        }
        _ => Err(REFRESH_INVALID.into()),
    }
}

async fn reused<T>(ctx: &Ctx, token: &RefreshToken, origin: &Origin) -> Result<T> {
    end_family(ctx, token.user_id, token.session_id, origin).await?;
    Err(REFRESH_REUSED.into())
}
