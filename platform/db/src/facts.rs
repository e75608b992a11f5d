//! What can be told of a database, for whoever looks whether all is well.

use std::{fmt, time::Duration};

use crate::{Db, Engine, Error, FromRow};

/// A PostgreSQL as the service finds it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Such as `15.8`.
    pub version: String,
    /// The role that logged in.
    pub role: String,
    /// Its database.
    pub database: String,
    /// The schema that its tables are in.
    pub schema: String,
    /// Whether what is sent is encrypted, as far as the server: behind a pooler, from there on.
    pub encrypted: bool,
    /// Whether the role may do more than it needs to: it is a superuser.
    pub superuser: bool,
    /// How far a replica is behind; the inner none is one that cannot be read from.
    pub replica: Option<Option<Duration>>,
}

#[derive(FromRow)]
struct Row {
    version: String,
    role: String,
    database: String,
    schema: Option<String>,
    encrypted: bool,
    superuser: bool,
}

impl Db {
    /// What the server says of itself; none for a file.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn facts(&self) -> Result<Option<Facts>, Error> {
        if self.engine() == Engine::Sqlite {
            return Ok(None);
        }
        let sql = "SELECT current_setting('server_version') AS version, CAST(current_user AS TEXT) AS role, \
            CAST(current_database() AS TEXT) AS database, CAST(current_schema() AS TEXT) AS schema, \
            COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE) AS encrypted, \
            (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser";
        let row: Row = self.fetch_one(sql, &[]).await?;
        Ok(Some(Facts {
            version: row.version,
            role: row.role,
            database: row.database,
            schema: row.schema.unwrap_or_default(),
            encrypted: row.encrypted,
            superuser: row.superuser,
            replica: self.replica_lag().await,
        }))
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            role,
            database,
            schema,
            ..
        } = self;
        write!(f, "PostgreSQL {version}, schema {schema} of {database} as {role}")?;
        if !self.encrypted {
            f.write_str(", not encrypted")?;
        }
        if self.superuser {
            f.write_str(", a superuser, which it need not be")?;
        }
        match self.replica {
            Some(Some(lag)) => write!(f, ", replica {:.1} s behind at most", lag.as_secs_f64()),
            Some(None) => f.write_str(", replica cannot be read from"),
            None => Ok(()),
        }
    }
}
