//! Statements on pooled connections: prepared once each, or unnamed where a pooler hands connections around.

use deadpool_postgres::Object;
use futures::join;
use tokio_postgres::{
    Row, Statement,
    types::{ToSql, Type},
};

use super::{
    convert::{bind, engine_error, is_lost},
    lent::Lent,
    open::Session,
};
use crate::{Error, ToValue, parameters::highest_parameter};

/// Prepared statements kept by each connection; then it forgets them all and starts anew.
pub(super) const STATEMENTS: usize = 512;

/// Whether it is planned anew each time: rows found by a subquery are joined with a table, and how to do that depends on their
/// sizes. A plan that was made while both were small, and is kept, reads all of the table later on.
pub(crate) fn is_planned_anew(sql: &str) -> bool {
    sql.contains(" IN (SELECT ")
}

/// A query within a transaction.
pub(super) async fn query(
    client: &Object,
    session: &Session,
    sql: &str,
    params: &[&dyn ToValue],
) -> Result<Vec<Row>, Error> {
    let bound = bind(params);
    if session.pooler || is_planned_anew(sql) {
        check_unnamed(sql, params.len())?;
        let bound: Vec<(&(dyn ToSql + Sync), Type)> =
            bound.iter().map(|one| (one as _, one.natural())).collect();
        return client
            .query_typed(sql, &bound)
            .await
            .map_err(|e| engine_error(&e));
    }
    let statement = prepare(client, sql, params.len()).await?;
    let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|one| one as _).collect();
    client
        .query(&statement, &bound)
        .await
        .map_err(|e| failed(client, sql, &e))
}

/// A statement within a transaction.
pub(super) async fn execute(
    client: &Object,
    session: &Session,
    sql: &str,
    params: &[&dyn ToValue],
) -> Result<u64, Error> {
    if session.pooler || is_planned_anew(sql) {
        check_unnamed(sql, params.len())?;
        return execute_unnamed(client, sql, params)
            .await
            .map_err(|e| engine_error(&e));
    }
    let statement = prepare(client, sql, params.len()).await?;
    let bound = bind(params);
    let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|one| one as _).collect();
    client
        .execute(&statement, &bound)
        .await
        .map_err(|e| failed(client, sql, &e))
}

/// Outside of a transaction: done once the server says so, and open when it could not say.
pub(super) async fn execute_alone(
    lent: Lent,
    session: &Session,
    sql: &str,
    params: &[&dyn ToValue],
) -> Result<u64, Error> {
    let client = lent.client()?;
    let done = if session.pooler {
        check_unnamed(sql, params.len())?;
        // All sent at once. Where the statement fails, COMMIT rolls back.
        let (begun, done, committed) = join!(
            client.batch_execute(session.begin()),
            execute_unnamed(client, sql, params),
            client.batch_execute("COMMIT"),
        );
        begun.and(done).and_then(|count| committed.map(|()| count))
    } else if is_planned_anew(sql) {
        check_unnamed(sql, params.len())?;
        execute_unnamed(client, sql, params).await
    } else {
        let statement = prepare(client, sql, params.len()).await?;
        let bound = bind(params);
        let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|one| one as _).collect();
        client.execute(&statement, &bound).await
    };
    let result = done.map_err(|e| {
        if is_lost(&e) {
            Error::Unknown
        } else {
            failed(client, sql, &e)
        }
    });
    if let Some(client) = lent.give_back()
        && matches!(result, Err(Error::ReadOnly(_)))
    {
        forget(client);
    }
    result
}

/// A read behind a pooler, sent at once with the beginning and the end of its transaction.
pub(super) async fn read_alone(
    client: &Object,
    session: &Session,
    sql: &str,
    params: &[&dyn ToValue],
) -> Result<Vec<Row>, Error> {
    check_unnamed(sql, params.len())?;
    let bound = bind(params);
    let bound: Vec<(&(dyn ToSql + Sync), Type)> = bound.iter().map(|one| (one as _, one.natural())).collect();
    let (begun, found, ended) = join!(
        client.batch_execute(session.begin_reading()),
        client.query_typed(sql, &bound),
        client.batch_execute("COMMIT"),
    );
    begun
        .and(found)
        .and_then(|rows| ended.map(|()| rows))
        .map_err(|e| engine_error(&e))
}

/// Takes a connection out of the pool: its server takes no writes any more, and the next may reach the one that does.
pub(super) fn forget(client: Object) {
    drop(Object::take(client));
}

async fn execute_unnamed(
    client: &Object,
    sql: &str,
    params: &[&dyn ToValue],
) -> Result<u64, tokio_postgres::Error> {
    let bound = bind(params);
    let bound: Vec<(&(dyn ToSql + Sync), Type)> = bound.iter().map(|one| (one as _, one.natural())).collect();
    client.execute_typed(sql, &bound).await
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
    counted(statement.params().len(), given)
}

/// The server itself finds too few, but not too many.
fn check_unnamed(sql: &str, given: usize) -> Result<(), Error> {
    counted(highest_parameter(sql), given)
}

fn counted(wanted: usize, given: usize) -> Result<(), Error> {
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
