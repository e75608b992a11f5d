//! With what somebody registered, asked of auth ahead of `user.registered`.

use stoa_kernel::UserId;
use stoa_rpc::{Channel, Directory};

use crate::{
    AccessError,
    v1::{RegisteredNames, RegistrationRequest, access_client::AccessClient},
};

/// Asks auth with what names somebody registered.
#[derive(Clone)]
pub struct Registrations(AccessClient<Channel>);

impl Registrations {
    /// By way of the directory's auth.
    #[must_use]
    pub fn new(directory: &Directory) -> Self {
        Self(AccessClient::new(directory.channel("auth")))
    }

    /// The names that `user` gave; none if they gave none, or auth does not keep them any more.
    ///
    /// # Errors
    /// When auth does not answer.
    pub async fn names(&self, user: UserId) -> Result<Option<RegisteredNames>, AccessError> {
        let user_id = user.to_string();
        let answer = self
            .0
            .clone()
            .registration(RegistrationRequest { user_id })
            .await?;
        Ok(answer.into_inner().names)
    }
}
