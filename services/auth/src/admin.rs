//! Administrators, made by whoever runs the installation.

use stoa_audit::{Entry, TxExt as _};
use stoa_auth_api::events::UserRegistered;
use stoa_db::{Db, Tx};
use stoa_events::TxExt as _;
use stoa_kernel::{Id, UserId};

use crate::{
    config::AuthConfig,
    email::Email,
    error::Error,
    notifications::MailKind,
    ops::{changes::STALE_FOR, credentials::Case, notices::Notices, organizations::members, origin::Origin},
    password::{self, Hasher, Password},
    store::{
        accounts::{self, Account},
        revocations, roles,
    },
};

/// What to do with an account that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Nothing: whoever registered it may be anybody.
    Refuse,
    /// It gets the password, and everything that was set up for it ends: sessions, API keys, the second factor.
    TakeOver,
}

/// Who is an administrator now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The account.
    pub user_id: UserId,
    /// Whether the account was made; otherwise it was taken over.
    pub created: bool,
}

/// Why there is no administrator, in words for whoever asked for one.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address has an account, which is not to be taken over.
    #[error("this address has an account already")]
    HasAccount,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<Error> for AdminError {
    fn from(error: Error) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<stoa_db::Error> for AdminError {
    fn from(error: stoa_db::Error) -> Self {
        Self::Other(error.to_string())
    }
}

/// Makes an account with the role `admin`, or takes over the one that this address has. May run beside a serving stoa, which hears
/// within a second of what has ended.
///
/// # Errors
/// When the address has an account that is not to be taken over, the address or the password cannot be taken, or the database
/// fails.
pub async fn create_admin(
    db: &Db,
    config: &AuthConfig,
    email: &str,
    password: &str,
    existing: Existing,
) -> Result<Admin, AdminError> {
    let email = Email::parse(email)
        .ok_or_else(|| AdminError::Other(format!("'{email}' is not an e-mail address")))?;
    let account = accounts::by_email_key(db, &email.key).await?;
    if account.is_some() && existing == Existing::Refuse {
        return Err(AdminError::HasAccount);
    }
    let password = Password::new(password);
    password::check(&password, &email.key, &config.password, "password")?;
    let hash = Hasher::start(&config.password)
        .map_err(AdminError::Other)?
        .hash(&password, None)
        .await?;
    match account {
        Some(account) => take_over(db, config, &account, &hash).await,
        None => create(db, email, &hash).await,
    }
}

async fn create(db: &Db, email: Email, hash: &str) -> Result<Admin, AdminError> {
    let user_id: UserId = Id::new(db.clock());
    let now = db.clock().now();
    let mut tx = db.begin().await?;
    if accounts::insert(&mut tx, user_id, &email, hash, Some(now))
        .await?
        .is_none()
    {
        return Err(AdminError::Other(
            "the address was registered at the same moment; try again".to_owned(),
        ));
    }
    roles::assign_default(&mut tx, user_id).await?;
    roles::assign(&mut tx, user_id, "admin").await?;
    note(&mut tx, "account.create", user_id).await?;
    note(&mut tx, "role.assign", user_id).await?;
    tx.emit(&UserRegistered {
        user_id,
        email: email.display,
        first_name: None,
        last_name: None,
    })
    .await?;
    tx.commit().await?;
    Ok(Admin {
        user_id,
        created: true,
    })
}

/// Leaves nothing to whoever has used the account until now but what they wrote.
async fn take_over(db: &Db, config: &AuthConfig, account: &Account, hash: &str) -> Result<Admin, AdminError> {
    let user = account.id;
    let case = Case {
        user,
        actor: None,
        origin: &Origin::command_line(),
        notices: Notices::always(user),
    };
    let mut tx = db.begin().await?;
    let alone = members::hold_alone(&mut tx, account).await?;
    let until = db.clock().after(STALE_FOR);
    if revocations::raise_version(&mut tx, user, until).await?.is_none() {
        return Err(AdminError::Other(
            "the account was erased at the same moment".to_owned(),
        ));
    }
    accounts::set_password(&mut tx, user, hash).await?;
    accounts::set_verified(&mut tx, user).await?;
    accounts::enable(&mut tx, user).await?;
    note(&mut tx, "account.take_over", user).await?;
    case.notices.tell(&mut tx, MailKind::PasswordChanged).await?;
    // Nothing in this process believes them.
    let _ended = case
        .end_everything(&mut tx, &alone, config.organizations.grace.0)
        .await?;
    if roles::assign(&mut tx, user, "admin").await? {
        note(&mut tx, "role.assign", user).await?;
    }
    tx.commit().await?;
    Ok(Admin {
        user_id: user,
        created: false,
    })
}

async fn note(tx: &mut Tx, action: &str, user: UserId) -> Result<(), stoa_db::Error> {
    let entry = Entry::new(None, action, "account", Some(user.uuid()));
    tx.audit(&entry.detail(serde_json::json!({ "by": "command line", "role": "admin" })))
        .await
}
