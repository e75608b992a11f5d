//! Writing an entry.

use std::borrow::Cow;

use stoa_db::{Error, Json, Tx};
use stoa_kernel::{Actor, Id, OrganizationId, Owner, UserId};
use uuid::Uuid;

use crate::store;

/// Label of an entry's id.
pub enum EntryTag {}

/// The field of `detail` that names the organization.
pub(crate) const ORGANIZATION: &str = "organization_id";

/// Who did what to which thing.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Who; none when not known (a failed login) or Stoa itself.
    pub actor: Option<UserId>,
    /// `noun.verb`, such as `session.revoke`.
    pub action: &'a str,
    /// What kind of thing: `session`.
    pub resource_kind: &'a str,
    /// Which one.
    pub resource_id: Option<Uuid>,
    /// The organization that it was done for, or that it was done to.
    pub organization_id: Option<OrganizationId>,
    /// More, as an object; never personal data in clear and never secrets. Its field `organization_id` is written from the one above.
    pub detail: serde_json::Value,
    /// The request it was part of.
    pub request_id: Option<&'a str>,
    /// The caller's address.
    pub address: Option<Cow<'a, str>>,
}

impl<'a> Entry<'a> {
    /// An entry without detail, request and address.
    #[must_use]
    pub fn new(
        actor: Option<UserId>,
        action: &'a str,
        resource_kind: &'a str,
        resource_id: Option<Uuid>,
    ) -> Self {
        let detail = serde_json::Value::Object(serde_json::Map::new());
        Self {
            actor,
            action,
            resource_kind,
            resource_id,
            organization_id: None,
            detail,
            request_id: None,
            address: None,
        }
    }

    /// An entry of something that somebody did by a request.
    #[must_use]
    pub fn by(actor: &'a Actor, action: &'a str, resource_kind: &'a str, resource_id: Option<Uuid>) -> Self {
        Self {
            request_id: Some(&actor.request.request_id),
            address: Some(actor.request.address.to_string().into()),
            organization_id: actor.organization_id,
            ..Self::new(Some(actor.user_id), action, resource_kind, resource_id)
        }
    }

    /// The detail as it is kept: with the organization, for the hash to cover it.
    fn whole_detail(&self) -> Cow<'_, serde_json::Value> {
        match (self.organization_id, &self.detail) {
            (Some(id), serde_json::Value::Object(fields)) => {
                let mut fields = fields.clone();
                fields.insert(ORGANIZATION.to_owned(), id.to_string().into());
                Cow::Owned(serde_json::Value::Object(fields))
            }
            (None, serde_json::Value::Object(fields)) if fields.contains_key(ORGANIZATION) => {
                let mut fields = fields.clone();
                fields.remove(ORGANIZATION);
                Cow::Owned(serde_json::Value::Object(fields))
            }
            _ => Cow::Borrowed(&self.detail),
        }
    }

    /// The same, done for this organization or to it.
    #[must_use]
    pub fn organization(mut self, id: OrganizationId) -> Self {
        self.organization_id = Some(id);
        self
    }

    /// The same, done to something that is this owner's.
    #[must_use]
    pub fn owner(self, owner: Owner) -> Self {
        match owner {
            Owner::User(_) => self,
            Owner::Organization(id) => self.organization(id),
        }
    }

    /// The same with this detail.
    #[must_use]
    pub fn detail(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }
}

/// Entries, written in the transaction that they tell of.
pub trait TxExt {
    /// Writes the entry; it is kept if and only if the transaction is.
    ///
    /// # Errors
    /// What the database says.
    fn audit(&mut self, entry: &Entry<'_>) -> impl Future<Output = Result<(), Error>> + Send;
}

impl TxExt for Tx {
    async fn audit(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let id: Id<EntryTag> = self.new_id();
        let (at, detail) = (self.clock().now(), Json::text(&entry.whole_detail())?);
        store::insert(self, id, at, entry, &detail).await?;
        self.signal();
        Ok(())
    }
}
