//! Roles, schemas and rights on a PostgreSQL server, so that each service can reach its own tables and no others.
//!
//! First a [`Plan`] is made, of what is missing alone; then its logins can be written down; then it is run. So a run that is
//! broken off can be done again, and no password is lost.

mod plan;

use std::{collections::HashMap, fmt};

use tokio_postgres::{Client, types::Type};

use crate::{
    Error,
    postgres::{
        address::Address,
        open::{check_name, look, words},
    },
};

/// What is to be made, for whom.
pub struct ProvisionOptions {
    /// Where, as a role that may make roles and databases. The database in it is only what is logged in to.
    pub admin_url: String,
    /// Names of services; each has a schema of that name.
    pub services: Vec<String>,
    /// The database that all services share; with `separate`, what the names of theirs begin with.
    pub database: String,
    /// What the roles' names begin with.
    pub role_prefix: String,
    /// A database for each service.
    pub separate: bool,
    /// New passwords for roles that exist.
    pub rotate: bool,
    /// Addresses that earlier logins were given, by service: their passwords are kept.
    pub known: HashMap<String, String>,
}

/// How one service logs in.
pub struct Login {
    /// Its name.
    pub service: String,
    /// Its role.
    pub role: String,
    /// The database that it has a schema in.
    pub database: String,
    /// The address for its `database.url`, with the password.
    pub url: String,
}

/// What is to be done.
pub struct Plan {
    statements: Vec<Statement>,
    logins: Vec<Login>,
    admin: Admin,
}

/// One statement.
struct Statement {
    /// Where it is said; none: wherever the administrator logs in.
    database: Option<String>,
    sql: String,
    /// The statement as it may be shown.
    shown: String,
}

impl Plan {
    /// Looks what is there already.
    ///
    /// # Errors
    /// [`Error::Open`] in words for whoever runs it.
    pub async fn make(options: &ProvisionOptions) -> Result<Self, Error> {
        let names = [&options.database, &options.role_prefix];
        for name in names.into_iter().chain(&options.services) {
            check_name(name)?;
        }
        let admin = Admin(options.admin_url.clone());
        let (statements, logins) = plan::make(&admin, options).await?;
        Ok(Self {
            statements,
            logins,
            admin,
        })
    }

    /// The statements, with passwords masked.
    pub fn shown(&self) -> impl Iterator<Item = String> + '_ {
        self.statements.iter().map(|one| match &one.database {
            Some(database) => format!("{}; -- in {database}", one.shown),
            None => format!("{};", one.shown),
        })
    }

    /// Who will be able to log in.
    #[must_use]
    pub fn logins(&self) -> &[Login] {
        &self.logins
    }

    /// Does it, and logs in as each role to see that it works.
    ///
    /// # Errors
    /// [`Error::Open`] with the statement that the server refused. What was done before it stays, and is skipped by the next plan.
    pub async fn run(&self) -> Result<(), Error> {
        let mut open: Option<(Option<&str>, Client)> = None;
        for one in &self.statements {
            let database = one.database.as_deref();
            let client = match open.take() {
                Some((there, client)) if there == database => client,
                _ => self.admin.connect(database).await?,
            };
            let done = client.batch_execute(&one.sql).await;
            done.map_err(|e| Error::Open(format!("{}: {}", one.shown, words(&e))))?;
            open = Some((database, client));
        }
        for login in &self.logins {
            self.try_out(login).await?;
        }
        Ok(())
    }

    async fn try_out(&self, login: &Login) -> Result<(), Error> {
        let address = Address::read(&login.url)?;
        let hint = |said: String| {
            Error::Open(format!(
                "{said}; if its password was changed since, give it a new one with --rotate"
            ))
        };
        let client = address
            .connect()
            .await
            .map_err(|e| hint(address.refused(&e).to_string()))?;
        let found = look(&client, &login.service)
            .await
            .map_err(|e| address.refused(&e))?;
        if found.schema_is_ours {
            return Ok(());
        }
        Err(Error::Open(format!(
            "{} may still not use the schema {}",
            login.role, login.service
        )))
    }
}

/// The administrator, who can log in to each of the databases.
struct Admin(String);

impl Admin {
    async fn connect(&self, database: Option<&str>) -> Result<Client, Error> {
        let mut address = Address::read(&self.0)?;
        if let Some(database) = database {
            address.config().dbname(database);
        }
        address.config().application_name("stoa provision");
        address.connect().await.map_err(|e| address.refused(&e))
    }

    /// The same server's address for somebody else.
    fn address_for(&self, role: &str, password: &str, database: &str) -> String {
        let rest = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        let hosts = place.split_once('/').map_or(place, |(hosts, _)| hosts);
        let kept = query.split('&').filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !["", "user", "password", "dbname"].contains(&name)
        });
        let query = kept.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("postgres://{role}:{password}@{hosts}/{database}{mark}{query}")
    }
}

/// One value of one row.
async fn ask<T: tokio_postgres::types::FromSqlOwned>(
    client: &Client,
    sql: &str,
    params: &[&str],
) -> Result<Option<T>, Error> {
    let bound: Vec<_> = params
        .iter()
        .map(|one| (one as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT))
        .collect();
    let failed = |e: tokio_postgres::Error| Error::Open(words(&e));
    let row = client.query_typed_opt(sql, &bound).await.map_err(failed)?;
    row.map(|row| row.try_get(0)).transpose().map_err(failed)
}

impl fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {} in {}", self.service, self.role, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::Admin;

    #[test]
    fn the_place_of_the_server_is_kept_and_who_logs_in_is_not() {
        for (admin, expected) in [
            ("postgres://root:s3/cr@t@db/x", "postgres://stoa_a:pw@db/d"),
            ("postgresql://root@a:1,b:2", "postgres://stoa_a:pw@a:1,b:2/d"),
            (
                "postgres://root@db:1/x?sslmode=require&user=y",
                "postgres://stoa_a:pw@db:1/d?sslmode=require",
            ),
        ] {
            assert_eq!(
                Admin(admin.to_owned()).address_for("stoa_a", "pw", "d"),
                expected,
                "{admin}"
            );
        }
    }
}
