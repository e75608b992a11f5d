//! Why somebody may do something, or may not.

use stoa_kernel::{
    Action, Decision, Grant, Membership, Memberships, Owner, Permissions, Principal, PrincipalKind, Reason,
    Resource, UserId, allow, codes,
};
use uuid::Uuid;

use crate::{
    ctx::Ctx,
    error::Result,
    store::{
        grants::{self, GrantRow},
        members, roles,
    },
};

/// What the decision rests on.
pub(crate) enum Via {
    /// A role, and what of it permits the action.
    Role { role: String, permission: String },
    /// A grant, and what of it permits the action.
    Grant { id: Uuid, permission: String },
}

/// The decision on `user`, whose roles and grants are read as they are now; for the caller themself within the scopes of the key that
/// they present.
pub(crate) async fn explain(
    ctx: &Ctx,
    caller: &Principal,
    user: UserId,
    action: &str,
    resource: &Resource<'_>,
) -> Result<(Decision, Vec<Via>)> {
    let access = match roles::access_of(&ctx.db, user).await {
        Err(stoa_db::Error::NotFound) => return Err(codes::NOT_FOUND.into()),
        access => access?,
    };
    let own = user == caller.user_id;
    let principal = Principal {
        roles: access.roles,
        permissions: access.permissions,
        scopes: caller.scopes.clone().filter(|_| own),
        memberships: memberships(ctx, user, resource.owner).await?,
        ..Principal::new(if own { caller.kind } else { PrincipalKind::User }, user)
    };
    let rows = match resource.id {
        Some(id) => grants::on(&ctx.db, user, resource.kind, id).await?,
        None => Vec::new(),
    };
    let held: Vec<Grant> = rows.iter().map(grant).collect();
    let asked = Action {
        name: action,
        organization_roles: ctx.permissions.organization_roles(action),
    };
    let decision = allow(&principal, asked, resource, &held);
    let via = match decision.reason {
        Reason::Role => via_roles(ctx, &principal.roles, action).await?,
        Reason::Grant => rows
            .into_iter()
            .filter(|row| permits(&row.action, action))
            .map(|row| Via::Grant {
                id: row.id.uuid(),
                permission: row.action,
            })
            .collect(),
        Reason::System | Reason::Owner | Reason::Membership | Reason::OutOfScope | Reason::NoRule => {
            Vec::new()
        }
    };
    Ok((decision, via))
}

/// What the person is in the organization that owns the thing: the only membership that matters. Credentials do not list all.
async fn memberships(ctx: &Ctx, user: UserId, owner: Option<Owner>) -> Result<Memberships> {
    let Some(Owner::Organization(organization_id)) = owner else {
        return Ok(Memberships::default());
    };
    let role = members::role_of(&ctx.db, organization_id, user).await?;
    let listed = role.map(|role| Membership {
        organization_id,
        role,
    });
    Ok(Memberships::all(listed.into_iter().collect()))
}

/// What the kernel decides by.
pub(crate) fn grant(row: &GrantRow) -> Grant {
    Grant {
        user_id: row.user_id,
        action: row.action.clone(),
        resource_kind: row.resource_kind.clone(),
        resource_id: row.resource_id,
    }
}

fn permits(held: &str, action: &str) -> bool {
    Permissions::new([held]).permits(action)
}

async fn via_roles(ctx: &Ctx, names: &[String], action: &str) -> Result<Vec<Via>> {
    let mut via = Vec::new();
    for name in names {
        let Some(role) = roles::find(&ctx.db, name).await? else {
            continue;
        };
        let permitting = role.permissions.iter().filter(|held| permits(held, action));
        via.extend(permitting.map(|permission| Via::Role {
            role: name.clone(),
            permission: permission.to_owned(),
        }));
    }
    Ok(via)
}
