//! Everything that auth holds on a person.

use stoa_audit::{Filter, Record};
use stoa_http::codes;
use stoa_kernel::{Timestamp, UserId};

use crate::{
    ctx::Ctx,
    error::Result,
    store::{
        accounts::{self, Account},
        api_keys::{self, ApiKey},
        grants::{self, GrantRow},
        known_networks, mail_tokens, roles,
        sessions::{self, Session},
        totp,
    },
};

/// More than anybody has.
const ALL: u32 = i32::MAX as u32;
/// Audit entries read at a time.
const BATCH: u32 = 1000;

/// Everything that is held.
pub(crate) struct Held {
    pub(crate) account: Account,
    pub(crate) roles: Vec<String>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) api_keys: Vec<ApiKey>,
    pub(crate) grants: Vec<GrantRow>,
    /// Since when a second factor is asked for.
    pub(crate) totp_since: Option<Timestamp>,
    pub(crate) recovery_codes_left: i64,
    /// When each network was last signed in from; the networks themselves are kept as hashes alone.
    pub(crate) known_networks: Vec<Timestamp>,
    /// Links in mails that still work: what for, and until when.
    pub(crate) mail_links: Vec<(String, Timestamp)>,
    /// What they did, and what was done to their account; newest first.
    pub(crate) audit: Vec<Record>,
}

/// Reads it all.
pub(crate) async fn export(ctx: &Ctx, user: UserId) -> Result<Held> {
    let db = &ctx.db;
    let account = accounts::by_id(db, user).await?.ok_or(codes::UNAUTHENTICATED)?;
    let factor = totp::find(db, user).await?;
    let granted = grants::Filter {
        user_id: Some(user),
        ..grants::Filter::default()
    };
    Ok(Held {
        account,
        roles: roles::access_of(db, user).await?.roles,
        sessions: sessions::list(db, user, None, ALL).await?,
        api_keys: api_keys::list(db, user, None, ALL).await?,
        grants: grants::list(db, &granted, None, ALL).await?,
        totp_since: factor.and_then(|factor| factor.confirmed_at),
        recovery_codes_left: totp::recovery_codes_left(db, user).await?,
        known_networks: known_networks::used_at(db, user).await?,
        mail_links: mail_tokens::list(db, user).await?,
        audit: audit(ctx, user).await?,
    })
}

async fn audit(ctx: &Ctx, user: UserId) -> Result<Vec<Record>> {
    let done = entries(ctx, |filter| filter.actor = Some(user)).await?;
    let suffered = entries(ctx, |filter| filter.resource_id = Some(user.uuid())).await?;
    // Where others called from is theirs.
    let by_others = suffered
        .into_iter()
        .filter(|entry| entry.actor != Some(user))
        .map(|entry| Record {
            address: None,
            ..entry
        });
    let mut all: Vec<Record> = done.into_iter().chain(by_others).collect();
    all.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    Ok(all)
}

async fn entries(ctx: &Ctx, narrow: impl Fn(&mut Filter)) -> Result<Vec<Record>> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let mut filter = Filter {
            before: all.last().map(|entry| entry.id),
            limit: BATCH,
            ..Filter::default()
        };
        narrow(&mut filter);
        let batch = stoa_audit::list(&ctx.db, &filter).await?;
        let last = batch.len() < BATCH as usize;
        all.extend(batch);
        if last {
            return Ok(all);
        }
    }
}
