//! Rate limits that hold across processes.

use std::sync::Arc;

use redis::Cmd;
use stoa_kernel::Rate;

use super::{Redis, scripts::Code};
use crate::{
    gcra::{Allowance, Verdict},
    key::LimitKey,
};

/// Nanoseconds in the server's unit of time.
const MICROSECOND: i64 = 1000;

static GCRA: Code = Code::new(include_str!("limits.lua"));

/// One limiter's share of the server.
pub(crate) struct SharedLimit {
    redis: Arc<Redis>,
    /// What its keys begin with.
    name: String,
    allowance: Allowance,
}

impl SharedLimit {
    /// None when the rate is off.
    pub(crate) fn new(redis: Arc<Redis>, name: &str, rate: Rate) -> Option<Self> {
        Some(Self {
            // One name may stand for several rates, whose numbers mean different things.
            name: redis.key("limit", &format!("{name}:{rate}:")),
            redis,
            allowance: Allowance::of(rate, MICROSECOND)?,
        })
    }

    pub(crate) fn is_there(&self) -> bool {
        self.redis.is_there()
    }

    pub(crate) async fn check(&self, key: LimitKey) -> Option<Verdict> {
        self.run(key, "check", 1).await
    }

    pub(crate) async fn peek(&self, key: LimitKey) -> Option<Verdict> {
        self.run(key, "peek", 0).await
    }

    pub(crate) async fn spend(&self, key: LimitKey, count: u32) {
        self.run(key, "spend", count).await;
    }

    pub(crate) async fn give_back(&self, key: LimitKey) {
        self.run(key, "give", 1).await;
    }

    pub(crate) async fn reset(&self, key: LimitKey) {
        let command = Cmd::del(self.key(key));
        // Who is counted a little longer than need be is no worse off than before.
        let _: Result<(), _> = self.redis.ask("limit", self.redis.limit_timeout, &command).await;
    }

    /// None when the server does not answer.
    async fn run(&self, key: LimitKey, what: &str, count: u32) -> Option<Verdict> {
        let key = self.key(key);
        let interval = self.allowance.interval / MICROSECOND;
        let fill = |command: &mut Cmd| {
            command
                .arg(1)
                .arg(&key)
                .arg(interval)
                .arg(self.allowance.limit)
                .arg(what)
                .arg(count);
        };
        let answer = self
            .redis
            .run("limit", self.redis.limit_timeout, &GCRA, fill)
            .await;
        let (allowed, spent): (bool, i64) = answer.ok()?;
        Some(self.allowance.verdict(allowed, spent.saturating_mul(MICROSECOND)))
    }

    fn key(&self, key: LimitKey) -> String {
        format!("{}{key}", self.name)
    }
}
