//! Values, as plain strings of bytes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{PATIENCE, Redis, millis, scripts::Code};
use crate::CacheError;

static COUNT: Code = Code::new(include_str!("count.lua"));

impl Redis {
    pub(crate) async fn get(self: &Arc<Self>, key: &str) -> Result<Option<Bytes>, CacheError> {
        let command = Cmd::get(self.key("value", key));
        let kept: Option<Vec<u8>> = self.ask("get", PATIENCE, &command).await?;
        Ok(kept.map(Bytes::from))
    }

    pub(crate) async fn set(
        self: &Arc<Self>,
        key: &str,
        value: &[u8],
        ttl: Duration,
    ) -> Result<(), CacheError> {
        let mut command = redis::cmd("SET");
        command
            .arg(self.key("value", key))
            .arg(value)
            .arg("PX")
            .arg(millis(ttl));
        self.ask("set", PATIENCE, &command).await
    }

    pub(crate) async fn add(
        self: &Arc<Self>,
        key: &str,
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        let mut command = redis::cmd("SET");
        command
            .arg(self.key("value", key))
            .arg(value)
            .arg("NX")
            .arg("PX")
            .arg(millis(ttl));
        let answer: Value = self.ask("add", PATIENCE, &command).await?;
        Ok(answer != Value::Nil)
    }

    pub(crate) async fn count(self: &Arc<Self>, key: &str, ttl: Duration) -> Result<u64, CacheError> {
        let key = self.key("value", key);
        let fill = |command: &mut Cmd| {
            command.arg(1).arg(&key).arg(millis(ttl));
        };
        self.run("count", PATIENCE, &COUNT, fill).await
    }

    pub(crate) async fn remove(self: &Arc<Self>, key: &str) -> Result<(), CacheError> {
        self.ask("remove", PATIENCE, &Cmd::del(self.key("value", key)))
            .await
    }
}
