//! Looks into the services' databases, on either engine: is everything there, and once?

use std::{collections::HashMap, path::Path, process::Command, time::Duration};

use stoa_config::{Schema, Settings};
use stoa_db::{DatabaseConfig, Db};
use stoa_kernel::{Clock, UserId};

use super::{
    load::{MARK, Person},
    outside::Outside,
};
use crate::stoa::{Caller, services};

const DEFAULTS: &str = include_str!("../../../../stoa.default.toml");

/// The databases of the services that a registration leads to, and what has left for the servers of others.
pub(crate) struct Checker {
    auth: Db,
    users: Db,
    notifications: Db,
    realtime: Db,
    webhooks: Db,
    outside: Option<Outside>,
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
            notifications: open("notifications").await,
            realtime: open("realtime").await,
            webhooks: open("webhooks").await,
            outside: None,
        }
    }

    /// Looks at the servers of others as well.
    pub(crate) fn with(self, outside: &Outside) -> Self {
        let outside = Some(outside.clone());
        Self { outside, ..self }
    }

    fn databases(&self) -> [&Db; 5] {
        [
            &self.auth,
            &self.users,
            &self.notifications,
            &self.realtime,
            &self.webhooks,
        ]
    }

    /// Waits until no service has an event to hand on or a job to do, and what the broker may hold has arrived: every
    /// account's registration. None may have been given up.
    pub(crate) async fn everything_followed(&self) {
        let mut left = None;
        for _ in 0..300 {
            left = self.left().await;
            if left.is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("not everything followed within 60 s: {}", left.unwrap());
    }

    /// What has not followed yet.
    async fn left(&self) -> Option<String> {
        for db in self.databases() {
            let stats = stoa_events::stats(db).await.unwrap();
            assert_eq!(stats.dead, 0, "dead letters of {}", db.service());
            if stats.outbox + stats.ready + stats.running > 0 {
                return Some(format!("{} {stats:?}", db.service()));
            }
        }
        let accounts = self.accounts().await;
        for (what, counts) in self.effects().await {
            let missing = accounts.keys().find(|user| !counts.contains_key(user));
            if let Some(user) = missing {
                return Some(format!("{what} of {user}"));
            }
        }
        self.outside.as_ref()?.missing(&accounts)
    }

    /// What a registration leads to in the databases: how often, for each account.
    async fn effects(&self) -> [(&'static str, HashMap<UserId, i64>); 6] {
        let created =
            "SELECT resource_id, COUNT(*) FROM audit WHERE action = 'account.create' GROUP BY resource_id";
        let named = "SELECT user_id, COUNT(*) FROM profiles WHERE first_name = 'Ada' GROUP BY user_id";
        let welcomes = "SELECT user_id, COUNT(*) FROM inbox WHERE type = 'account.welcome' GROUP BY user_id";
        let mails = "SELECT user_id, COUNT(*) FROM sends \
                     WHERE type = 'account.welcome' AND channel = 'email' AND state = 'sent' GROUP BY user_id";
        let arrived = "SELECT key, COUNT(*) FROM jobs WHERE queue = 'users.create_profile' AND state = 'done' GROUP BY key";
        let shown =
            "SELECT channel, COUNT(*) FROM messages WHERE event = 'notification.shown' GROUP BY channel";
        [
            ("audit entries", counts(&self.auth, created).await),
            ("profiles", counts(&self.users, named).await),
            ("arrivals in users", counts_of_keys(&self.users, arrived).await),
            (
                "welcomes in the inbox",
                counts(&self.notifications, welcomes).await,
            ),
            ("welcomes by mail", counts(&self.notifications, mails).await),
            ("messages by socket", counts_of_keys(&self.realtime, shown).await),
        ]
    }

    /// Every account has one profile, one audit entry, one welcome and one message by socket, whether its registration was
    /// acknowledged or not; and of what was acknowledged nothing is missing. So many things were `broken`.
    pub(crate) async fn exactly_once(&self, people: &[Person], broken: usize) {
        let accounts = self.accounts().await;
        for person in people {
            assert!(
                accounts.contains_key(&person.id),
                "{} was acknowledged and is gone",
                person.email
            );
        }
        for (what, counts) in self.effects().await {
            for user in accounts.keys() {
                assert_eq!(counts.get(user), Some(&1), "{what} of {user}");
            }
        }
        if let Some(outside) = &self.outside {
            let events =
                "SELECT subject, COUNT(*) FROM messages WHERE type = 'user.registered' GROUP BY subject";
            let events = counts_of_keys(&self.webhooks, events).await;
            for user in accounts.keys() {
                assert_eq!(events.get(user), Some(&1), "webhook messages of {user}");
            }
            outside.each_once(&accounts, broken);
        }
        self.preferences(&accounts, people).await;
    }

    /// A preference, its activity and its audit entry come together.
    async fn preferences(&self, accounts: &HashMap<UserId, String>, people: &[Person]) {
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
        for user in accounts.keys() {
            let rows = i64::try_from(kept.get(user).map_or(0, HashMap::len)).unwrap();
            assert_eq!(counted.get(user), Some(&rows), "preferences of {user}");
            assert_eq!(told.get(user), audited.get(user), "activity and audit of {user}");
            assert!(told.get(user).copied().unwrap_or(0) >= rows, "activity of {user}");
        }
    }

    /// The accounts that the load made, with their addresses.
    async fn accounts(&self) -> HashMap<UserId, String> {
        let accounts: Vec<(UserId, String)> = self
            .auth
            .fetch_all("SELECT id, email FROM accounts", &[])
            .await
            .unwrap();
        let ours = accounts.into_iter().filter(|(_, email)| email.starts_with(MARK));
        ours.collect()
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
        for db in self.databases() {
            db.close().await;
        }
    }
}

async fn counts(db: &Db, sql: &str) -> HashMap<UserId, i64> {
    let counts: Vec<(UserId, i64)> = db.fetch_all(sql, &[]).await.unwrap();
    counts.into_iter().collect()
}

/// The same, of rows that name a person as `user:<id>`.
async fn counts_of_keys(db: &Db, sql: &str) -> HashMap<UserId, i64> {
    let counts: Vec<(String, i64)> = db.fetch_all(sql, &[]).await.unwrap();
    let of = |key: &str| key.strip_prefix("user:")?.parse().ok();
    counts
        .into_iter()
        .filter_map(|(key, count)| Some((of(&key)?, count)))
        .collect()
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
