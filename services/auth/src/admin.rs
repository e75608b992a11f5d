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
    password::{self, Hasher, Password},
    store::{accounts, revocations, roles},
};

/// Who is an administrator now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The account.
    pub user_id: UserId,
    /// Whether the account was made; otherwise it was there, and keeps its password.
    pub created: bool,
}

/// Why there is no administrator, in words for whoever asked for one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AdminError(String);

impl From<Error> for AdminError {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl From<stoa_db::Error> for AdminError {
    fn from(error: stoa_db::Error) -> Self {
        Self(error.to_string())
    }
}

/// Makes an account with the role `admin`, or gives the role to the account that this address has. May run beside a serving
/// stoa: the account's access tokens of before hold what they say until they expire.
///
/// # Errors
/// When the address or the password cannot be taken, or the database fails.
pub async fn create_admin(
    db: &Db,
    config: &AuthConfig,
    email: &str,
    password: &str,
) -> Result<Admin, AdminError> {
    let email =
        Email::parse(email).ok_or_else(|| AdminError(format!("'{email}' is not an e-mail address")))?;
    if let Some(account) = accounts::by_email_key(db, &email.key).await? {
        promote(db, config, account.id).await?;
        return Ok(Admin {
            user_id: account.id,
            created: false,
        });
    }
    let password = Password::new(password);
    password::check(&password, &email.key, &config.password, "password")?;
    let hash = Hasher::start(&config.password)
        .map_err(AdminError)?
        .hash(&password, None)
        .await?;

    let user_id: UserId = Id::new(db.clock());
    let now = db.clock().now();
    let mut tx = db.begin().await?;
    if accounts::insert(&mut tx, user_id, &email, &hash, Some(now))
        .await?
        .is_none()
    {
        return Err(AdminError(
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

async fn promote(db: &Db, config: &AuthConfig, user: UserId) -> Result<(), AdminError> {
    let mut tx = db.begin().await?;
    if !roles::assign(&mut tx, user, "admin").await? {
        tx.rollback().await;
        return Ok(());
    }
    revocations::raise_version(&mut tx, user, db.clock().after(config.access_token_lifetime.0)).await?;
    note(&mut tx, "role.assign", user).await?;
    Ok(tx.commit().await?)
}

async fn note(tx: &mut Tx, action: &str, user: UserId) -> Result<(), stoa_db::Error> {
    let entry = Entry::new(None, action, "account", Some(user.uuid()));
    tx.audit(&entry.detail(serde_json::json!({ "by": "command line", "role": "admin" })))
        .await
}
