//! Access tokens: what they say.

use stoa_http::{Claims, csrf_claim};
use stoa_kernel::{SessionId, Timestamp, UserId};

use crate::{
    ctx::Ctx,
    error::Result,
    store::{members::Listed, roles::AccessOf},
};

/// What an access token is made for.
pub(crate) struct AccessToken<'a> {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    pub(crate) issued: Timestamp,
    pub(crate) until: Timestamp,
    /// Of a session that is kept in cookies: the CSRF token that goes with it.
    pub(crate) csrf: Option<&'a str>,
}

/// Signs an access token with what `access` and `memberships` say.
pub(crate) fn sign(
    ctx: &Ctx,
    token: &AccessToken<'_>,
    access: &AccessOf,
    memberships: &Listed,
) -> Result<String> {
    let issuer = ctx.issuers().swap_remove(0);
    ctx.keys.sign(&Claims {
        aud: Some(issuer.clone()),
        iss: issuer,
        sub: token.user,
        sid: token.session,
        iat: token.issued.as_second(),
        exp: token.until.as_second(),
        ver: access.version,
        roles: access.roles.clone(),
        role_vers: access.role_versions.clone(),
        perms: access.permissions.iter().map(str::to_owned).collect(),
        orgs: memberships.claims(),
        more_orgs: memberships.more,
        csrf: token.csrf.map(csrf_claim),
    })
}
