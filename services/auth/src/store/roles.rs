//! Stand-in.

use stoa_db::{Db, Error, Tx};
use stoa_kernel::{Permissions, UserId};

/// What somebody may do, as their next access token says.
#[derive(Clone, Debug)]
pub(crate) struct AccessOf {
    pub(crate) roles: Vec<String>,
    pub(crate) permissions: Permissions,
    pub(crate) version: i64,
}

/// Read after the commit that made the account, and whenever an access token is signed.
pub(crate) async fn access_of(db: &Db, user: UserId) -> Result<AccessOf, Error> {
    let version = db
        .fetch_one::<i64>("SELECT access_version FROM accounts WHERE id = $1", &[&user])
        .await?;
    Ok(AccessOf {
        roles: vec!["user".to_owned()],
        permissions: Permissions::default(),
        version,
    })
}

/// Gives a new account the role `user`.
pub(crate) async fn assign_default(_tx: &mut Tx, _user: UserId) -> Result<(), Error> {
    Ok(())
}

/// Gives a role; false if the account has it already. For `stoa admin create`.
pub(crate) async fn assign(_tx: &mut Tx, _user: UserId, _role: &str) -> Result<bool, Error> {
    Ok(true)
}
