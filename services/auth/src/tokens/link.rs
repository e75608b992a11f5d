//! Links in mails that name a row: its id, signed with a key that is not in the database. So nothing that opens a link is kept there, and
//! a mail that is made again has the same link.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::{ctx::Ctx, error::Result};

/// What a link is for. A link of one purpose is none of another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LinkPurpose {
    /// To become a member of an organization.
    Invitation,
    /// To let people of a domain join an organization.
    Domain,
}

impl LinkPurpose {
    fn name(self) -> &'static str {
        match self {
            Self::Invitation => "invitation links",
            Self::Domain => "domain links",
        }
    }
}

/// The token of a link to this row.
pub(crate) fn link_token(ctx: &Ctx, purpose: LinkPurpose, id: Uuid) -> Result<String> {
    let mac = mac(ctx, purpose, id)?.finalize().into_bytes();
    Ok(URL_SAFE_NO_PAD.encode([id.as_bytes().as_slice(), &mac].concat()))
}

/// The row that a token names; none if it is none of ours. The time that it takes says nothing of the right one.
pub(crate) fn link_id(ctx: &Ctx, purpose: LinkPurpose, token: &str) -> Result<Option<Uuid>> {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else {
        return Ok(None);
    };
    let Some((id, signature)) = bytes.split_first_chunk::<16>() else {
        return Ok(None);
    };
    let id = Uuid::from_bytes(*id);
    let right = mac(ctx, purpose, id)?.verify_slice(signature).is_ok();
    Ok(right.then_some(id))
}

fn mac(ctx: &Ctx, purpose: LinkPurpose, id: Uuid) -> Result<Hmac<Sha256>> {
    let key = ctx.secrets.derive(purpose.name())?;
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&key).map_err(|e| crate::error::Error::Internal(e.to_string()))?;
    mac.update(id.as_bytes());
    Ok(mac)
}
