//! Looks into the services' databases, on either engine: is everything there, and once?

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    process::Command,
    time::Duration,
};

use stoa_config::{Schema, Settings};
use stoa_db::{DatabaseConfig, Db};
use stoa_events::QueueStats;
use stoa_kernel::{Clock, UserId};

use super::load::{MARK, Person};
use crate::stoa::{Caller, services};

const DEFAULTS: &str = include_str!("../../../../stoa.default.toml");

/// The databases of all services.
pub(crate) struct Checker {
    auth: Db,
    users: Db,
}

impl Checker {
    /// Opens them by the settings in `files`, or else as files of the data folder.
    pub(crate) async fn open(files: &[&Path], data_dir: &Path) -> Self {
        let services = services();
        let schema = Schema::new(DEFAULTS).unwrap();
        let schema = ["database", "bus", "cache", "objects"]
            .into_iter()
            .fold(schema, |schema, engine| {
                schema.per_service(engine, services.iter().copied())
            });
        let settings = Settings::load(schema, files.iter().copied(), std::iter::empty(), Vec::new()).unwrap();
        let open = async |service: &str| {
            let config: DatabaseConfig = settings.engine_section("database", service).unwrap();
            Db::open(config.options(service, data_dir, &Clock::system()))
                .await
                .unwrap()
        };
        Self {
            auth: open("auth").await,
            users: open("users").await,
        }
    }

    /// Waits until no service has an event to hand on or a job to do, and what the broker may hold has arrived: every
    /// account's registration. None may have been given up.
    pub(crate) async fn everything_followed(&self) {
        let mut left = String::new();
        for _ in 0..300 {
            let (auth, users) = (stats(&self.auth).await, stats(&self.users).await);
            assert_eq!(auth.dead + users.dead, 0, "dead letters");
            if is_idle(&auth) && is_idle(&users) {
                let arrived = self.arrived().await;
                let mut missing = self.accounts().await;
                missing.retain(|user| !arrived.contains_key(user));
                if missing.is_empty() {
                    return;
                }
                left = format!("user.registered has not come to users for {missing:?}");
            } else {
                left = format!("auth {auth:?}, users {users:?}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("not everything followed within 60 s: {left}");
    }

    /// Every account has one profile, one audit entry and one arrival of its registration, whether it was acknowledged or not;
    /// and of what was acknowledged nothing is missing.
    pub(crate) async fn exactly_once(&self, people: &[Person]) {
        let accounts = self.accounts().await;
        for person in people {
            assert!(
                accounts.contains(&person.id),
                "{} was acknowledged and is gone",
                person.email
            );
        }
        let created =
            "SELECT resource_id, COUNT(*) FROM audit WHERE action = 'account.create' GROUP BY resource_id";
        let created = counts(&self.auth, created).await;
        let named = counts(
            &self.users,
            "SELECT user_id, COUNT(*) FROM profiles WHERE first_name = 'Ada' GROUP BY user_id",
        )
        .await;
        let arrived = self.arrived().await;
        for user in &accounts {
            assert_eq!(created.get(user), Some(&1), "audit entries of {user}");
            assert_eq!(named.get(user), Some(&1), "profiles of {user}");
            assert_eq!(arrived.get(user), Some(&1), "arrivals of {user}");
        }
        self.preferences(&accounts, people).await;
    }

    /// A preference, its activity and its audit entry come together.
    async fn preferences(&self, accounts: &HashSet<UserId>, people: &[Person]) {
        let rows: Vec<(UserId, String, String)> = self
            .users
            .fetch_all("SELECT user_id, key, value FROM preferences", &[])
            .await
            .unwrap();
        let mut kept: HashMap<UserId, HashMap<String, String>> = HashMap::new();
        for (user, key, value) in rows {
            kept.entry(user).or_default().insert(key, value);
        }
        for person in people {
            for key in &person.kept {
                let value = kept.get(&person.id).and_then(|kept| kept.get(*key));
                assert_eq!(value, Some(&format!("\"{key}\"")), "{key} of {}", person.email);
            }
        }
        let counted = counts(&self.users, "SELECT user_id, preferences_count FROM profiles").await;
        let told = "SELECT user_id, COUNT(*) FROM activity WHERE action = 'preference.set' GROUP BY user_id";
        let told = counts(&self.users, told).await;
        let audited =
            "SELECT resource_id, COUNT(*) FROM audit WHERE action = 'preference.set' GROUP BY resource_id";
        let audited = counts(&self.users, audited).await;
        for user in accounts {
            let rows = i64::try_from(kept.get(user).map_or(0, HashMap::len)).unwrap();
            assert_eq!(counted.get(user), Some(&rows), "preferences of {user}");
            assert_eq!(told.get(user), audited.get(user), "activity and audit of {user}");
            assert!(told.get(user).copied().unwrap_or(0) >= rows, "activity of {user}");
        }
    }

    /// The accounts that the load made.
    async fn accounts(&self) -> HashSet<UserId> {
        let accounts: Vec<(UserId, String)> = self
            .auth
            .fetch_all("SELECT id, email FROM accounts", &[])
            .await
            .unwrap();
        let ours = accounts.into_iter().filter(|(_, email)| email.starts_with(MARK));
        ours.map(|(id, _)| id).collect()
    }

    /// How often `user.registered` came to users, for each account.
    async fn arrived(&self) -> HashMap<UserId, i64> {
        let sql = "SELECT key, COUNT(*) FROM jobs WHERE queue = 'users.create_profile' AND state = 'done' GROUP BY key";
        let arrived: Vec<(String, i64)> = self.users.fetch_all(sql, &[]).await.unwrap();
        let of = |key: &str| key.strip_prefix("user:").unwrap().parse().unwrap();
        arrived
            .into_iter()
            .map(|(key, count)| (of(&key), count))
            .collect()
    }

    /// The entries of the audit logs stand in the order of their ids. Holds where one process wrote them.
    pub(crate) async fn audit_in_order(&self) {
        for db in [&self.auth, &self.users] {
            let sql = "SELECT id FROM audit WHERE seq IS NOT NULL ORDER BY seq";
            let entries: Vec<UserId> = db.fetch_all(sql, &[]).await.unwrap();
            assert!(entries.is_sorted(), "{}", db.service());
        }
    }

    pub(crate) async fn close(self) {
        self.auth.close().await;
        self.users.close().await;
    }
}

async fn stats(db: &Db) -> QueueStats {
    stoa_events::stats(db).await.unwrap()
}

fn is_idle(stats: &QueueStats) -> bool {
    stats.outbox + stats.ready + stats.running == 0
}

async fn counts(db: &Db, sql: &str) -> HashMap<UserId, i64> {
    let counts: Vec<(UserId, i64)> = db.fetch_all(sql, &[]).await.unwrap();
    counts.into_iter().collect()
}

/// Everybody who was acknowledged can log in.
pub(crate) async fn everybody_logs_in(caller: &Caller, people: &[Person]) {
    for person in people {
        let login = caller.login(&person.email).await;
        assert_eq!(login["user"]["id"], person.id.to_string());
    }
}

/// `stoa audit verify` finds nothing wrong; `stoa` is a command line of this installation.
pub(crate) fn audit_is_whole(mut stoa: Command) {
    let output = stoa.args(["audit", "verify"]).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
