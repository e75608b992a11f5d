//! Who does something, and by which request.

use serde_json::Value;
use stoa_audit::{Entry, TxExt as _};
use stoa_db::{Error, Tx};
use stoa_http::RequestInfo;
use stoa_kernel::UserId;

/// The caller and the request, for what is written down about it.
#[derive(Clone, Debug)]
pub(crate) struct By {
    pub(crate) user: UserId,
    pub(crate) request: RequestInfo,
}

impl By {
    pub(crate) fn new(user: UserId, request: RequestInfo) -> Self {
        Self { user, request }
    }

    /// Writes the audit entry of something done to `whose` data.
    pub(crate) async fn audit(
        &self,
        tx: &mut Tx,
        action: &str,
        kind: &str,
        whose: Option<UserId>,
        detail: Value,
    ) -> Result<(), Error> {
        let address = self.request.address.to_string();
        let mut entry = Entry::new(Some(self.user), action, kind, whose.map(UserId::uuid)).detail(detail);
        entry.request_id = Some(&self.request.request_id);
        entry.address = Some(&address);
        tx.audit(&entry).await
    }
}

/// Writes the audit entry of something that Stoa itself did to `whose` data.
pub(crate) async fn audit_of_stoa(
    tx: &mut Tx,
    action: &str,
    whose: UserId,
    detail: Value,
) -> Result<(), Error> {
    tx.audit(&Entry::new(None, action, "profile", Some(whose.uuid())).detail(detail))
        .await
}
