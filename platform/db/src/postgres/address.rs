//! Where a server is, and how its connections are made: from an address such as `postgres://…?sslmode=verify-full`.

use std::{error::Error as _, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio::time::timeout;
use tokio_postgres::{
    CancelToken, Client, Config, Socket, config::Host, error::SqlState, tls::MakeTlsConnect,
};

use super::{
    cancel,
    tls::{Tls, TlsOptions},
};
use crate::Error;

/// A server that gives no sign for so long is taken for lost.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a cancellation may take to be sent.
const CANCELLING: Duration = Duration::from_secs(5);

/// How to reach one server as one role.
#[derive(Clone)]
pub(crate) struct Address {
    config: Config,
    tls: Tls,
}

impl Address {
    /// Reads an address. What it says of TLS is taken out first: `tokio_postgres` does not know all of it.
    pub(crate) fn read(url: &str) -> Result<Self, Error> {
        let (url, tls) = TlsOptions::take_from(url)?;
        // Not the address itself is told: a password may stand in it.
        let mut config: Config = url
            .parse()
            .map_err(|e| Error::Open(format!("the address of PostgreSQL cannot be read: {e}")))?;
        if config.get_hosts().is_empty() {
            return Err(Error::Open("the address of PostgreSQL names no host".to_owned()));
        }
        config
            .ssl_mode(tls.mode())
            .connect_timeout(Duration::from_secs(10))
            .keepalives_idle(SILENCE)
            .tcp_user_timeout(SILENCE);
        Ok(Self {
            config,
            tls: tls.connector()?,
        })
    }

    pub(crate) fn config(&mut self) -> &mut Config {
        &mut self.config
    }

    /// From now on connections refuse to write.
    pub(super) fn read_only(&mut self) {
        let given = self.config.get_options().unwrap_or_default().to_owned();
        self.config
            .options(format!("{given} -c default_transaction_read_only=on"));
    }

    /// Asks the server to end what a connection is doing. Whether it does is not told, nor when.
    pub(super) async fn cancel(&self, token: CancelToken) {
        let asked = timeout(CANCELLING, async {
            match cancel::and_wait(&self.config, &token).await {
                Ok(true) => Ok(()),
                _ => token.cancel_query(self.tls.clone()).await,
            }
        });
        match asked.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a statement could not be cancelled"),
            Err(_) => tracing::warn!("a statement could not be cancelled: the server does not answer"),
        }
    }

    /// The role that logs in.
    pub(crate) fn role(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    pub(crate) fn password(&self) -> Option<String> {
        let password = self.config.get_password()?;
        Some(String::from_utf8_lossy(password).into_owned())
    }

    /// The database; without one the server takes that of the role's name.
    pub(crate) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_else(|| self.role())
    }

    /// `host:port`, or several.
    pub(crate) fn place(&self) -> String {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let hosts = self.config.get_hosts().iter().enumerate();
        let places = hosts.map(|(at, host)| match host {
            Host::Tcp(name) => format!("{name}:{}", port(at)),
            Host::Unix(path) => path.display().to_string(),
        });
        places.collect::<Vec<_>>().join(",")
    }

    /// One connection, driven by a task of its own until it is dropped.
    pub(crate) async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection to PostgreSQL was lost");
            }
        });
        Ok(client)
    }

    /// A pool of connections, each made when it is first needed.
    pub(super) fn pool(&self, size: usize) -> Result<Pool, Error>
    where
        Tls: MakeTlsConnect<Socket>,
    {
        // Fast: a connection that is still there is taken as it is. What a transaction left open, it has rolled back itself.
        let manager = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        Pool::builder(Manager::from_config(
            self.config.clone(),
            self.tls.clone(),
            manager,
        ))
        .max_size(size)
        .build()
        .map_err(|e| Error::Open(e.to_string()))
    }

    /// Why no connection could be made, in words for whoever set the address.
    pub(crate) fn refused(&self, error: &tokio_postgres::Error) -> Error {
        let (place, role, database) = (self.place(), self.role(), self.database());
        let Some(db) = error.as_db_error() else {
            let cause = error
                .source()
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            return Error::Open(format!(
                "PostgreSQL at {place} cannot be reached ({error}{cause})"
            ));
        };
        let said = db.message();
        Error::Open(match *db.code() {
            SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                format!("PostgreSQL at {place} refused the login of {role}: {said}")
            }
            SqlState::INVALID_CATALOG_NAME => format!(
                "PostgreSQL at {place} has no database {database}: create it, or let `stoa provision` do so"
            ),
            SqlState::PROTOCOL_VIOLATION if said.contains("startup parameter") => format!(
                "at {place} stands a connection pooler, it seems ({said}): set pooler = true beside url"
            ),
            _ => format!("PostgreSQL at {place}: {said}"),
        })
    }
}
