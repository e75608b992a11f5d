//! Statements on pooled connections, prepared once each.

use deadpool_postgres::Object;
use tokio_postgres::{Row, Statement, types::ToSql};

use super::convert::{bind, engine_error, is_lost};
use crate::{Error, ToValue};

/// Prepared statements kept by each connection; then it forgets them all and starts anew.
pub(super) const STATEMENTS: usize = 512;

pub(super) async fn query(client: &Object, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<Row>, Error> {
    let statement = prepare(client, sql, params.len()).await?;
    let bound = bind(params);
    let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|one| one as _).collect();
    client
        .query(&statement, &bound)
        .await
        .map_err(|e| failed(client, sql, &e))
}

pub(super) async fn execute(client: &Object, sql: &str, params: &[&dyn ToValue]) -> Result<u64, Error> {
    let statement = prepare(client, sql, params.len()).await?;
    let bound = bind(params);
    let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|one| one as _).collect();
    client
        .execute(&statement, &bound)
        .await
        .map_err(|e| failed(client, sql, &e))
}

/// Outside of a transaction: done once the server says so, and open when it could not say.
pub(super) async fn execute_alone(client: &Object, sql: &str, params: &[&dyn ToValue]) -> Result<u64, Error> {
    let statement = prepare(client, sql, params.len()).await?;
    let bound = bind(params);
    let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|one| one as _).collect();
    client.execute(&statement, &bound).await.map_err(|e| {
        if is_lost(&e) {
            unknown()
        } else {
            failed(client, sql, &e)
        }
    })
}

/// For a connection that was lost while something was being committed.
pub(super) fn unknown() -> Error {
    Error::Engine("the connection was lost during the commit; whether it was done is not known".to_owned())
}

async fn prepare(client: &Object, sql: &str, given: usize) -> Result<Statement, Error> {
    if client.statement_cache.size() >= STATEMENTS {
        client.statement_cache.clear();
    }
    let statement = client.prepare_cached(sql).await.map_err(|e| engine_error(&e))?;
    check_count(&statement, given)?;
    Ok(statement)
}

pub(super) fn check_count(statement: &Statement, given: usize) -> Result<(), Error> {
    let wanted = statement.params().len();
    if wanted == given {
        return Ok(());
    }
    Err(Error::Engine(format!(
        "{given} parameters were given, and the statement wants {wanted}"
    )))
}

fn failed(client: &Object, sql: &str, error: &tokio_postgres::Error) -> Error {
    // It may have failed because its table has changed since it was prepared.
    client.statement_cache.remove(sql, &[]);
    engine_error(error)
}
