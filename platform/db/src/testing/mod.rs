//! For tests: a database of its own for each, on either engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "only tests use it"
)]

mod plans;

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
};

use futures::FutureExt;
use stoa_kernel::{Clock, random};
use tokio_postgres::{NoTls, types::Type};

use crate::{Db, DbOptions, Engine};
pub use plans::{Statements, Waste, analyze};

/// What a [`db_test`](crate::db_test) can be handed: made before the test, taken down after it.
pub trait DbTest: Sized {
    /// What is left to take down when the test is over.
    type Guard;
    /// Makes it on this engine.
    fn setup(engine: Engine) -> impl Future<Output = (Self, Self::Guard)>;
    /// Takes it down again.
    fn teardown(guard: Self::Guard) -> impl Future<Output = ()>;
}

/// Runs one test on one engine, on a runtime of several threads.
pub fn run<T: DbTest, F: Future<Output = ()>>(engine: Engine, story: impl FnOnce(T) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (given, guard) = T::setup(engine).await;
        let told = AssertUnwindSafe(story(given)).catch_unwind().await;
        T::teardown(guard).await;
        if let Err(panic) = told {
            resume_unwind(panic);
        }
    });
}

/// Room on one engine for the databases of one test: a folder, or schemas with a prefix of their own.
pub struct TestDatabase {
    engine: Engine,
    folder: PathBuf,
    prefix: String,
}

impl TestDatabase {
    /// Makes room.
    ///
    /// # Panics
    /// When there is no PostgreSQL to test with: its tests never pass by being left out.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        if engine == Engine::Postgres {
            let _ = postgres_url();
        }
        let name = format!("t{}", u64::from_be_bytes(random::bytes()));
        let folder = std::env::temp_dir().join(format!("stoa-{name}"));
        std::fs::create_dir_all(&folder).expect("the folder for temporary files can be written to");
        Self {
            engine,
            folder,
            prefix: name,
        }
    }

    /// How to open the database of `service` here. The same again for the same service.
    #[must_use]
    pub fn options(&self, service: &str) -> DbOptions {
        let url = match self.engine {
            Engine::Sqlite => format!("sqlite:{}", self.folder.join(format!("{service}.db")).display()),
            Engine::Postgres => postgres_url(),
        };
        let mut options = DbOptions::new(url, service);
        options.schema = Some(format!("{}_{service}", self.prefix));
        options.pooler = std::env::var_os("STOA_TEST_POSTGRES_POOLER").is_some();
        options.durable = false;
        options.clock = Clock::adjustable();
        options
    }

    /// The folder, for files beside the databases.
    #[must_use]
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Removes everything that was made here. Dropping removes the folder alone.
    pub async fn remove(self) {
        if self.engine == Engine::Sqlite {
            return;
        }
        let (client, connection) = tokio_postgres::connect(&postgres_url(), NoTls)
            .await
            .expect("PostgreSQL answers");
        let driver = tokio::spawn(connection);
        let pattern = format!("{}\\_%", self.prefix);
        let schemas = client
            .query_typed(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE $1",
                &[(&pattern, Type::TEXT)],
            )
            .await
            .unwrap();
        for schema in schemas {
            let name: String = schema.get(0);
            client
                .batch_execute(&format!("DROP SCHEMA {name} CASCADE"))
                .await
                .unwrap();
        }
        driver.abort();
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn postgres_url() -> String {
    std::env::var("STOA_TEST_POSTGRES_URL").expect(
        "tests on PostgreSQL need one: run `make test`, which starts it, or set STOA_TEST_POSTGRES_URL=postgres://user@host:port/database",
    )
}

impl DbTest for Db {
    type Guard = (Self, TestDatabase);

    async fn setup(engine: Engine) -> (Self, Self::Guard) {
        let place = TestDatabase::new(engine);
        let db = Self::open(place.options("test"))
            .await
            .expect("the test's database opens");
        (db.clone(), (db, place))
    }

    async fn teardown((db, place): Self::Guard) {
        db.close().await;
        place.remove().await;
    }
}
