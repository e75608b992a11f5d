//! What a long log costs: no more than a short one.

use stoa_audit::{Sealer, Sealing};
use stoa_db::{
    Engine, db_test,
    testing::{Statements, analyze},
};

use crate::log::{Log, key};

#[db_test]
async fn writing_sealing_and_reading_go_by_index_however_long_the_log_is(log: Log) {
    let statements = Statements::of(&log.db);
    log.write(0).await;
    analyze(&log.db).await;
    let sealer = Sealer::start(log.db.clone(), Sealing::new(key()));
    for number in 1..40 {
        log.write(number).await;
    }
    log.settle().await;
    sealer.stop().await;
    log.verify().await;
    assert!(statements.count() > 5);
    for long in [false, true] {
        if long {
            let id = match log.db.engine() {
                Engine::Sqlite => "randomblob(16)",
                Engine::Postgres => "gen_random_uuid()",
            };
            let sql = format!(
                "INSERT INTO audit (id, at, action, resource_kind, detail, seq, hash) \
                 WITH RECURSIVE n (i) AS (SELECT CAST(1000 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 30000) \
                 SELECT {id}, $1, 'thing.change', 'thing', '{{}}', i, NULL FROM n"
            );
            log.db.execute(&sql, &[&log.db.clock().now()]).await.unwrap();
        }
        let waste = statements.waste(&log.db).await;
        assert!(waste.is_empty(), "{waste:#?}");
        analyze(&log.db).await;
    }
}
