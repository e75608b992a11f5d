//! Where a request comes from, for sessions, limits and the audit log.

use std::net::{IpAddr, Ipv4Addr};

use stoa_audit::Entry;
use stoa_kernel::{RequestFacts, UserId, random};
use uuid::Uuid;

use crate::{ctx::Ctx, error::Result, lockout::Source, store::known_networks};

/// Longest user agent that is kept, in characters.
const USER_AGENT: usize = 256;

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) address: IpAddr,
    /// The address as text.
    pub(crate) from: String,
    pub(crate) user_agent: Option<String>,
    pub(crate) request_id: String,
}

impl Origin {
    /// Where this request comes from.
    pub(crate) fn of(info: &RequestFacts) -> Self {
        let address = info.address.to_canonical();
        let user_agent = info
            .user_agent
            .as_ref()
            .map(|agent| agent.chars().take(USER_AGENT).collect());
        Self {
            address,
            from: address.to_string(),
            user_agent,
            request_id: info.request_id.clone(),
        }
    }

    /// Where commands come from that are typed on the machine itself.
    pub(crate) fn command_line() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            from: "command line".to_owned(),
            user_agent: None,
            request_id: random::token::<12>(),
        }
    }

    /// This request as somebody who tries something with an account. `account`: the key of its address.
    pub(crate) async fn source<'a>(&self, ctx: &Ctx, account: &'a str) -> Result<Source<'a>> {
        Ok(Source {
            account,
            address: self.address,
            familiarity: known_networks::familiarity_of(&ctx.db, account, self.address).await?,
        })
    }

    /// An audit entry of what this request did.
    pub(crate) fn entry<'a>(
        &'a self,
        actor: Option<UserId>,
        action: &'a str,
        resource_kind: &'a str,
        resource_id: Option<Uuid>,
    ) -> Entry<'a> {
        Entry {
            request_id: Some(&self.request_id),
            address: Some(self.from.as_str().into()),
            ..Entry::new(actor, action, resource_kind, resource_id)
        }
    }
}
