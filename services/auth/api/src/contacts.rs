//! How people can be reached, asked of auth when something is to be sent to them.

use std::collections::HashMap;

use stoa_kernel::{OrganizationId, UserId};
use stoa_rpc::{Channel, Directory};

use crate::{
    AccessError,
    v1::{Contact, ContactsRequest, ManagersRequest, access_client::AccessClient},
};

/// People that one call asks for, at most.
pub const CONTACTS_MAX: usize = 100;

/// Asks auth for people's addresses.
#[derive(Clone)]
pub struct Contacts(AccessClient<Channel>);

impl Contacts {
    /// By way of the directory's auth.
    #[must_use]
    pub fn new(directory: &Directory) -> Self {
        Self(AccessClient::new(directory.channel("auth")))
    }

    /// Of one person; none if they have no account.
    ///
    /// # Errors
    /// When auth does not answer.
    pub async fn of(&self, user: UserId) -> Result<Option<Contact>, AccessError> {
        Ok(self.all(&[user]).await?.remove(&user))
    }

    /// The owners and admins of an organization, 50 at most; nobody where it is deleted.
    ///
    /// # Errors
    /// When auth does not answer.
    pub async fn managers(&self, organization: OrganizationId) -> Result<Vec<UserId>, AccessError> {
        let organization_id = organization.to_string();
        let answer = self
            .0
            .clone()
            .managers(ManagersRequest { organization_id })
            .await?;
        let ids = answer.into_inner().user_ids;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Of several people, [`CONTACTS_MAX`] at most: of those who have an account.
    ///
    /// # Errors
    /// When they are more, or auth does not answer.
    pub async fn all(&self, users: &[UserId]) -> Result<HashMap<UserId, Contact>, AccessError> {
        let user_ids = users.iter().map(ToString::to_string).collect();
        let answer = self.0.clone().contacts(ContactsRequest { user_ids }).await?;
        let contacts = answer.into_inner().contacts.into_iter();
        Ok(contacts
            .filter_map(|contact| Some((contact.user_id.parse().ok()?, contact)))
            .collect())
    }
}
