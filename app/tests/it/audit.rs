//! Whoever can write to a service's file, and lacks the key, cannot change its audit log unseen.

use std::{fs, path::Path, process::Output, time::Duration};

use stoa_db::{Db, DbOptions};

use crate::stoa::{Stoa, folder, run, run_with};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn variable(key: &str, value: &str) -> (String, String) {
    (format!("STOA_{key}"), value.to_owned())
}

async fn auth(data_dir: &Path) -> Db {
    let url = format!("sqlite:{}", data_dir.join("auth.db").display());
    Db::open(DbOptions::new(url, "auth")).await.unwrap()
}

async fn execute(data_dir: &Path, statements: &[&str]) {
    let db = auth(data_dir).await;
    for sql in statements {
        db.execute(sql, &[]).await.unwrap();
    }
    db.close().await;
}

/// Serves for as long as it takes to register somebody.
async fn served(data_dir: &Path, settings: &[(&str, &str)], email: &str) {
    let stoa = Stoa::serve_with(data_dir, settings);
    stoa.register(email).await;
    stoa.login(email).await;
    assert!(stoa.terminate().success());
}

const CUT_OFF: [&str; 2] = [
    "DELETE FROM audit WHERE seq > 1",
    "UPDATE audit_head SET seq = 1, hash = (SELECT hash FROM audit WHERE seq = 1)",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_end_was_cut_off_with_its_head_is_broken() {
    let (_scratch, data_dir) = folder();
    served(&data_dir, &[], "ada@example.com").await;
    let intact = run(&data_dir, &["audit", "verify"]);
    assert!(intact.status.success(), "{}", said(&intact));
    execute(&data_dir, &CUT_OFF).await;
    // Also where what is kept beside it is gone.
    for _ in 0..2 {
        let broken = run(&data_dir, &["audit", "verify"]);
        assert_eq!(broken.status.code(), Some(2), "{}", said(&broken));
        assert!(said(&broken).contains("auth: BROKEN"), "{}", said(&broken));
        let _ = fs::remove_file(data_dir.join("audit/heads.jsonl"));
    }
    // Nor does a start sign it, and whoever operates it is told.
    let doctor = run(&data_dir, &["doctor"]);
    assert_eq!(doctor.status.code(), Some(2), "{}", said(&doctor));
    assert!(
        said(&doctor).contains("WRONG  auth database: the audit log was tampered with"),
        "{}",
        said(&doctor)
    );
    let stoa = Stoa::serve(&data_dir);
    let degraded = async {
        loop {
            let health = stoa.look("/health").await.text().await.unwrap();
            if health.contains("the audit log was tampered with") {
                return health;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let health = tokio::time::timeout(Duration::from_secs(20), degraded)
        .await
        .expect("health tells");
    assert!(health.contains(r#""status":"degraded""#), "{health}");
    stoa.register("grace@example.com").await;
    assert!(stoa.terminate().success());
    let broken = run(&data_dir, &["audit", "verify"]);
    assert_eq!(broken.status.code(), Some(2), "{}", said(&broken));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_head_lost_its_signature_is_broken_and_signed_by_no_start() {
    let (_scratch, data_dir) = folder();
    served(&data_dir, &[], "ada@example.com").await;
    execute(&data_dir, &CUT_OFF).await;
    execute(&data_dir, &["UPDATE audit_head SET key_id = NULL, mac = NULL"]).await;
    fs::remove_file(data_dir.join("audit/heads.jsonl")).unwrap();
    for email in ["grace@example.com", "alan@example.com"] {
        let broken = run(&data_dir, &["audit", "verify"]);
        assert_eq!(broken.status.code(), Some(2), "{}", said(&broken));
        assert!(
            said(&broken).contains("its head is not signed"),
            "{}",
            said(&broken)
        );
        served(&data_dir, &[], email).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_log_is_broken() {
    let (_scratch, data_dir) = folder();
    served(&data_dir, &[], "ada@example.com").await;
    execute(&data_dir, &["DELETE FROM audit", "DELETE FROM audit_head"]).await;
    let broken = run(&data_dir, &["audit", "verify"]);
    assert_eq!(broken.status.code(), Some(2), "{}", said(&broken));
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_kept_elsewhere_show_a_folder_that_was_put_back_as_a_whole() {
    let (scratch, data_dir) = folder();
    served(&data_dir, &[], "ada@example.com").await;
    let old = scratch.path().join("old");
    copy(&data_dir, &old);
    let objects = scratch.path().join("objects");
    fs::create_dir(&objects).unwrap();
    let bucket = format!("file://{}", objects.display());
    let settings = [
        ("AUDIT__HEADS_OBJECTS", "true"),
        ("AUDIT__OBJECTS__URL", &bucket),
        ("AUDIT__HEADS_MAIL", "auditor@example.com"),
    ];
    served(&data_dir, &settings, "grace@example.com").await;
    let kept = scratch.path().join("kept.jsonl");
    fs::copy(data_dir.join("audit/heads.jsonl"), &kept).unwrap();
    let mails: Vec<_> = fs::read_dir(data_dir.join("mail")).unwrap().flatten().collect();
    let mailed = |mail: &fs::DirEntry| mail.file_name().to_string_lossy().starts_with("audit-head-auth-");
    assert!(mails.iter().any(mailed), "{mails:?}");

    let variables = [
        variable("AUDIT__HEADS_OBJECTS", "true"),
        variable("AUDIT__OBJECTS__URL", &bucket),
    ];
    let places = [
        "audit",
        "verify",
        "--against",
        kept.to_str().unwrap(),
        "--against",
        "objects",
    ];
    let agrees = run_with(&data_dir, &places, &variables);
    assert!(agrees.status.success(), "{}", said(&agrees));
    assert_eq!(
        said(&agrees).matches("auth: agrees with").count(),
        2,
        "{}",
        said(&agrees)
    );

    fs::remove_dir_all(&data_dir).unwrap();
    copy(&old, &data_dir);
    let alone = run(&data_dir, &["audit", "verify"]);
    assert!(
        alone.status.success(),
        "by itself it is as it was: {}",
        said(&alone)
    );
    for place in [kept.to_str().unwrap(), "objects"] {
        let broken = run_with(&data_dir, &["audit", "verify", "--against", place], &variables);
        assert_eq!(broken.status.code(), Some(2), "{place}: {}", said(&broken));
        assert!(said(&broken).contains(place), "{}", said(&broken));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_another_key_does_not_start_until_that_is_meant() {
    let (_scratch, data_dir) = folder();
    served(&data_dir, &[], "ada@example.com").await;
    let other = [variable(
        "AUDIT__SECRET",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    )];
    let refused = run_with(&data_dir, &["serve", "--listen", "127.0.0.1:0"], &other);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("audit.secret"), "{}", said(&refused));
    let anchored = run_with(&data_dir, &["audit", "anchor"], &other);
    assert!(anchored.status.success(), "{}", said(&anchored));
    let stoa = Stoa::serve_with_variables(&data_dir, &other);
    assert!(stoa.terminate().success());
    let intact = run_with(&data_dir, &["audit", "verify"], &other);
    assert!(intact.status.success(), "{}", said(&intact));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_older_than_they_are_kept_go_and_the_rest_verifies() {
    let (_scratch, data_dir) = folder();
    served(&data_dir, &[], "ada@example.com").await;
    let stoa = Stoa::serve_with(&data_dir, &[("AUDIT__KEEP", "1ms")]);
    let trimmed = async {
        let sql = "SELECT COUNT(*) FROM audit WHERE action = 'audit.trim'";
        let db = auth(&data_dir).await;
        while db.fetch_one::<i64>(sql, &[]).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        db.close().await;
    };
    tokio::time::timeout(Duration::from_secs(30), trimmed)
        .await
        .expect("old entries go");
    assert!(stoa.terminate().success());
    let intact = run(&data_dir, &["audit", "verify"]);
    let text = said(&intact);
    assert!(
        intact.status.success() && text.contains("auth: ") && text.contains("older entries"),
        "{text}"
    );
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
