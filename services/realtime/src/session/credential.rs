//! What a client has shown to say who it is, kept to see whether it still counts.

use std::sync::Arc;

use stoa_http::{Failure, OpenToken, Refused, codes, names};
use stoa_kernel::{Principal, Timestamp};

use crate::ctx::Ctx;

/// Credentials that were found good.
#[derive(Clone)]
pub(crate) enum Credential {
    Token(OpenToken),
    Key {
        key: Arc<str>,
        principal: Arc<Principal>,
    },
}

impl Credential {
    /// Opens an access token or an API key. A token that is bound to a cookie comes by a ticket alone: a caller who has it in hand has taken it
    /// from a browser.
    ///
    /// # Errors
    /// 401.
    pub(crate) async fn open(ctx: &Ctx, text: &str, of_cookie: bool) -> Result<Self, Failure> {
        if text.starts_with(names::API_KEY_PREFIX) {
            let principal = ctx.keys.authenticate(text).await?;
            let principal = principal.ok_or_else(|| Failure::new(codes::UNAUTHENTICATED))?;
            return Ok(Self::Key {
                key: text.into(),
                principal,
            });
        }
        let token = ctx.verifier.open_session(text).map_err(refused)?;
        if token.is_of_cookie() != of_cookie {
            return Err(refused(Refused::Misplaced));
        }
        Ok(Self::Token(token))
    }

    pub(crate) fn principal(&self) -> &Arc<Principal> {
        match self {
            Self::Token(token) => token.principal(),
            Self::Key { principal, .. } => principal,
        }
    }

    /// None for an API key, whose end is not known here.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Token(token) => Some(token.expires()),
            Self::Key { .. } => None,
        }
    }
}

fn refused(why: Refused) -> Failure {
    Failure::new(why.code())
}
