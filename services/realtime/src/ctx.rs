//! What every handler, job and subscription of this service is given.

use std::{ops::Deref, sync::Arc};

use parking_lot::Mutex;
use stoa_auth_api::Access;
use stoa_cache::{Cache, Limiter};
use stoa_db::Db;
use stoa_events::Channel;
use stoa_http::{KeyAuthority, Verifier};
use stoa_kernel::Clock;
use stoa_service::{ChannelInfo, Env};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::{
    RealtimeConfig,
    hub::{Connections, Hub, Leaving, Node, Published, tell_others},
    ops::publish::Queues,
};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ctx(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) cache: Cache,
    pub(crate) clock: Clock,
    pub(crate) verifier: Verifier,
    pub(crate) keys: Arc<dyn KeyAuthority>,
    pub(crate) access: Access,
    pub(crate) hub: Hub,
    pub(crate) node: Node,
    pub(crate) queues: Queues,
    leaving: Mutex<Option<UnboundedReceiver<Leaving>>>,
    pub(crate) config: RealtimeConfig,
    /// In this process: a command is not to wait for another server to count it.
    pub(crate) commands: Limiter,
    pub(crate) publishes: Limiter,
    pub(crate) tickets: Limiter,
    pub(crate) draining: CancellationToken,
    kinds: Arc<[ChannelInfo]>,
}

impl Ctx {
    pub(crate) fn new(env: Env, config: RealtimeConfig) -> Self {
        let here = env.cache.here();
        let (leaving, left) = unbounded_channel();
        Self(Arc::new(Parts {
            hub: Hub::new(Connections::new(&config), leaving),
            node: Node::new(),
            queues: Queues::default(),
            leaving: Mutex::new(Some(left)),
            commands: here.limiter("realtime.commands", config.commands_per_connection),
            publishes: here.limiter("realtime.publishes", config.publishes_per_user),
            tickets: here.limiter("realtime.tickets", config.tickets_per_user),
            access: Access::new(&env.rpc),
            db: env.db,
            cache: env.cache,
            clock: env.clock,
            verifier: env.verifier,
            keys: env.keys,
            draining: env.draining,
            kinds: env.channels,
            config,
        }))
    }

    /// What is known of channels like this one.
    pub(crate) fn kind_of(&self, channel: &Channel) -> Option<ChannelInfo> {
        let prefix = channel.prefix();
        self.kinds.iter().find(|kind| kind.prefix == prefix).copied()
    }

    /// Connections that have left channels: for the one who counts them out.
    pub(crate) fn leaving(&self) -> Option<UnboundedReceiver<Leaving>> {
        self.leaving.lock().take()
    }

    /// Hints to other processes at what was published to a channel.
    pub(crate) async fn tell_others(&self, published: &[Published]) {
        tell_others(&self.cache, published).await;
    }
}

impl Deref for Ctx {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
