//! Roles and schemas on a server of their own, one for each service.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use stoa_db::{Db, DbOptions};
use stoa_engines::Postgres;

use crate::{
    architecture::with_database,
    stoa::{Stoa, command, folder, token},
};

/// A server that asks for passwords, but not its superuser.
pub(crate) fn server() -> Postgres {
    let postgres = Postgres::start();
    let rules =
        "local all stoa trust\nhost all stoa 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    fs::write(postgres.folder().join("data/pg_hba.conf"), rules).unwrap();
    postgres.sql("SELECT pg_reload_conf()");
    postgres
}

fn provision(data_dir: &Path, postgres: &Postgres, out: &Path, flags: &[&str]) -> Output {
    command(data_dir)
        .arg("provision")
        .env("STOA_ADMIN_URL", postgres.url())
        .arg("--out")
        .arg(out)
        .args(flags)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}

fn url(out: &Path, service: &str) -> String {
    let table: toml::Table = fs::read_to_string(out).unwrap().parse().unwrap();
    table[service]["database"]["url"].as_str().unwrap().to_owned()
}

fn with(command: &mut Command, out: &Path) -> Output {
    command.arg("--config").arg(out).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_reaches_its_own_tables_and_no_others() {
    let (scratch, data_dir) = folder();
    for separate in [false, true] {
        let postgres = server();
        let out = scratch.path().join(format!("split-{separate}.toml"));
        let flags: &[&str] = if separate { &["--separate-databases"] } else { &[] };
        let dry = provision(&data_dir, &postgres, &out, &[flags, &["--dry-run"]].concat());
        let would = said(&dry);
        assert!(
            would.contains("CREATE ROLE \"stoa_auth\" LOGIN") && would.contains("PASSWORD '***'"),
            "{would}"
        );
        assert!(!out.exists() && !would.contains("SCRAM"), "{would}");
        let roles = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'stoa_%'";
        assert_eq!(postgres.sql(roles).trim(), "0", "a dry run does nothing");

        let done = provision(&data_dir, &postgres, &out, flags);
        assert!(done.status.success(), "{}", said(&done));
        assert!(said(&done).starts_with(&would), "it does what it said it would");
        let mode = fs::metadata(&out).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let migrated = with(command(&data_dir).arg("migrate"), &out);
        assert!(migrated.status.success(), "{}", said(&migrated));

        let auth = url(&out, "auth");
        let db = Db::open(DbOptions::new(&auth, "auth")).await.unwrap();
        let own: i64 = db
            .fetch_one("SELECT COUNT(*) FROM auth.accounts", &[])
            .await
            .unwrap();
        assert_eq!(own, 0);
        for sql in [
            "SELECT COUNT(*) FROM users.profiles",
            "SELECT COUNT(*) FROM users.outbox",
            "CREATE TABLE users.mine (id BIGINT)",
            "CREATE TABLE public.mine (id BIGINT)",
            "CREATE SCHEMA mine",
            "CREATE ROLE mine",
        ] {
            let refused = db.execute(sql, &[]).await.unwrap_err().to_string();
            assert!(
                refused.contains("permission denied") || (separate && refused.contains("does not exist")),
                "{sql}: {refused}"
            );
        }
        db.close().await;
        // Nor does it get in where the other service lives.
        let refused = Db::open(DbOptions::new(&auth, "users"))
            .await
            .map(drop)
            .unwrap_err();
        assert!(refused.to_string().contains("stoa provision"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_be_run_again() {
    let (scratch, data_dir) = folder();
    let postgres = server();
    let out = scratch.path().join("split.toml");
    assert!(provision(&data_dir, &postgres, &out, &[]).status.success());
    let before = url(&out, "auth");
    let again = provision(&data_dir, &postgres, &out, &["--dry-run"]);
    assert!(
        again.status.success() && again.stdout.is_empty(),
        "{}",
        said(&again)
    );
    let again = provision(&data_dir, &postgres, &out, &[]);
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(url(&out, "auth"), before, "passwords are kept");

    let elsewhere = scratch.path().join("other.toml");
    let refused = provision(&data_dir, &postgres, &elsewhere, &[]);
    assert!(
        !refused.status.success() && said(&refused).contains("--rotate"),
        "{}",
        said(&refused)
    );
    let rotated = provision(&data_dir, &postgres, &out, &["--rotate"]);
    assert!(rotated.status.success(), "{}", said(&rotated));
    let after = url(&out, "auth");
    assert_ne!(after, before);
    let refused = Db::open(DbOptions::new(&before, "auth"))
        .await
        .map(drop)
        .unwrap_err();
    assert!(
        refused.to_string().contains("refused the login of stoa_auth"),
        "{refused}"
    );

    let mine = scratch.path().join("stoa.toml");
    fs::write(&mine, "[server]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let refused = provision(&data_dir, &postgres, &mine, &["--rotate"]);
    assert!(said(&refused).contains("name another file"), "{}", said(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_one_role_made_for_all_are_handed_over() {
    let (scratch, data_dir) = folder();
    let postgres = server();
    postgres.sql("CREATE DATABASE stoa");
    let shared = postgres.url().replace("/postgres", "/stoa");
    let stoa = Stoa::serve_with(&data_dir, &[("DATABASE__URL", &shared)]);
    let ada = stoa.register("ada@example.com").await;
    assert!(stoa.terminate().success());
    let out = scratch.path().join("split.toml");
    let done = provision(&data_dir, &postgres, &out, &[]);
    assert!(done.status.success(), "{}", said(&done));
    let (auth, users) = (url(&out, "auth"), url(&out, "users"));
    let stoa = Stoa::serve_with(
        &data_dir,
        &[("AUTH__DATABASE__URL", &auth), ("USERS__DATABASE__URL", &users)],
    );
    assert_eq!(stoa.get("/api/v1/users/me", token(&ada)).await.status(), 200);
    stoa.register("grace@example.com").await;
}

#[test]
fn a_name_cannot_carry_sql() {
    let (scratch, data_dir) = folder();
    let postgres = server();
    let out = scratch.path().join("split.toml");
    for flags in [["--database", "a\"; DROP ROLE x; --"], ["--role-prefix", "A b"]] {
        let refused = provision(&data_dir, &postgres, &out, &flags);
        assert!(said(&refused).contains("cannot name"), "{}", said(&refused));
    }
}

#[test]
fn passwords_that_the_settings_give_are_the_roles() {
    let (scratch, data_dir) = folder();
    let postgres = server();
    let place = postgres.url();
    let place = &place[place.find('@').unwrap() + 1..place.rfind('/').unwrap()];
    let given: Vec<_> = with_database()
        .into_iter()
        .map(|service| {
            let variable = format!("STOA_{}__DATABASE__URL", service.to_uppercase());
            (
                variable,
                format!("postgres://stoa_{service}:from-elsewhere@{place}/stoa"),
            )
        })
        .collect();
    for round in ["first", "second"] {
        let out = scratch.path().join(format!("{round}.toml"));
        let done = command(&data_dir)
            .args(["provision", "--out"])
            .arg(&out)
            .env("STOA_ADMIN_URL", postgres.url())
            .envs(given.clone())
            // Another role's address is nobody's password.
            .env(
                "STOA_DATABASE__URL",
                format!("postgres://somebody:else@{place}/stoa"),
            )
            .output()
            .unwrap();
        assert!(done.status.success(), "{round}: {}", said(&done));
        assert!(url(&out, "auth").contains(":from-elsewhere@"), "{round}");
    }
    let reached = command(&data_dir).envs(given).arg("migrate").output().unwrap();
    assert!(reached.status.success(), "{}", said(&reached));
}
