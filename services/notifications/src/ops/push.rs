//! Browsers and phones that push messages go to: registered, listed, deleted.

use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_kernel::{Actor, Id, SessionId, Timestamp, UserId, codes};
use stoa_push::{PushAddress, Subscription, VapidKey};

use crate::{
    ctx::Ctx,
    error::Error,
    store::{
        people,
        push::{self, PushId, PushRow, kind},
    },
};

/// What the installation's key is sealed for.
const VAPID: &str = "vapid";
/// How often it is tried to take a subscription over whose owner changes meanwhile.
const TRIES: usize = 3;

/// The key by which push services know this installation: made once, whichever process needs it first.
pub(crate) async fn key(ctx: &Ctx) -> Result<VapidKey, Error> {
    if let Some(key) = ctx.vapid.get() {
        return Ok(key.clone());
    }
    let sealed = match push::vapid_key(&ctx.db).await? {
        Some(sealed) => sealed,
        None => {
            let (kept, _) = VapidKey::generate().ok_or(Error::Internal("no randomness"))?;
            let sealed = ctx.secrets.seal(VAPID, &kept)?;
            let mut tx = ctx.db.begin().await?;
            push::insert_vapid_key(&mut tx, &sealed).await?;
            tx.commit().await?;
            // Another process may have been first.
            let first = push::vapid_key(&ctx.db).await?;
            first.ok_or(Error::Internal("the key of push messages is gone"))?
        }
    };
    let kept = ctx.secrets.open(VAPID, &sealed)?;
    let key = VapidKey::parse(&kept).ok_or(Error::Internal("the key of push messages is none"))?;
    Ok(ctx.vapid.get_or_init(|| key).clone())
}

/// What a subscription is kept by.
fn parts(address: &PushAddress) -> (&'static str, String, String) {
    match address {
        PushAddress::Web(to) => (kind::WEB, to.origin(), to.endpoint().to_owned()),
        PushAddress::Fcm(token) => (kind::FCM, "fcm".to_owned(), token.clone()),
    }
}

fn seal(ctx: &Ctx, row: &PushRow, address: &PushAddress) -> Result<Vec<u8>, Error> {
    let clear = match address {
        PushAddress::Web(to) => serde_json::to_vec(to).map_err(|_| Error::Internal("a subscription"))?,
        PushAddress::Fcm(token) => token.clone().into_bytes(),
    };
    Ok(ctx.secrets.seal(&place(row), &clear)?)
}

/// Where its messages go.
pub(crate) fn open(ctx: &Ctx, row: &PushRow) -> Result<PushAddress, Error> {
    let clear = ctx.secrets.open(&place(row), &row.sealed)?;
    if row.kind == kind::FCM {
        return Ok(PushAddress::Fcm(String::from_utf8_lossy(&clear).into_owned()));
    }
    let to: Subscription =
        serde_json::from_slice(&clear).map_err(|_| Error::Internal("a subscription cannot be read"))?;
    Ok(PushAddress::Web(to))
}

/// What a row's address is sealed for.
fn place(row: &PushRow) -> String {
    format!("push_subscription:{}:{}", row.user_id, row.id)
}

/// Registers a browser or phone for the person whose session this is; true if it is new to them. What was another person's is theirs
/// from now on: who uses the browser now reads what comes there.
pub(crate) async fn register(
    ctx: &Ctx,
    actor: &Actor,
    session: SessionId,
    address: &PushAddress,
) -> Result<(PushRow, bool), Error> {
    let (kind, service, text) = parts(address);
    let mut row = PushRow {
        id: Id::new(&ctx.clock),
        user_id: actor.user_id,
        session_id: session,
        kind: kind.to_owned(),
        service,
        sealed: Vec::new(),
        address_hash: ctx.keyed.hash("push", &format!("{kind}:{text}"))?,
        created_at: ctx.clock.now(),
    };
    row.sealed = seal(ctx, &row, address)?;
    for _ in 0..TRIES {
        let there = push::by_address(&ctx.db, &row.address_hash).await?;
        // Pages register at each visit.
        if let Some(there) = there.as_ref().filter(|there| is_same(ctx, there, &row, address)) {
            return Ok((there.clone(), false));
        }
        let owner = there.map(|there| there.user_id);
        if let Some(made) = take(ctx, actor, owner, &row, address).await? {
            return Ok(made);
        }
    }
    Err(Error::Code(codes::CONFLICT))
}

fn is_same(ctx: &Ctx, there: &PushRow, row: &PushRow, address: &PushAddress) -> bool {
    let same = match (open(ctx, there), address) {
        (Ok(PushAddress::Web(one)), PushAddress::Web(other)) => one == *other,
        (Ok(PushAddress::Fcm(one)), PushAddress::Fcm(other)) => one == *other,
        _ => false,
    };
    same && (there.user_id, there.session_id) == (row.user_id, row.session_id)
}

/// Writes it, if nobody but `owner` has its address; none if somebody else has it by now.
async fn take(
    ctx: &Ctx,
    actor: &Actor,
    owner: Option<UserId>,
    row: &PushRow,
    address: &PushAddress,
) -> Result<Option<(PushRow, bool)>, Error> {
    let user = row.user_id;
    let mut tx = ctx.db.begin().await?;
    // In the order of their ids, as all who lock several.
    let mut users = vec![user];
    users.extend(owner.filter(|owner| *owner != user));
    users.sort_unstable();
    let mut mine = None;
    for one in users {
        let person = people::lock(&mut tx, one).await?;
        if one == user {
            mine = person;
        }
    }
    let person = mine.ok_or(Error::Erased)?;
    if push::is_ended(&mut tx, row.session_id).await? {
        return Err(Error::Erased);
    }
    let there = push::find_by_address(&mut tx, &row.address_hash).await?;
    if there.as_ref().map(|there| there.user_id) != owner {
        return Ok(None);
    }
    match there {
        Some(there) if there.user_id == user => {
            let sealed = seal(ctx, &there, address)?;
            push::renew(&mut tx, there.id, row.session_id, &sealed).await?;
            tx.commit().await?;
            let session_id = row.session_id;
            return Ok(Some((PushRow { session_id, ..there }, false)));
        }
        Some(there) => remove(&mut tx, there.user_id, there.id).await?,
        None => false,
    };
    let max = ctx.config.push_subscriptions_max;
    if person.push_count >= i64::from(max) {
        return Err(Error::PushFull(max));
    }
    if !push::insert(&mut tx, row).await? {
        return Ok(None);
    }
    people::count_push(&mut tx, user, 1).await?;
    let entry = Entry::by(
        actor,
        "push_subscription.create",
        "push_subscription",
        Some(row.id.uuid()),
    );
    tx.audit(&entry).await?;
    tx.commit().await?;
    Ok(Some((row.clone(), true)))
}

/// Deletes one of a locked person's; false if it was gone.
async fn remove(tx: &mut Tx, user: UserId, id: PushId) -> Result<bool, Error> {
    let deleted = push::delete(tx, user, id).await?;
    if deleted {
        people::count_push(tx, user, -1).await?;
    }
    Ok(deleted)
}

/// Deletes one of a person's.
pub(crate) async fn delete(ctx: &Ctx, actor: &Actor, id: PushId) -> Result<(), Error> {
    let user = actor.user_id;
    let mut tx = ctx.db.begin().await?;
    people::lock(&mut tx, user).await?.ok_or(Error::Erased)?;
    if !remove(&mut tx, user, id).await? {
        return Err(Error::NotFound);
    }
    let entry = Entry::by(
        actor,
        "push_subscription.delete",
        "push_subscription",
        Some(id.uuid()),
    );
    tx.audit(&entry).await?;
    tx.shred();
    Ok(tx.commit().await?)
}

/// Deletes one that its push service says has ended.
pub(crate) async fn ended(ctx: &Ctx, user: UserId, id: PushId) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    people::lock(&mut tx, user).await?;
    remove(&mut tx, user, id).await?;
    Ok(tx.commit().await?)
}

/// Deletes those of a locked person that were registered until then; how many there were.
pub(crate) async fn end_all(tx: &mut Tx, user: UserId, until: Timestamp) -> Result<u64, Error> {
    let count = push::delete_until(tx, user, until).await?;
    if count > 0 {
        people::count_push(tx, user, -i64::try_from(count).unwrap_or(0)).await?;
    }
    Ok(count)
}

/// Deletes what a session has made that was ended: a stolen one reads nothing more.
pub(crate) async fn end_session(
    tx: &mut Tx,
    user: UserId,
    session: SessionId,
    until: Timestamp,
) -> Result<(), Error> {
    people::lock(tx, user).await?;
    push::end_session(tx, session, until).await?;
    let count = push::delete_of_session(tx, session).await?;
    if count > 0 {
        people::count_push(tx, user, -i64::try_from(count).unwrap_or(0)).await?;
    }
    Ok(())
}
