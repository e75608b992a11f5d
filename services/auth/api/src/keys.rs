//! Who an API key stands for, asked of auth.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use moka::sync::Cache as Answers;
use sha2::{Digest, Sha256};
use stoa_cache::{Cache, Hearing, Notice};
use stoa_http::{Failure, KeyAnswer, KeyAuthority};
use stoa_kernel::{Membership, Memberships, OrganizationRole, Permissions, Principal, PrincipalKind};
use stoa_rpc::{Channel, Directory};

use crate::v1::{self, AuthenticateKeyRequest, KeyPrincipal, access_client::AccessClient};

/// How long an answer is believed: so long a key may still work that was taken back.
const FRESH: Duration = Duration::from_secs(1);
/// Answers kept at most.
const MOST: u64 = 10_000;

/// Asks auth whose an API key is, at most once a second for each key.
#[derive(Clone)]
pub struct KeyClient {
    auth: AccessClient<Channel>,
    /// By SHA-256 of the key, so that no key stays in memory.
    answers: Answers<[u8; 32], Option<Arc<Principal>>>,
}

/// Hints that what is known of API keys may be wrong: the SHA-256 of one of them, or nothing for all.
const CHANGED: &str = "auth.api_keys";

/// Tells everybody who has asked about this key to ask again; `hash` is the SHA-256 of its text. A hint: it may be missed.
pub async fn tell_key_changed(cache: &Cache, hash: &[u8]) {
    cache.tell(CHANGED, Bytes::copy_from_slice(hash)).await;
}

impl KeyClient {
    /// By way of the directory's auth. What the cache tells of keys that were taken back is heard at once.
    #[must_use]
    pub fn new(directory: &Directory, cache: &Cache) -> Self {
        let answers = Answers::builder().max_capacity(MOST).time_to_live(FRESH).build();
        tokio::spawn(forget(cache.hear(CHANGED), answers.clone()));
        Self {
            auth: AccessClient::new(directory.channel("auth")),
            answers,
        }
    }

    async fn ask(&self, key: &str) -> Result<Option<Arc<Principal>>, Failure> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        if let Some(answer) = self.answers.get(&hash) {
            return Ok(answer);
        }
        let request = AuthenticateKeyRequest { key: key.to_owned() };
        let answer = self.auth.clone().authenticate_key(request).await;
        let answer = answer.map_err(Failure::unavailable)?.into_inner();
        let principal = answer.principal.map(principal).transpose()?.map(Arc::new);
        self.answers.insert(hash, principal.clone());
        Ok(principal)
    }
}

/// Forgets what others say has changed, for as long as there is a cache to hear them by.
async fn forget(mut changed: Hearing, answers: Answers<[u8; 32], Option<Arc<Principal>>>) {
    while let Some(heard) = changed.next().await {
        let hash = match &heard {
            Notice::Message(payload) => <[u8; 32]>::try_from(payload.as_ref()).ok(),
            Notice::Gap => None,
        };
        match hash {
            Some(hash) => answers.invalidate(&hash),
            None => answers.invalidate_all(),
        }
    }
}

impl KeyAuthority for KeyClient {
    fn authenticate<'a>(&'a self, key: &'a str) -> KeyAnswer<'a> {
        Box::pin(self.ask(key))
    }
}

pub(crate) fn principal(key: KeyPrincipal) -> Result<Principal, Failure> {
    let memberships = key.memberships.into_iter().map(membership);
    let organization = key
        .organization_id
        .map(|id| id.parse().map_err(Failure::internal));
    Ok(Principal {
        memberships: Memberships {
            listed: memberships.collect::<Result<_, _>>()?,
            more: key.more_memberships,
        },
        organization_id: organization.transpose()?,
        roles: key.roles,
        permissions: Permissions::new(key.permissions),
        scopes: Some(Permissions::new(key.scopes)),
        ..Principal::new(
            PrincipalKind::ApiKey,
            key.user_id.parse().map_err(Failure::internal)?,
        )
    })
}

fn membership(of: v1::Membership) -> Result<Membership, Failure> {
    Ok(Membership {
        organization_id: of.organization_id.parse().map_err(Failure::internal)?,
        role: OrganizationRole::of_name(&of.role).ok_or_else(|| Failure::internal("an unknown role"))?,
    })
}
