//! The channels that a service has for clients with an open connection.

use stoa_kernel::{Action, OrganizationRole};

/// The channels of one prefix: `order:<id>`. What a service publishes there by `tx.publish` reaches those who have subscribed.
#[derive(Clone, Copy, Debug)]
pub struct ChannelInfo {
    /// What stands before the colon, of `a-z`, `0-9` and `_`. Each belongs to one service.
    pub prefix: &'static str,
    /// What it is for, in a line.
    pub about: &'static str,
    /// What stands behind the colon.
    pub subject: ChannelSubject,
    /// What subscribing, history and presence need.
    pub subscribe: ChannelPermission,
    /// What publishing by clients needs; none where only services publish.
    pub publish: Option<ChannelPermission>,
    /// Whether it is kept who is there.
    pub presence: bool,
    /// How much of what was published is kept.
    pub history: ChannelHistory,
}

/// Whose a channel is: what its permissions are asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelSubject {
    /// The id of a person, to whom alone it is open.
    Person,
    /// The id of an organization, open to members in the permission's roles.
    Organization,
    /// The id of a thing of this kind, open to those who hold the permission by role, or by a grant on the thing.
    Thing(&'static str),
}

/// A permission or scope on a channel's subject.
#[derive(Clone, Copy, Debug)]
pub struct ChannelPermission {
    /// `noun.verb`: the name of a permission or scope that some endpoint asks for as well, so that roles and API keys can have it.
    pub name: &'static str,
    /// The roles that hold it on the channel of their organization.
    pub organization_roles: &'static [OrganizationRole],
}

impl ChannelPermission {
    /// One that no role in an organization holds.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self {
            name,
            organization_roles: &[],
        }
    }

    /// As [`stoa_kernel::allow`] is asked.
    #[must_use]
    pub const fn action(self) -> Action<'static> {
        Action {
            name: self.name,
            organization_roles: self.organization_roles,
        }
    }
}

/// How much of what was published to a channel is kept, for those who come back: whichever is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelHistory {
    /// Messages.
    pub size: u32,
    /// Seconds.
    pub seconds: u32,
}
