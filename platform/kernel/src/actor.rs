//! Who acts, and by which request.

use std::{net::IpAddr, ops::Deref, sync::Arc};

use crate::Principal;

/// Id, trace and origin of a request.
#[derive(Debug)]
pub struct RequestFacts {
    /// Names the request in answers, logs and audit entries.
    pub request_id: String,
    /// W3C trace context for whatever the request causes.
    pub traceparent: String,
    /// The caller's address, behind trusted proxies the one that they tell.
    pub address: IpAddr,
    /// The caller's program.
    pub user_agent: Option<String>,
    /// Whether it was https at the edge.
    pub secure: bool,
}

/// The acting person or program, and the request they made. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Who.
    pub principal: Arc<Principal>,
    /// By which request.
    pub request: Arc<RequestFacts>,
}

impl Deref for Actor {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}
