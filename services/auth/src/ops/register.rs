//! Registration.

use stoa_audit::TxExt as _;
use stoa_auth_api::events::UserRegistered;
use stoa_events::TxExt as _;
use stoa_kernel::{Id, UserId};

use crate::{
    config::Registration,
    ctx::Ctx,
    email::Email,
    error::{Error, REGISTRATION_CLOSED, Result},
    notifications::MailKind,
    ops::{
        mails,
        origin::Origin,
        sessions::{Mode, Opening, SignedIn},
    },
    password::{self, Password},
    store::{
        accounts, known_networks,
        registered_names::{self, RegisteredNames},
        roles,
    },
};

/// Who registers.
pub(crate) struct NewAccount {
    pub(crate) email: Email,
    pub(crate) password: Password,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    /// By the link of an invitation, which shows that the address is theirs: no mail asks for that, and no session begins.
    pub(crate) is_invited: bool,
}

/// Makes an account, and signs it in unless its address has to be verified first.
///
/// That an address is taken is told only after the work of a fresh one. It is told, for the answer to a fresh one holds
/// tokens and so would tell it anyway.
pub(crate) async fn register(ctx: &Ctx, new: NewAccount, mode: Mode, origin: &Origin) -> Result<SignedIn> {
    if ctx.config.registration == Registration::Closed {
        return Err(REGISTRATION_CLOSED.into());
    }
    ctx.lockout.register(origin.address).await?;
    new.email.check(&ctx.config)?;
    password::check(&new.password, &new.email.key, &ctx.config.password, "password")?;
    let hash = ctx.passwords.hash(&new.password, Some(origin.address)).await?;

    let id: UserId = Id::new(&ctx.clock);
    let signs_in = !ctx.config.require_verified_email && !new.is_invited;
    let opening = signs_in.then(|| Opening::new(ctx, mode));
    let mut tx = ctx.db.begin().await?;
    let Some(account) = accounts::insert(&mut tx, id, &new.email, &hash, None).await? else {
        tx.rollback().await;
        return Err(Error::EmailTaken);
    };
    roles::assign_default(&mut tx, id).await?;
    tx.audit(&origin.entry(Some(id), "account.create", "account", Some(id.uuid())))
        .await?;
    let names = RegisteredNames {
        first_name: new.first_name,
        last_name: new.last_name,
    };
    if names.first_name.is_some() || names.last_name.is_some() {
        registered_names::insert(&mut tx, id, &names).await?;
    }
    tx.emit(&UserRegistered {
        user_id: id,
        email: new.email.display,
        first_name: names.first_name,
        last_name: names.last_name,
    })
    .await?;
    if !new.is_invited {
        mails::ask_for_link(ctx, &mut tx, MailKind::VerifyEmail, id).await?;
    }
    if let Some(opening) = &opening {
        // There is no other session that could be one too many.
        let _none = opening.begin(ctx, &mut tx, id, origin).await?;
        known_networks::remember(&mut tx, id, &new.email.key, origin.address).await?;
    }
    tx.commit().await?;
    match opening {
        Some(opening) => opening.finish(ctx, account).await,
        None => Ok(SignedIn {
            account,
            access: roles::access_of(&ctx.db, id).await?,
            tokens: None,
        }),
    }
}
