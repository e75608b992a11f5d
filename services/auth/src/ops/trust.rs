//! What was revoked, as the verifiers of this and of other processes are told.

use crate::{
    ctx::Ctx,
    error::Result,
    store::revocations::{self, Page, Since},
};

/// The next part of what was revoked after `since`.
pub(crate) async fn page(ctx: &Ctx, since: &Since) -> Result<Page> {
    let more = revocations::number(&ctx.db).await?;
    let mut page = revocations::page(&ctx.db, since).await?;
    page.more |= more;
    Ok(page)
}

/// Tells the verifier of this process everything that was revoked.
pub(crate) async fn load(ctx: &Ctx) -> Result<()> {
    let mut since = Since::default();
    loop {
        let page = page(ctx, &since).await?;
        for one in page.sessions {
            ctx.verifier.revoke_session(one.session_id, one.until);
        }
        for one in page.versions {
            ctx.verifier.raise_version(one.user_id, one.version, one.until);
        }
        for one in page.roles {
            ctx.verifier.raise_role(&one.role, one.version, one.until);
        }
        for one in page.organizations {
            let (organization, version) = (one.organization_id, one.version);
            ctx.verifier.raise_organization(organization, version, one.until);
        }
        if !page.more {
            return Ok(());
        }
        since = page.end;
    }
}
