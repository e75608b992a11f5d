//! Who is acting, and the one function that decides what they may do.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Memberships, OrganizationId, OrganizationRole, Owner, SessionId, UserId};

/// What every API key begins with.
pub const API_KEY_PREFIX: &str = "stoa_key_";

/// How the caller proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A signed-in person, by access token or cookie.
    User,
    /// A program, by an API key of a person's; its scopes narrow what the person may do.
    ApiKey,
    /// Stoa itself: jobs, subscriptions, the command line.
    System,
}

/// The acting person or program. Cheap to clone inside an `Arc`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Principal {
    /// How they proved it.
    pub kind: PrincipalKind,
    /// The account that acts, or on whose behalf a key acts.
    pub user_id: UserId,
    /// The sign-in, for people.
    pub session_id: Option<SessionId>,
    /// Names of roles held, for display.
    pub roles: Vec<String>,
    /// What the roles (for a key: the roles and the scopes together) permit on everybody's things.
    pub permissions: Permissions,
    /// What a key is narrowed to, on its owner's own things as well; none for a person, who is not narrowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Permissions>,
    /// The organizations that they are a member of; for an organization's key, that one alone.
    #[serde(default)]
    pub memberships: Memberships,
    /// For an organization's key: the organization, which it acts for. Then `user_id` is only who made the key, and nothing of theirs is
    /// in its reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
}

impl Principal {
    /// Somebody who has nothing yet beside who they are: no session, roles, scopes or memberships.
    #[must_use]
    pub fn new(kind: PrincipalKind, user_id: UserId) -> Self {
        Self {
            kind,
            user_id,
            session_id: None,
            roles: Vec::new(),
            permissions: Permissions::default(),
            scopes: None,
            memberships: Memberships::default(),
            organization_id: None,
        }
    }

    /// Whether the credentials are meant for `action` at all, no matter who owns the thing. A person's are for everything; a key
    /// without scopes is for nothing.
    #[must_use]
    pub fn in_scope(&self, action: &str) -> bool {
        match &self.scopes {
            Some(scopes) => scopes.permits(action),
            None => self.kind != PrincipalKind::ApiKey,
        }
    }
}

/// A set of permissions: `users.read`, a whole noun `users.*`, or everything `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(Arc<BTreeSet<String>>);

impl Permissions {
    /// The set of these names.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self(Arc::new(names.into_iter().map(Into::into).collect()))
    }

    /// Whether `action` is in the set, by its name, its noun's `*`, or `*`.
    #[must_use]
    pub fn permits(&self, action: &str) -> bool {
        self.0.contains("*")
            || self.0.contains(action)
            || action
                .split_once('.')
                .is_some_and(|(noun, _)| self.0.contains(&format!("{noun}.*")))
    }

    /// What both sets permit.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let here = self.iter().filter(|name| other.permits(name));
        let there = other.iter().filter(|name| self.permits(name));
        Self::new(here.chain(there))
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action<'a> {
    /// The permission that it needs: `noun.verb`.
    pub name: &'a str,
    /// The roles that hold the permission on their organization's things.
    pub organization_roles: &'a [OrganizationRole],
}

impl<'a> From<&'a str> for Action<'a> {
    /// One that no role in an organization holds.
    fn from(name: &'a str) -> Self {
        Self {
            name,
            organization_roles: &[],
        }
    }
}

/// What is acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource<'a> {
    /// The kind of thing, such as `profile`.
    pub kind: &'a str,
    /// Which one; none for the whole collection.
    pub id: Option<Uuid>,
    /// Whose it is, if it is somebody's.
    pub owner: Option<Owner>,
}

impl<'a> Resource<'a> {
    /// The whole collection of a kind.
    #[must_use]
    pub const fn all(kind: &'a str) -> Self {
        Self {
            kind,
            id: None,
            owner: None,
        }
    }

    /// One thing that is somebody's own.
    #[must_use]
    pub fn owned(kind: &'a str, id: Uuid, owner: impl Into<Owner>) -> Self {
        Self {
            kind,
            id: Some(id),
            owner: Some(owner.into()),
        }
    }
}

/// A permission given to one user on one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who was given it.
    pub user_id: UserId,
    /// The action, or a noun's `*`.
    pub action: String,
    /// The kind of thing.
    pub resource_kind: String,
    /// Which one.
    pub resource_id: Uuid,
}

/// The answer of [`allow`], and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// May they?
    pub allowed: bool,
    /// The rule that decided.
    pub reason: Reason,
}

/// The rule that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Stoa itself acts.
    System,
    /// A role (or, for a key, a role and a scope) permits the action on every such thing.
    Role,
    /// It is their own.
    Owner,
    /// Their role in the organization whose it is permits the action.
    Membership,
    /// They were given it on this one thing.
    Grant,
    /// The key's scopes do not name the action.
    OutOfScope,
    /// No rule permits it.
    NoRule,
}

/// Decides whether `principal` may do `action` (`noun.verb`) to `resource`, given the grants they hold.
/// Every surface asks this function and no other.
#[must_use]
pub fn allow<'a>(
    principal: &Principal,
    action: impl Into<Action<'a>>,
    resource: &Resource<'_>,
    grants: &[Grant],
) -> Decision {
    let Action {
        name: action,
        organization_roles,
    } = action.into();
    let yes = |reason| Decision {
        allowed: true,
        reason,
    };
    let no = |reason| Decision {
        allowed: false,
        reason,
    };
    if principal.kind == PrincipalKind::System {
        return yes(Reason::System);
    }
    // A key acts only within its scopes, on its owner's things as well.
    if !principal.in_scope(action) {
        return no(Reason::OutOfScope);
    }
    if principal.permissions.permits(action) {
        return yes(Reason::Role);
    }
    let role = match resource.owner {
        Some(Owner::Organization(id)) => principal.memberships.role_in(id),
        _ => None,
    };
    if role.is_some_and(|role| organization_roles.contains(&role)) {
        return yes(Reason::Membership);
    }
    // What follows is the person's, and an organization's key does not act for them.
    if principal.organization_id.is_some() {
        return no(Reason::NoRule);
    }
    if resource.owner == Some(Owner::User(principal.user_id)) {
        return yes(Reason::Owner);
    }
    let granted = resource.id.is_some_and(|id| {
        grants.iter().any(|grant| {
            grant.user_id == principal.user_id
                && grant.resource_id == id
                && grant.resource_kind == resource.kind
                && Permissions::new([grant.action.as_str()]).permits(action)
        })
    });
    if granted {
        yes(Reason::Grant)
    } else {
        no(Reason::NoRule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, Id, Membership};

    fn user() -> UserId {
        Id::new(&Clock::system())
    }

    fn principal(kind: PrincipalKind, permissions: &[&str]) -> Principal {
        let permissions = Permissions::new(permissions.iter().copied());
        Principal {
            permissions,
            ..Principal::new(kind, user())
        }
    }

    /// A key of somebody whose roles permit `permissions`.
    fn key(permissions: &[&str], scopes: &[&str]) -> Principal {
        Principal {
            scopes: Some(Permissions::new(scopes.iter().copied())),
            ..principal(PrincipalKind::ApiKey, permissions)
        }
    }

    fn thing() -> Uuid {
        user().uuid()
    }

    /// The decision on somebody else's profile.
    fn on_anothers(principal: &Principal, action: &str) -> Decision {
        allow(
            principal,
            action,
            &Resource::owned("profile", thing(), user()),
            &[],
        )
    }

    fn yes(reason: Reason) -> Decision {
        Decision {
            allowed: true,
            reason,
        }
    }

    fn no(reason: Reason) -> Decision {
        Decision {
            allowed: false,
            reason,
        }
    }

    #[test]
    fn permissions_are_names_whole_nouns_or_everything() {
        for (held, action, permitted) in [
            (&["users.read"][..], "users.read", true),
            (&["users.read"], "users.write", false),
            (&["users.read"], "users.read.all", false),
            (&["users.*"], "users.write", true),
            (&["users.*"], "users2.write", false),
            (&["users.*"], "users", false),
            (&["user.*"], "users.write", false),
            (&["*"], "users.write", true),
            (&["*"], "anything", true),
            (&["*.write"], "users.write", false),
            (&[], "users.write", false),
            (&[], "", false),
        ] {
            assert_eq!(
                Permissions::new(held.iter().copied()).permits(action),
                permitted,
                "{held:?} {action}"
            );
        }
    }

    #[test]
    fn stoa_itself_may_do_everything() {
        assert_eq!(
            on_anothers(&principal(PrincipalKind::System, &[]), "users.write"),
            yes(Reason::System)
        );
    }

    #[test]
    fn a_role_permits_on_everybodys_things() {
        let admin = principal(PrincipalKind::User, &["users.*"]);
        assert_eq!(on_anothers(&admin, "users.write"), yes(Reason::Role));
        assert_eq!(
            allow(&admin, "users.read", &Resource::all("profile"), &[]),
            yes(Reason::Role)
        );
        assert_eq!(on_anothers(&admin, "auth.write"), no(Reason::NoRule));
    }

    #[test]
    fn people_may_do_everything_to_what_is_theirs_and_nothing_to_what_is_not() {
        let person = principal(PrincipalKind::User, &[]);
        let own = Resource::owned("profile", thing(), person.user_id);
        assert_eq!(allow(&person, "users.write", &own, &[]), yes(Reason::Owner));
        assert_eq!(on_anothers(&person, "users.read"), no(Reason::NoRule));
        assert_eq!(
            allow(&person, "users.read", &Resource::all("profile"), &[]),
            no(Reason::NoRule)
        );
    }

    #[test]
    fn both_of_two_sets_permit_what_each_of_them_does() {
        for (one, other, both) in [
            (
                &["*"][..],
                &["users.read", "files.*"][..],
                &["files.*", "users.read"][..],
            ),
            (&["users.*"], &["users.read", "files.read"], &["users.read"]),
            (&["users.read"], &["users.read"], &["users.read"]),
            (&["*"], &["*"], &["*"]),
            (&["users.read"], &["users.write"], &[]),
            (&["users.read"], &[], &[]),
        ] {
            let set = |names: &[&str]| Permissions::new(names.iter().copied());
            assert_eq!(set(one).and(&set(other)), set(both), "{one:?} {other:?}");
            assert_eq!(set(other).and(&set(one)), set(both), "{other:?} {one:?}");
        }
    }

    #[test]
    fn a_key_never_goes_beyond_its_scopes() {
        let key = key(&["*"], &["users.read"]);
        let own = Resource::owned("profile", thing(), key.user_id);
        assert_eq!(allow(&key, "users.read", &own, &[]), yes(Reason::Role));
        assert_eq!(allow(&key, "users.write", &own, &[]), no(Reason::OutOfScope));
        assert_eq!(on_anothers(&key, "users.write"), no(Reason::OutOfScope));
        let grant = grant(&key, "users.write", "profile", own.id);
        assert_eq!(allow(&key, "users.write", &own, &[grant]), no(Reason::OutOfScope));
        let unnarrowed = principal(PrincipalKind::ApiKey, &["*"]);
        assert_eq!(on_anothers(&unnarrowed, "users.read"), no(Reason::OutOfScope));
    }

    #[test]
    fn a_scope_gives_no_more_than_its_owner_has() {
        let key = key(&[], &["users.read"]);
        let own = Resource::owned("profile", thing(), key.user_id);
        assert_eq!(allow(&key, "users.read", &own, &[]), yes(Reason::Owner));
        assert_eq!(on_anothers(&key, "users.read"), no(Reason::NoRule));
        let file = Resource::owned("file", thing(), user());
        let given = [grant(&key, "users.read", "file", file.id)];
        assert_eq!(allow(&key, "users.read", &file, &given), yes(Reason::Grant));
    }

    fn grant(to: &Principal, action: &str, kind: &str, id: Option<Uuid>) -> Grant {
        let resource_id = id.unwrap_or_else(thing);
        Grant {
            user_id: to.user_id,
            action: action.to_owned(),
            resource_kind: kind.to_owned(),
            resource_id,
        }
    }

    #[test]
    fn a_grant_holds_for_its_user_action_kind_and_thing_alone() {
        let person = principal(PrincipalKind::User, &[]);
        let file = Resource::owned("file", thing(), user());
        for action in ["files.read", "files.*", "*"] {
            let given = [grant(&person, action, "file", file.id)];
            assert_eq!(
                allow(&person, "files.read", &file, &given),
                yes(Reason::Grant),
                "{action}"
            );
        }
        let another = principal(PrincipalKind::User, &[]);
        let given = [
            grant(&another, "files.read", "file", file.id),
            grant(&person, "files.write", "file", file.id),
            grant(&person, "files.read", "folder", file.id),
            grant(&person, "files.read", "file", None),
        ];
        assert_eq!(allow(&person, "files.read", &file, &given), no(Reason::NoRule));
        assert_eq!(
            allow(&person, "files.read", &Resource::all("file"), &given),
            no(Reason::NoRule)
        );
    }

    const READ: Action<'static> = Action {
        name: "files.read",
        organization_roles: &[
            OrganizationRole::Guest,
            OrganizationRole::Member,
            OrganizationRole::Admin,
            OrganizationRole::Owner,
        ],
    };
    const WRITE: Action<'static> = Action {
        name: "files.write",
        organization_roles: &[OrganizationRole::Member, OrganizationRole::Owner],
    };

    fn membership(organization_id: OrganizationId, role: OrganizationRole) -> Memberships {
        Memberships::all(vec![Membership {
            organization_id,
            role,
        }])
    }

    #[test]
    fn a_member_may_do_to_the_organizations_things_what_the_permission_says_of_the_role() {
        let organization: OrganizationId = Id::new(&Clock::system());
        let file = Resource::owned("file", thing(), organization);
        let anothers: OrganizationId = Id::new(&Clock::system());
        for (role, may_write) in [
            (OrganizationRole::Guest, false),
            (OrganizationRole::Member, true),
            (OrganizationRole::Admin, false),
            (OrganizationRole::Owner, true),
        ] {
            let member = Principal {
                memberships: membership(organization, role),
                ..principal(PrincipalKind::User, &[])
            };
            assert_eq!(allow(&member, READ, &file, &[]), yes(Reason::Membership));
            assert_eq!(allow(&member, WRITE, &file, &[]).allowed, may_write, "{role:?}");
            // A permission that names no role is none of theirs.
            assert_eq!(allow(&member, "files.read", &file, &[]), no(Reason::NoRule));
            let other = Resource::owned("file", thing(), anothers);
            assert_eq!(allow(&member, READ, &other, &[]), no(Reason::NoRule));
        }
    }

    #[test]
    fn an_organization_with_the_id_of_a_person_is_not_that_person() {
        let person = principal(PrincipalKind::User, &[]);
        let namesake = OrganizationId::from_uuid(person.user_id.uuid());
        let file = Resource::owned("file", thing(), namesake);
        assert_eq!(allow(&person, READ, &file, &[]), no(Reason::NoRule));
    }

    #[test]
    fn an_organizations_key_reaches_nothing_of_the_person_who_made_it() {
        let organization: OrganizationId = Id::new(&Clock::system());
        let key = Principal {
            memberships: membership(organization, OrganizationRole::Member),
            organization_id: Some(organization),
            ..key(&[], &["files.*"])
        };
        let file = Resource::owned("file", thing(), organization);
        assert_eq!(allow(&key, WRITE, &file, &[]), yes(Reason::Membership));
        let makers = Resource::owned("file", thing(), key.user_id);
        let granted = grant(&key, "files.*", "file", makers.id);
        assert_eq!(allow(&key, WRITE, &makers, &[granted]), no(Reason::NoRule));
        let unscoped = Action {
            name: "members.write",
            ..WRITE
        };
        assert_eq!(allow(&key, unscoped, &file, &[]), no(Reason::OutOfScope));
    }
}
