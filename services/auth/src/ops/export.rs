//! Everything that auth holds on a person, a page at a time: however much it is, little of it is in memory at once.

use std::collections::VecDeque;

use stoa_audit::{EntryTag, Filter, Record};
use stoa_kernel::{Id, PageRequest, SessionId, Timestamp, UserId, codes};

use crate::{
    ctx::Ctx,
    error::Result,
    store::{
        accounts::{self, Account},
        api_keys::{self, ApiKey, ApiKeyId},
        grants::{self, GrantId, GrantRow},
        invitations::{self, Invitation},
        known_networks, mail_tokens,
        members::{self, Standing},
        registered_names::{self, RegisteredNames},
        roles,
        sessions::{self, Session},
        totp,
    },
};

/// Invitations of each kind.
const INVITATIONS: u32 = 1000;
/// Rows of one page.
const PAGE: u32 = 500;

/// What is held once.
pub(crate) struct Held {
    pub(crate) account: Account,
    pub(crate) roles: Vec<String>,
    /// Those that they registered with, while they are kept here.
    pub(crate) names: Option<RegisteredNames>,
    /// Since when a second factor is asked for.
    pub(crate) totp_since: Option<Timestamp>,
    pub(crate) recovery_codes_left: i64,
    /// When each network was last signed in from; the networks themselves are kept as hashes alone.
    pub(crate) known_networks: Vec<Timestamp>,
    /// Links in mails that still work: what for, and until when.
    pub(crate) mail_links: Vec<(String, Timestamp)>,
    /// Bounded by `auth.organizations.joined_max`.
    pub(crate) organizations: Vec<Standing>,
    /// Those that they have sent, and those to their address once it is verified; a thousand of each at most.
    pub(crate) invitations: Vec<Invitation>,
}

/// Reads what is held once.
pub(crate) async fn held(ctx: &Ctx, user: UserId) -> Result<Held> {
    let db = &ctx.db;
    let account = accounts::by_id(db, user).await?.ok_or(codes::UNAUTHENTICATED)?;
    let factor = totp::find(db, user).await?;
    let joined = PageRequest {
        cursor: None,
        limit: ctx.config.organizations.joined_max,
    };
    let mut invitations = invitations::sent_by(db, user, INVITATIONS).await?;
    if account.email_verified_at.is_some() {
        let request = PageRequest {
            cursor: None,
            limit: INVITATIONS,
        };
        let to_them = invitations::list_to(db, &account.email_key, &request).await?;
        invitations.extend(to_them.items);
    }
    Ok(Held {
        account,
        roles: roles::access_of(db, user).await?.roles,
        names: registered_names::find(db, user).await?,
        totp_since: factor.and_then(|factor| factor.confirmed_at),
        recovery_codes_left: totp::recovery_codes_left(db, user).await?,
        known_networks: known_networks::used_at(db, user).await?,
        mail_links: mail_tokens::list(db, user).await?,
        organizations: members::joined(db, user, &joined).await?.items,
        invitations,
    })
}

/// A page of one of the lists. One kind follows the other, each with one page at least.
pub(crate) enum Page {
    Sessions(Vec<Session>),
    ApiKeys(Vec<ApiKey>),
    Grants(Vec<GrantRow>),
    /// What they did, and what was done to their account; newest first.
    Audit(Vec<Record>),
}

/// The lists, to be read page after page.
pub(crate) struct Pages {
    ctx: Ctx,
    user: UserId,
    next: Next,
}

/// The next page: of which list, and after what.
enum Next {
    Sessions(Option<SessionId>),
    ApiKeys(Option<ApiKeyId>),
    Grants(Option<GrantId>),
    Audit(Box<[Entries; 2]>),
    Nothing,
}

impl Pages {
    pub(crate) fn new(ctx: Ctx, user: UserId) -> Self {
        Self {
            ctx,
            user,
            next: Next::Sessions(None),
        }
    }

    /// The next page; none after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>> {
        let (db, user) = (&self.ctx.db, self.user);
        let page = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Sessions(after) => {
                let rows = sessions::of(db, user, after, PAGE).await?;
                let end = end(&rows, |row| row.id);
                self.next = end.map_or(Next::ApiKeys(None), |last| Next::Sessions(Some(last)));
                Page::Sessions(rows)
            }
            Next::ApiKeys(after) => {
                let rows = api_keys::of(db, user, after, PAGE).await?;
                let end = end(&rows, |row| row.id);
                self.next = end.map_or(Next::Grants(None), |last| Next::ApiKeys(Some(last)));
                Page::ApiKeys(rows)
            }
            Next::Grants(after) => {
                let rows = grants::of(db, user, after, PAGE).await?;
                let audit = || Next::Audit(Box::new(Entries::of(user)));
                self.next = end(&rows, |row| row.id).map_or_else(audit, |last| Next::Grants(Some(last)));
                Page::Grants(rows)
            }
            Next::Audit(mut entries) => {
                let rows = newest(&self.ctx, &mut entries, user).await?;
                if rows.len() == PAGE as usize {
                    self.next = Next::Audit(entries);
                }
                Page::Audit(rows)
            }
            Next::Nothing => return Ok(None),
        };
        Ok(Some(page))
    }
}

/// The last row of a full page, behind which there may be more.
fn end<T, K>(rows: &[T], key: impl Fn(&T) -> K) -> Option<K> {
    rows.last().filter(|_| rows.len() == PAGE as usize).map(key)
}

/// Entries of the audit log that fit a filter, read ahead by a page.
struct Entries {
    filter: Filter,
    waiting: VecDeque<Record>,
    ended: bool,
}

impl Entries {
    /// What the person did, and what was done to their account.
    fn of(user: UserId) -> [Self; 2] {
        let done = Filter {
            actor: Some(user),
            limit: PAGE,
            ..Filter::default()
        };
        let suffered = Filter {
            resource_id: Some(user.uuid()),
            limit: PAGE,
            ..Filter::default()
        };
        [done, suffered].map(|filter| Self {
            filter,
            waiting: VecDeque::new(),
            ended: false,
        })
    }

    /// The id of the next entry, which is read if none waits.
    async fn peek(&mut self, ctx: &Ctx) -> Result<Option<Id<EntryTag>>> {
        if self.waiting.is_empty() && !self.ended {
            self.waiting = stoa_audit::list(&ctx.db, &self.filter).await?.into();
            self.ended = self.waiting.len() < PAGE as usize;
            self.filter.before = self.waiting.back().map(|entry| entry.id);
        }
        Ok(self.waiting.front().map(|entry| entry.id))
    }
}

/// The newest entries of both, each once.
async fn newest(ctx: &Ctx, entries: &mut [Entries; 2], user: UserId) -> Result<Vec<Record>> {
    let mut rows = Vec::new();
    while rows.len() < PAGE as usize {
        let ids = [entries[0].peek(ctx).await?, entries[1].peek(ctx).await?];
        let later = usize::from(ids[1] > ids[0]);
        let Some(entry) = entries[later].waiting.pop_front() else {
            break;
        };
        match (later, entry.actor == Some(user)) {
            (0, _) => rows.push(entry),
            // It is among what they did.
            (_, true) => {}
            // Where others called from is theirs.
            (_, false) => rows.push(Record {
                address: None,
                ..entry
            }),
        }
    }
    Ok(rows)
}
