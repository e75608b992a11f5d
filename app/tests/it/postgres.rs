//! The same product on PostgreSQL.

use std::path::Path;

use reqwest::Method;
use stoa_db::{Db, DbOptions};

use crate::stoa::{Stoa, command, folder, token};

/// A database of its own on the server of the tests; dropped with its connections in the end.
pub(crate) struct Database {
    name: String,
    server: String,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let server = std::env::var("STOA_TEST_POSTGRES_URL").expect(
            "tests on PostgreSQL need one: run `make test`, which starts it, or set STOA_TEST_POSTGRES_URL",
        );
        let name = format!("stoa_{}", u64::from_be_bytes(stoa_kernel::random::bytes()));
        let made = Self { name, server };
        made.run(&format!("CREATE DATABASE {}", made.name)).await;
        made
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        let (before, _) = self.server.rsplit_once('/').unwrap();
        format!("{before}/{}", self.name)
    }

    async fn run(&self, sql: &str) {
        let db = Db::open(DbOptions::new(&self.server, "admin")).await.unwrap();
        db.execute(sql, &[]).await.unwrap();
        db.close().await;
    }

    pub(crate) async fn remove(self) {
        self.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_served_from_one_postgresql() {
    let (_scratch, data_dir) = folder();
    let database = Database::new().await;
    let url = database.url();
    let stoa = Stoa::serve_with(&data_dir, &[("DATABASE__URL", &url)]);
    let ada = stoa.register("ada@example.com").await;
    stoa.terminate();
    let stoa = Stoa::serve_with(&data_dir, &[("DATABASE__URL", &url)]);
    let me = stoa.get("/api/v1/users/me", token(&ada)).await;
    assert_eq!(me.status(), 200);
    let changed = stoa
        .request(Method::PUT, "/api/v1/users/me/preferences/theme")
        .bearer_auth(token(&ada))
        .json(&serde_json::json!({"value": "dark"}))
        .send()
        .await
        .unwrap();
    assert!(changed.status().is_success(), "{}", changed.status());
    drop(stoa);
    assert!(
        !Path::new(&data_dir).join("auth.db").exists(),
        "nothing is kept in files"
    );
    let looked = command(&data_dir)
        .env("STOA_DATABASE__URL", &url)
        .arg("doctor")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(
        looked.status.success() && said.contains("auth database"),
        "{said}"
    );
    let verified = command(&data_dir)
        .env("STOA_DATABASE__URL", &url)
        .args(["audit", "verify"])
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
    database.remove().await;
}

#[test]
fn a_database_that_cannot_be_had_is_told_by_its_setting_and_without_the_password() {
    let (_scratch, data_dir) = folder();
    for (key, url) in [
        ("database.url", "postgres://stoa:hunter2@127.0.0.1:1/stoa"),
        ("auth.database.url", "postgres://stoa:hunter2@127.0.0.1:1/stoa"),
        ("database.url", "postgres://stoa:hunter2@127.0.0.1:port/stoa"),
        ("database.url", "mysql://stoa:hunter2@127.0.0.1/stoa"),
    ] {
        let variable = format!("STOA_{}", key.replace('.', "__").to_uppercase());
        let ended = command(&data_dir)
            .env(variable, url)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1));
        assert!(
            said.contains(&format!("stoa: {key}: ")) && !said.contains("hunter2"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_replica_people_find_what_they_just_saved() {
    let (_scratch, data_dir) = folder();
    let primary = stoa_engines::Postgres::start();
    let replica = primary.replica();
    let (url, replica_url) = (primary.url(), replica.url());
    let settings = [
        ("DATABASE__URL", url.as_str()),
        ("DATABASE__REPLICA_URL", &replica_url),
    ];
    let stoa = Stoa::serve_with(&data_dir, &settings);
    replica.sql("SELECT pg_wal_replay_pause()");
    let ada = stoa.register("ada@example.com").await;
    for bio in ["one", "two", "three"] {
        let me = stoa.get("/api/v1/users/me", token(&ada)).await;
        let version = me.headers()["etag"].clone();
        let changed = stoa
            .request(Method::PATCH, "/api/v1/users/me")
            .bearer_auth(token(&ada))
            .header("if-match", version)
            .json(&serde_json::json!({"bio": bio}))
            .send()
            .await
            .unwrap();
        assert_eq!(changed.status(), 200);
        let me = stoa.get("/api/v1/users/me", token(&ada)).await;
        assert!(me.text().await.unwrap().contains(bio), "{bio}");
    }
    replica.sql("SELECT pg_wal_replay_resume()");
    assert!(stoa.terminate().success());
    let mut doctor = command(&data_dir);
    for (key, value) in settings {
        doctor.env(format!("STOA_{key}"), value);
    }
    let looked = doctor.arg("doctor").output().unwrap();
    let said = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(
        said.contains("ok     auth database: PostgreSQL") && said.contains("s behind at most"),
        "{said}"
    );
}
