//! Behind PgBouncer in transaction mode.

use std::process::Command;

use stoa_db::{Db, DbOptions, Error};
use stoa_engines::{PgBouncer, Postgres};

/// The same stories that are told of PostgreSQL without a pooler, by this very binary in a process of its own.
#[test]
fn every_story_of_postgresql_is_the_same_behind_a_pooler() {
    let postgres = Postgres::start();
    let pooler = PgBouncer::start(&postgres);
    let told = Command::new(std::env::current_exe().unwrap())
        .args(["::postgres", "connections::", "schema_name"])
        .env("STOA_TEST_POSTGRES_URL", pooler.url())
        .env("STOA_TEST_POSTGRES_POOLER", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success(), "{said}");
    assert!(
        !said.contains("running 0 tests") && said.matches("... ok").count() > 25,
        "{said}"
    );
}

#[tokio::test]
async fn a_pooler_that_nobody_spoke_of_is_found_out() {
    let postgres = Postgres::start();
    let pooler = PgBouncer::start(&postgres);
    let refused = Db::open(DbOptions::new(pooler.url(), "test")).await.err();
    assert!(
        matches!(&refused, Some(Error::Open(said)) if said.contains("set pooler = true")),
        "{refused:?}"
    );
}
