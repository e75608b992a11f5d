//! The only place with SQL; one aggregate a file.

pub(crate) mod access_keys;
pub(crate) mod blobs;
pub(crate) mod buckets;
pub(crate) mod links;
pub(crate) mod operations;
pub(crate) mod owners;
pub(crate) mod parts;
pub(crate) mod pending;
pub(crate) mod readings;
pub(crate) mod renditions;
pub(crate) mod revocations;
pub(crate) mod unused_chunks;
pub(crate) mod uploads;
pub(crate) mod versions;

use stoa_db::{Db, Engine, Error, FromRow, ToValue};

/// Rows in the order of an index, of which PostgreSQL believes whatever the table was like when it last looked: it may have been empty.
/// It is kept from sorting, so that a backlog is never read as a whole.
async fn in_order<T: FromRow>(db: &Db, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<T>, Error> {
    if db.engine() == Engine::Sqlite {
        return db.fetch_all(sql, params).await;
    }
    let mut tx = db.begin().await?;
    let settings = "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), \
        set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true)";
    tx.fetch_optional::<(String, String, String)>(settings, &[])
        .await?;
    let rows = tx.fetch_all(sql, params).await?;
    tx.commit().await?;
    Ok(rows)
}
