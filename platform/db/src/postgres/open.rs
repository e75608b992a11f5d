//! Reaching the server, and the service's schema on it.

use tokio_postgres::{Client, types::Type};

use super::address::Address;
use crate::{DbOptions, Error};

/// The longest name that PostgreSQL keeps whole.
const LONGEST_NAME: usize = 63;
/// The oldest server that is supported: 15.
const OLDEST: i32 = 150_000;

/// The schema's name, checked: it stands in statements, where it cannot be a parameter.
pub(super) fn schema(options: &DbOptions) -> Result<&str, Error> {
    let name = options.schema.as_deref().unwrap_or(&options.service);
    check_name(name)?;
    Ok(name)
}

/// Refuses a name that is not one for a schema, a role or a database everywhere without being quoted.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let rest = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if first && rest && name.len() <= LONGEST_NAME && !name.starts_with("pg_") {
        return Ok(());
    }
    Err(Error::Open(format!(
        "{name:?} cannot name a schema, role or database: use a-z, 0-9 and _, begin with a letter, not with pg_, and stay within {LONGEST_NAME}"
    )))
}

/// How the connections of a service keep to its schema, to UTC, to its time limit and to plans by index.
#[derive(Clone)]
pub(super) struct Session {
    /// Behind a pooler that gives a connection for one transaction there is no session: nothing may be set or prepared for
    /// longer than that.
    pub(super) pooler: bool,
    begin: String,
    begin_reading: String,
}

impl Session {
    /// Sets up `address` for the service.
    pub(super) fn new(address: &mut Address, options: &DbOptions) -> Result<Self, Error> {
        let schema = schema(options)?;
        let limit = options.statement_timeout.as_millis();
        let settings = [
            ("search_path", schema.to_owned()),
            ("timezone", "UTC".to_owned()),
            ("statement_timeout", limit.to_string()),
            ("idle_in_transaction_session_timeout", limit.to_string()),
            // Plans by index whatever the statistics say: a plan that was made while a table was nearly empty, and is kept,
            // reads the whole of it later on.
            ("enable_seqscan", "off".to_owned()),
            // Where no index serves, a plan counts as so costly that it would be compiled each time.
            ("jit", "off".to_owned()),
        ];
        let config = address.config();
        config.application_name(format!("stoa {}", options.service));
        if !options.pooler {
            let mut given = config.get_options().unwrap_or_default().to_owned();
            for (name, value) in &settings {
                given.push_str(&format!(" -c {name}={value}"));
            }
            config.options(given);
            return Ok(Self {
                pooler: false,
                begin: "BEGIN".to_owned(),
                begin_reading: "BEGIN READ ONLY".to_owned(),
            });
        }
        let local: String = settings
            .iter()
            .map(|(name, value)| format!("; SET LOCAL {name} = '{value}'"))
            .collect();
        Ok(Self {
            pooler: true,
            begin: format!("BEGIN{local}"),
            begin_reading: format!("BEGIN READ ONLY{local}"),
        })
    }

    pub(super) fn begin(&self) -> &str {
        &self.begin
    }

    /// For reads behind a pooler; without one they are no transactions.
    pub(super) fn begin_reading(&self) -> &str {
        &self.begin_reading
    }
}

/// What a server says of itself and of a schema.
pub(crate) struct Found {
    /// Such as 150008.
    pub(crate) version: i32,
    pub(crate) version_text: String,
    pub(crate) role: String,
    pub(crate) schema_exists: bool,
    /// The role may use the schema and make tables in it.
    pub(crate) schema_is_ours: bool,
    /// It replays what another server writes, and takes no writes.
    pub(crate) is_replica: bool,
}

/// Asks in one statement that needs no session.
pub(crate) async fn look(client: &Client, schema: &str) -> Result<Found, tokio_postgres::Error> {
    let sql = "SELECT CAST(current_setting('server_version_num') AS INTEGER), current_setting('server_version'), \
        CAST(current_user AS TEXT), to_regnamespace($1) IS NOT NULL, pg_is_in_recovery(), \
        COALESCE((SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE') \
                  FROM pg_namespace WHERE nspname = $1), FALSE)";
    let row = client.query_typed_one(sql, &[(&schema, Type::TEXT)]).await?;
    Ok(Found {
        version: row.try_get(0)?,
        version_text: row.try_get(1)?,
        role: row.try_get(2)?,
        schema_exists: row.try_get(3)?,
        is_replica: row.try_get(4)?,
        schema_is_ours: row.try_get(5)?,
    })
}

/// Looks whether the server will do, and makes the schema if there is none.
pub(super) async fn prepare(address: &Address, schema: &str) -> Result<(), Error> {
    let failed = |e| address.refused(&e);
    let client = address.connect().await.map_err(failed)?;
    let mut found = look(&client, schema).await.map_err(failed)?;
    let place = address.place();
    if found.version < OLDEST {
        return Err(Error::Open(format!(
            "PostgreSQL at {place} is {}, and 15 is the oldest that will do",
            found.version_text
        )));
    }
    if found.is_replica {
        return Err(Error::Open(format!(
            "PostgreSQL at {place} is a replica, which cannot be written to: name the primary"
        )));
    }
    let mut said = String::new();
    if !found.schema_exists {
        // Another starter may win between the look and the making: that is no failure.
        let made = client
            .batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\""))
            .await;
        said = made
            .err()
            .map(|e| format!(" ({})", words(&e)))
            .unwrap_or_default();
        found = look(&client, schema).await.map_err(failed)?;
    }
    let (role, database) = (&found.role, address.database());
    if !found.schema_exists {
        return Err(Error::Open(format!(
            "PostgreSQL at {place}: database {database} has no schema {schema}, and {role} may not make it{said}: \
             run `stoa provision`, or say as its owner: CREATE SCHEMA {schema} AUTHORIZATION {role}"
        )));
    }
    if !found.schema_is_ours {
        return Err(Error::Open(format!(
            "PostgreSQL at {place}: {role} may not use the schema {schema} of database {database}: \
             run `stoa provision`, or say as its owner: GRANT ALL ON SCHEMA {schema} TO {role}"
        )));
    }
    Ok(())
}

pub(crate) fn words(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |db| db.message().to_owned())
}
