//! Reaching the server, and the service's schema on it.

use std::{error::Error as _, time::Duration};

use tokio_postgres::{Config, NoTls};

use crate::{DbOptions, Error};

/// The longest name that PostgreSQL keeps whole.
const LONGEST_NAME: usize = 63;
/// A server that gives no sign for so long is taken for lost.
const SILENCE: Duration = Duration::from_secs(30);

/// The schema's name, checked: it stands in statements, where it cannot be a parameter.
pub(super) fn schema(options: &DbOptions) -> Result<&str, Error> {
    let name = options.schema.as_deref().unwrap_or(&options.service);
    let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let rest = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if first && rest && name.len() <= LONGEST_NAME && !name.starts_with("pg_") {
        return Ok(name);
    }
    Err(Error::Open(format!(
        "{name:?} cannot name a schema: use a-z, 0-9 and _, begin with a letter, not with pg_, and stay within {LONGEST_NAME}"
    )))
}

/// How each connection is made: in the service's schema and in UTC.
pub(super) fn config(options: &DbOptions) -> Result<Config, Error> {
    let schema = schema(options)?;
    // Not the address itself: a password may stand in it.
    let mut config: Config = options
        .url
        .parse()
        .map_err(|e| Error::Open(format!("the address of PostgreSQL cannot be read: {e}")))?;
    let limit = options.statement_timeout.as_millis();
    let given = config.get_options().unwrap_or_default().to_owned();
    config
        .options(format!(
            "{given} -c search_path={schema} -c timezone=UTC -c statement_timeout={limit} \
             -c idle_in_transaction_session_timeout={limit}"
        ))
        .application_name(format!("stoa {}", options.service))
        .connect_timeout(Duration::from_secs(10))
        .keepalives_idle(SILENCE)
        .tcp_user_timeout(SILENCE);
    Ok(config)
}

/// Makes the schema if there is none.
pub(super) async fn make_schema(config: &Config, schema: &str) -> Result<(), Error> {
    let (client, connection) = config.connect(NoTls).await.map_err(|e| opened(&e))?;
    let driver = tokio::spawn(connection);
    // Another starter may win between the look and the making, and a role that may not make schemas may use one that is there.
    let made = client
        .batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\""))
        .await;
    let there = client
        .query_opt("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&schema])
        .await;
    driver.abort();
    match (there, made) {
        (Ok(Some(_)), _) | (_, Ok(())) => Ok(()),
        (_, Err(error)) => Err(opened(&error)),
    }
}

fn opened(error: &tokio_postgres::Error) -> Error {
    let said = match (error.as_db_error(), error.source()) {
        (Some(db), _) => db.message().to_owned(),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    };
    Error::Open(format!("PostgreSQL: {said}"))
}
