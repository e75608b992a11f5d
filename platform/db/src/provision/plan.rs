//! What is missing, as statements.

use postgres_protocol::{escape::escape_identifier, password::scram_sha_256};
use stoa_kernel::random;
use tokio_postgres::Client;

use super::{Admin, Login, ProvisionOptions, Statement, ask};
use crate::{
    Error,
    postgres::{address::Address, open::check_name},
};

/// Bytes of randomness in a password.
const PASSWORD: usize = 24;

struct Planner<'a> {
    admin: &'a Admin,
    options: &'a ProvisionOptions,
    client: Client,
    statements: Vec<Statement>,
}

pub(super) async fn make(
    admin: &Admin,
    options: &ProvisionOptions,
) -> Result<(Vec<Statement>, Vec<Login>), Error> {
    let mut planner = Planner {
        client: admin.connect(None).await?,
        admin,
        options,
        statements: Vec::new(),
    };
    let mut logins = Vec::new();
    for service in &options.services {
        let role = format!("{}{service}", options.role_prefix);
        let database = match options.separate {
            true => format!("{}_{service}", options.database),
            false => options.database.clone(),
        };
        check_name(&role)?;
        check_name(&database)?;
        let password = planner.role(service, &role).await?;
        planner.database(&database, &role).await?;
        logins.push(Login {
            service: service.clone(),
            url: admin.address_for(&role, &password, &database),
            role,
            database,
        });
    }
    // Whatever belongs to the server first: a database's statements are said in it, once it is there.
    for login in &logins {
        planner.inside(login).await?;
    }
    Ok((planner.statements, logins))
}

impl Planner<'_> {
    /// Makes the role, and returns its password.
    async fn role(&mut self, service: &str, role: &str) -> Result<String, Error> {
        let exists = self
            .has("SELECT TRUE FROM pg_roles WHERE rolname = $1", &[role])
            .await?;
        let known = match self.options.known.get(service) {
            Some(url) if !self.options.rotate => Address::read(url)?.password(),
            _ => None,
        };
        let password = match (exists, known) {
            (true, Some(known)) => return Ok(known),
            (true, None) if !self.options.rotate => {
                return Err(Error::Open(format!(
                    "the role {role} exists, and its password is not known here: name the file it was written to with --out, \
                     or give it a new one with --rotate"
                )));
            }
            (_, known) => known.unwrap_or_else(random::token::<PASSWORD>),
        };
        let quoted = quote(role);
        let verb = if exists {
            format!("ALTER ROLE {quoted} LOGIN PASSWORD")
        } else {
            format!("CREATE ROLE {quoted} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD")
        };
        // The server, and whatever logs its statements, is never told the password: only what it checks it against.
        let verifier = scram_sha_256(password.as_bytes());
        self.statements.push(Statement {
            database: None,
            sql: format!("{verb} '{verifier}'"),
            shown: format!("{verb} '***'"),
        });
        let ours = self.has(
            "SELECT TRUE FROM pg_roles WHERE rolname = CURRENT_USER AND rolsuper",
            &[],
        );
        if !exists && !ours.await? {
            // Who is no superuser gives things only to roles that they belong to.
            self.say(None, format!("GRANT {quoted} TO CURRENT_USER"));
        }
        Ok(password)
    }

    /// Makes the database, and lets nobody in but the role.
    async fn database(&mut self, database: &str, role: &str) -> Result<(), Error> {
        let (quoted, grantee) = (quote(database), quote(role));
        let sql = format!("CREATE DATABASE {quoted}");
        let exists = self
            .has("SELECT TRUE FROM pg_database WHERE datname = $1", &[database])
            .await?;
        let revoke = format!("REVOKE ALL ON DATABASE {quoted} FROM PUBLIC");
        if !exists && !self.statements.iter().any(|one| one.sql == sql) {
            self.say(None, sql);
        }
        let open =
            "SELECT has_database_privilege('public', oid, 'CONNECT') FROM pg_database WHERE datname = $1";
        if (!exists || self.has(open, &[database]).await?)
            && !self.statements.iter().any(|one| one.sql == revoke)
        {
            self.say(None, revoke);
        }
        // By the list of rights itself: a role that is yet to be made cannot be asked about.
        let allowed = "SELECT TRUE FROM pg_database, aclexplode(datacl) AS given JOIN pg_roles ON pg_roles.oid = given.grantee \
            WHERE datname = $1 AND rolname = $2 AND privilege_type = 'CONNECT'";
        if !self.has(allowed, &[database, role]).await? {
            self.say(None, format!("GRANT CONNECT ON DATABASE {quoted} TO {grantee}"));
        }
        Ok(())
    }

    /// Makes the schema, hands it with all that is in it to the role, and makes it the role's place.
    async fn inside(&mut self, login: &Login) -> Result<(), Error> {
        let Login {
            service: schema,
            role,
            database,
            ..
        } = login;
        let (quoted, owner) = (quote(schema), quote(role));
        let exists = self
            .has("SELECT TRUE FROM pg_database WHERE datname = $1", &[database])
            .await?;
        let there = match exists {
            true => Some(self.admin.connect(Some(database)).await?),
            false => None,
        };
        let revoke = "REVOKE ALL ON SCHEMA public FROM PUBLIC";
        let public =
            "SELECT has_schema_privilege('public', oid, 'USAGE') FROM pg_namespace WHERE nspname = 'public'";
        let said = |planner: &Self| {
            let here = |one: &&Statement| one.database.as_deref() == Some(database);
            planner
                .statements
                .iter()
                .filter(here)
                .any(|one| one.sql == revoke)
        };
        if holds(there.as_ref(), public, &[], true).await? && !said(self) {
            self.say(Some(database), revoke.to_owned());
        }
        let sql = "SELECT CAST(rolname AS TEXT) FROM pg_namespace JOIN pg_roles ON pg_roles.oid = nspowner WHERE nspname = $1";
        let found: Option<String> = match &there {
            Some(client) => ask(client, sql, &[schema]).await?,
            None => None,
        };
        match found {
            None => self.say(
                Some(database),
                format!("CREATE SCHEMA {quoted} AUTHORIZATION {owner}"),
            ),
            Some(found) if found != *role => {
                self.say(Some(database), format!("ALTER SCHEMA {quoted} OWNER TO {owner}"));
            }
            Some(_) => {}
        }
        if let Some(client) = &there {
            self.hand_over(client, login).await?;
        }
        let path = format!("search_path={schema}");
        let sql = "SELECT TRUE FROM pg_db_role_setting JOIN pg_roles ON pg_roles.oid = setrole \
            JOIN pg_database ON pg_database.oid = setdatabase WHERE rolname = $1 AND datname = $2 AND $3 = ANY (setconfig)";
        if !holds(there.as_ref(), sql, &[role, database, &path], false).await? {
            let place = quote(database);
            self.say(
                Some(database),
                format!("ALTER ROLE {owner} IN DATABASE {place} SET search_path = {quoted}"),
            );
        }
        Ok(())
    }

    /// Tables that another role made in the schema, such as while all services shared one.
    async fn hand_over(&mut self, client: &Client, login: &Login) -> Result<(), Error> {
        let sql = "SELECT CAST(COALESCE(string_agg(relname, ' ' ORDER BY relname), '') AS TEXT) FROM pg_class \
            JOIN pg_namespace ON pg_namespace.oid = relnamespace JOIN pg_roles ON pg_roles.oid = relowner \
            WHERE nspname = $1 AND rolname <> $2 AND relkind IN ('r', 'p', 'v')";
        let tables: Option<String> = ask(client, sql, &[&login.service, &login.role]).await?;
        for table in tables.unwrap_or_default().split_whitespace() {
            let (schema, owner) = (quote(&login.service), quote(&login.role));
            self.say(
                Some(&login.database),
                format!("ALTER TABLE {schema}.{} OWNER TO {owner}", quote(table)),
            );
        }
        Ok(())
    }

    fn say(&mut self, database: Option<&str>, sql: String) {
        self.statements.push(Statement {
            database: database.map(str::to_owned),
            shown: sql.clone(),
            sql,
        });
    }

    async fn has(&self, sql: &str, params: &[&str]) -> Result<bool, Error> {
        holds(Some(&self.client), sql, params, false).await
    }
}

/// Whether it is so; `otherwise` where there is nothing to ask yet.
async fn holds(client: Option<&Client>, sql: &str, params: &[&str], otherwise: bool) -> Result<bool, Error> {
    match client {
        Some(client) => Ok(ask(client, sql, params).await?.unwrap_or(false)),
        None => Ok(otherwise),
    }
}

/// Names are checked before; quoted all the same, for those that are words of SQL.
fn quote(name: &str) -> String {
    escape_identifier(name)
}
