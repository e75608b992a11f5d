//! Caches on each engine. The servers are shared by the tests that run at the same time; each test has a prefix of its own.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stoa_cache::{Cache, CacheConfig, LimitKey};
use stoa_engines::{Redis, RedisCluster};
use stoa_kernel::{Clock, Period, Rate};

/// The machine may be busy with other tests: no request is to be counted elsewhere because of that.
const PATIENT: Duration = Duration::from_secs(5);

pub(crate) fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

pub(crate) fn key(n: u32) -> LimitKey {
    LimitKey::hash(&[&n.to_be_bytes()])
}

/// A prefix that no other test has.
pub(crate) fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn config(url: &str, prefix: &str) -> CacheConfig {
    CacheConfig {
        max_mib: 1,
        url: url.to_owned(),
        prefix: prefix.to_owned(),
        limit_timeout: Period(PATIENT),
    }
}

pub(crate) async fn open(url: &str, prefix: &str) -> Cache {
    Cache::open(&config(url, prefix), Clock::system()).await.unwrap()
}

/// A place where caches are opened that share what they keep; for the local engine they are clones.
pub(crate) struct Fixture {
    url: String,
    prefix: String,
    local: Cache,
    handed_out: Mutex<Vec<Cache>>,
    /// Held for as long as the test runs.
    _server: Option<Server>,
}

#[allow(dead_code, reason = "they are held, not looked at")]
enum Server {
    Single(Arc<Redis>),
    Cluster(Arc<RedisCluster>),
}

impl Fixture {
    pub(crate) async fn local() -> Self {
        Self::at(String::new(), None)
    }

    pub(crate) async fn redis() -> Self {
        static SHARED: Mutex<Weak<Redis>> = Mutex::new(Weak::new());
        let server = shared(&SHARED, Redis::start).await;
        Self::at(server.url(), Some(Server::Single(server)))
    }

    pub(crate) async fn cluster() -> Self {
        static SHARED: Mutex<Weak<RedisCluster>> = Mutex::new(Weak::new());
        let server = shared(&SHARED, RedisCluster::start).await;
        Self::at(server.url(), Some(Server::Cluster(server)))
    }

    fn at(url: String, server: Option<Server>) -> Self {
        Self {
            url,
            prefix: prefix(),
            local: Cache::local(1 << 20),
            handed_out: Mutex::default(),
            _server: server,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// One more process, as it were.
    pub(crate) async fn cache(&self) -> Cache {
        let cache = if self.url.is_empty() {
            self.local.clone()
        } else {
            open(&self.url, &self.prefix).await
        };
        self.handed_out.lock().unwrap().push(cache.clone());
        cache
    }

    /// Fails the test if a server was given up meanwhile: what was seen of limits then says nothing of it.
    pub(crate) async fn expect_unbroken(&self) {
        let caches = self.handed_out.lock().unwrap().clone();
        for cache in caches {
            cache.ping().await.expect("the server was there all the time");
        }
    }
}

/// The server that is running, or a new one.
async fn shared<T: Send + Sync>(
    running: &'static Mutex<Weak<T>>,
    start: impl FnOnce() -> T + Send + 'static,
) -> Arc<T> {
    let get = move || {
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let server = Arc::new(start());
            *running = Arc::downgrade(&server);
            server
        })
    };
    tokio::task::spawn_blocking(get).await.unwrap()
}

/// Makes a test of each story for each engine.
macro_rules! on_every_engine {
    ($($story:ident),* $(,)?) => {
        on_every_engine!(@ local: $($story),*);
        on_every_engine!(@ redis: $($story),*);
        on_every_engine!(@ cluster: $($story),*);
    };
    (@ $engine:ident: $($story:ident),*) => {
        mod $engine {
            $(
                #[tokio::test]
                async fn $story() {
                    let fixture = crate::fixture::Fixture::$engine().await;
                    super::$story(&fixture).await;
                    fixture.expect_unbroken().await;
                }
            )*
        }
    };
}
pub(crate) use on_every_engine;
