//! Scripts, which the server runs as one step.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use redis::{Cmd, ErrorKind, FromRedisValue, Script, ServerErrorKind};

use super::{Redis, link::Link};
use crate::CacheError;

/// A script's text and what the server knows it by.
pub(super) struct Code {
    text: &'static str,
    script: OnceLock<Script>,
}

impl Code {
    pub(super) const fn new(text: &'static str) -> Self {
        Self {
            text,
            script: OnceLock::new(),
        }
    }

    fn hash(&self) -> &str {
        self.script.get_or_init(|| Script::new(self.text)).get_hash()
    }
}

impl Redis {
    /// Runs a script by its hash, and with its text where the server does not know it: after a restart, or on a node
    /// that is new. `fill` adds how many keys there are, the keys, and the arguments.
    pub(super) async fn run<T: FromRedisValue>(
        self: &Arc<Self>,
        operation: &'static str,
        patience: Duration,
        code: &'static Code,
        fill: impl Fn(&mut Cmd),
    ) -> Result<T, CacheError> {
        let filled = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script);
            fill(&mut command);
            command
        };
        let by_hash = filled("EVALSHA", code.hash());
        let work = |mut link: Link| async move {
            match link.send(&by_hash).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    link.send(&filled("EVAL", code.text)).await
                }
                answer => answer,
            }
        };
        self.guarded(operation, patience, work).await
    }
}
