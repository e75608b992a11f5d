//! Unsubscribing by the link of a mail (RFC 8058), without signing in.

use sha2::{Digest, Sha256};
use stoa_audit::{Entry, TxExt as _};
use stoa_kernel::{UserId, random};
use stoa_mail::{Header, Headers};

use super::preferences;
use crate::{
    ctx::Ctx,
    error::Error,
    store::{
        links::{self, LinkRow},
        people,
    },
};

/// Longest token, in bytes.
const TOKEN_MAX: usize = 64;

/// A link that switches mails of a category off, or of all where it is empty. It is kept before the mail goes out, so that whichever
/// attempt's mail arrives, its link works.
pub(crate) async fn link(ctx: &Ctx, user: UserId, category: &str) -> Result<String, Error> {
    let token = random::token::<24>();
    let mut tx = ctx.db.begin().await?;
    links::insert(&mut tx, &hash(&token), user, category).await?;
    tx.commit().await?;
    Ok(format!(
        "{}/notifications/unsubscribe?token={token}",
        ctx.public_url
    ))
}

/// The headers by which mail programs offer to unsubscribe, by one click (RFC 8058); none for a mail without such a link.
pub(crate) fn headers(link: &str) -> Headers {
    if link.is_empty() {
        return Headers::new();
    }
    Headers::from([
        (Header::ListUnsubscribe, format!("<{link}>")),
        (
            Header::ListUnsubscribePost,
            "List-Unsubscribe=One-Click".to_owned(),
        ),
    ])
}

/// What a link is for.
pub(crate) async fn find(ctx: &Ctx, token: &str) -> Result<LinkRow, Error> {
    if token.len() > TOKEN_MAX {
        return Err(Error::NotFound);
    }
    links::find(&ctx.db, &hash(token)).await?.ok_or(Error::NotFound)
}

/// Switches off what the link is for. Once more does the same.
pub(crate) async fn unsubscribe(ctx: &Ctx, token: &str) -> Result<LinkRow, Error> {
    let link = find(ctx, token).await?;
    let mut tx = ctx.db.begin().await?;
    if people::lock(&mut tx, link.user_id).await?.is_none() {
        return Err(Error::NotFound);
    }
    preferences::no_mails(&mut tx, &ctx.types, link.user_id, &link.category).await?;
    let entry = Entry::new(
        None,
        "notification_preferences.unsubscribe",
        "account",
        Some(link.user_id.uuid()),
    );
    tx.audit(&entry.detail(serde_json::json!({ "category": link.category })))
        .await?;
    tx.commit().await?;
    Ok(link)
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}
