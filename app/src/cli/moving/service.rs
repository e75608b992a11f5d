//! One service's part of a move.

use std::time::Duration;

use stoa_audit::Against;
use stoa_db::{Db, transfer};

use super::Sets;
use crate::{cli::say, mount::Error};

/// After how many rows is told again how far a table has come.
const TELL: i64 = 10_000;

/// One service's part.
pub(super) struct Moving {
    pub(super) service: &'static str,
    pub(super) sets: Sets,
    pub(super) source: Db,
    pub(super) target: Db,
    /// The source, as it may be shown.
    pub(super) name: String,
}

impl Moving {
    /// Whether it can be moved at all. Changes nothing.
    pub(super) async fn check(&self) -> Result<(), Error> {
        for (db, what) in [(&self.source, "moved from"), (&self.target, "moved to")] {
            self.refuse_servers(db, what).await?;
        }
        if let Some(source) = transfer::unfinished(&self.source).await? {
            return Err(format!("it is itself the target of a move from {source} that has not ended").into());
        }
        for (set, migrations) in &self.sets {
            if !self.source.pending(set, migrations).await?.is_empty() {
                return Err(
                    "the database to be moved is older than this program: run `stoa migrate` first".into(),
                );
            }
        }
        Ok(())
    }

    /// Makes the target ready, and returns the tables.
    pub(super) async fn begin(&self) -> Result<Vec<transfer::Table>, Error> {
        let begun = transfer::unfinished(&self.target).await?.is_some();
        if !begun {
            for (set, migrations) in &self.sets {
                self.target.migrate(set, migrations).await?;
            }
        }
        let tables = transfer::tables(&self.target).await?;
        if tables != transfer::tables(&self.source).await? {
            return Err("the two databases have other tables than one another".into());
        }
        if begun || self.is_fresh(&tables).await? {
            transfer::begin(&self.target, &self.name, &tables).await?;
            return Ok(tables);
        }
        // An earlier move may have ended for this service, and been broken off before it ended for all.
        match differing(&self.source, &self.target, &tables).await? {
            None => Ok(tables),
            Some(table) => Err(format!(
                "the database to be moved to has data of its own in {table}: name an empty one"
            )
            .into()),
        }
    }

    /// Whether the target holds what migrations put there, and nothing else.
    async fn is_fresh(&self, tables: &[transfer::Table]) -> Result<bool, Error> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite:{}", folder.path().join("fresh.db").display());
        let fresh = Db::open(stoa_db::DbOptions::new(url, "move")).await?;
        for (set, migrations) in &self.sets {
            fresh.migrate(set, migrations).await?;
        }
        let differing = differing(&fresh, &self.target, tables).await?;
        fresh.close().await;
        Ok(differing.is_none())
    }

    /// Nobody may serve from either side: a file is held by its folder's lock, a server tells who is connected.
    async fn refuse_servers(&self, db: &Db, what: &str) -> Result<(), Error> {
        let mut serving = db.others(self.service).await?;
        // The server takes a moment to notice that a connection is gone; our own were of the same name.
        for _ in 0..20 {
            if serving == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            serving = db.others(self.service).await?;
        }
        let service = self.service;
        Err(format!(
            "the database to be {what} is in use by a stoa that serves {service} ({serving} connections): stop it first"
        )
        .into())
    }

    pub(super) async fn copy(&self, tables: &[transfer::Table]) -> Result<(), Error> {
        if transfer::unfinished(&self.target).await?.is_none() {
            return Ok(());
        }
        let (mut told, service) = (0, self.service);
        transfer::copy(&self.source, &self.target, tables, |copied| {
            if copied.done {
                told = 0;
                say(format!(
                    "{service}: {} copied, {} rows",
                    copied.table, copied.rows
                ));
            } else if copied.rows - told >= TELL {
                told = copied.rows;
                say(format!(
                    "{service}: {} has {} rows so far",
                    copied.table, copied.rows
                ));
            }
        })
        .await?;
        Ok(())
    }

    /// Reads both sides again.
    pub(super) async fn compare(&self, tables: &[transfer::Table]) -> Result<bool, Error> {
        let mut same = true;
        let service = self.service;
        for table in tables {
            let (there, here) = (
                transfer::sum(&self.source, table).await?,
                transfer::sum(&self.target, table).await?,
            );
            if there == here {
                say(format!("{service}: {} is the same, {here}", table.name));
            } else {
                same = false;
                say(format!(
                    "{service}: {} DIFFERS: {there} became {here}",
                    table.name
                ));
            }
        }
        let (there, here) = (
            stoa_audit::verify(&self.source, Against::default(), |_| {}).await?,
            stoa_audit::verify(&self.target, Against::default(), |_| {}).await?,
        );
        if let Some(broken) = &here.broken_at {
            // As it came: it was not the move that broke it.
            say(format!(
                "{service}: the audit log is BROKEN at entry {}: {}",
                broken.seq, broken.why
            ));
        } else {
            say(format!(
                "{service}: the audit log is intact, {} entries",
                here.entries
            ));
        }
        Ok(same && (there.entries, &there.head) == (here.entries, &here.head))
    }
}

/// The first table that is not the same in both.
async fn differing<'t>(
    one: &Db,
    other: &Db,
    tables: &'t [transfer::Table],
) -> Result<Option<&'t str>, Error> {
    for table in tables {
        if transfer::sum(one, table).await? != transfer::sum(other, table).await? {
            return Ok(Some(&table.name));
        }
    }
    Ok(None)
}
