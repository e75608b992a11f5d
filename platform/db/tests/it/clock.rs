//! A clock that jumps.

use std::time::Duration;

use stoa_db::{Db, DbOptions, Engine, testing::TestDatabase};
use stoa_kernel::Clock;

#[tokio::test]
async fn a_jump_ahead_that_does_not_last_is_not_believed() {
    let clock = Clock::adjustable();
    let place = TestDatabase::new(Engine::Sqlite);
    let db = Db::open(DbOptions {
        clock: clock.clone(),
        ..place.options("test")
    })
    .await
    .unwrap();
    let jump = Duration::from_secs(400 * 24 * 3600);
    let before = clock.now();
    clock.advance(jump);
    let (steady, ()) = tokio::join!(db.steady_now(), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        clock.set_back(jump);
    });
    assert!(steady < before + Duration::from_secs(60), "{steady}");
    clock.advance(jump);
    assert!(db.steady_now().await >= before + jump, "what lasts is believed");
}
