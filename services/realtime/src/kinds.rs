//! The channels that are always there.

use stoa_http::Access as _;
use stoa_service::{ChannelHistory, ChannelInfo, ChannelPermission, ChannelSubject};

use crate::scopes::{RealtimePublish, RealtimeRead};

const DAY: u32 = 24 * 3600;

const READ: ChannelPermission = ChannelPermission {
    name: RealtimeRead::NAME,
    organization_roles: RealtimeRead::ORGANIZATION_ROLES,
};
const PUBLISH: ChannelPermission = ChannelPermission {
    name: RealtimePublish::NAME,
    organization_roles: RealtimePublish::ORGANIZATION_ROLES,
};

pub(crate) const CHANNELS: &[ChannelInfo] = &[
    ChannelInfo {
        prefix: "user",
        about: "what concerns one person, on all of their devices",
        subject: ChannelSubject::Person,
        subscribe: READ,
        publish: Some(PUBLISH),
        presence: false,
        history: ChannelHistory {
            size: 500,
            seconds: DAY,
        },
    },
    ChannelInfo {
        prefix: "organization",
        about: "what concerns the members of an organization",
        subject: ChannelSubject::Organization,
        subscribe: READ,
        publish: Some(PUBLISH),
        presence: true,
        history: ChannelHistory {
            size: 1000,
            seconds: DAY,
        },
    },
];
