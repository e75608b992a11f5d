//! The command line: what it prints, and with what exit code it ends.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::stoa::{Stoa, command, folder, run, token};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn create_admin(data_dir: &Path, email: &str, password: &str) -> std::process::Output {
    admin(command(data_dir), email, password, &[])
}

/// Makes an administrator by a command line of `stoa`.
pub(crate) fn admin(mut stoa: Command, email: &str, password: &str, flags: &[&str]) -> std::process::Output {
    let mut child = stoa
        .args(["admin", "create", "--email", email])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(password.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_is_made_beside_a_serving_stoa() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    let made = create_admin(
        &data_dir,
        "root@example.com",
        &format!("{}\n", crate::stoa::PASSWORD),
    );
    assert!(made.status.success(), "{}", text(&made.stderr));
    let admin = stoa.login("root@example.com").await;
    assert_eq!(stoa.get("/api/v1/users", token(&admin)).await.status(), 200);

    let somebody = stoa.register("somebody@example.com").await;
    assert_eq!(stoa.get("/api/v1/users", token(&somebody)).await.status(), 403);
    let refused = create_admin(&data_dir, "somebody@example.com", "another good one\n");
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.contains("has an account already") && said.contains("--take-over"),
        "{said}"
    );
    assert_eq!(stoa.get("/api/v1/users", token(&somebody)).await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_taken_over_is_heard_of_by_a_serving_stoa_within_a_second() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    let squatter = stoa.register("root@example.com").await;
    let taken = admin(
        command(&data_dir),
        "root@example.com",
        "another good one\n",
        &["--take-over"],
    );
    assert!(taken.status.success(), "{}", text(&taken.stderr));
    for tries in 0.. {
        let answer = stoa.get("/api/v1/auth/me", token(&squatter)).await;
        if answer.status() == 401 {
            break;
        }
        assert!(tries < 100, "the session of before still works");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let body = serde_json::json!({ "email": "root@example.com", "password": "another good one" });
    let call = stoa
        .request(reqwest::Method::POST, "/api/v1/auth/login")
        .json(&body);
    let admin: serde_json::Value = call.send().await.unwrap().json().await.unwrap();
    assert_eq!(stoa.get("/api/v1/users", token(&admin)).await.status(), 200);
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest_name() {
    let (scratch, data_dir) = folder();
    let file = scratch.path().join("stoa.toml");
    fs::write(&file, "[gateway.rate_limit]\nper_adress = \"1/s\"\n").unwrap();
    let checked = command(&data_dir)
        .args(["config", "check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(1));
    let said = text(&checked.stderr);
    assert!(
        said.contains("gateway.rate_limit.per_adress") && said.contains("per_address"),
        "{said}"
    );

    let checked = command(&data_dir)
        .env("STOA_AUTH__REGISTRATON", "open")
        .args(["config", "check"])
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(1));
    let said = text(&checked.stderr);
    assert!(
        said.contains("STOA_AUTH__REGISTRATON") && said.to_lowercase().contains("registration"),
        "{said}"
    );
}

#[test]
fn a_setting_of_the_wrong_type_is_refused_by_name() {
    let (_scratch, data_dir) = folder();
    for (key, value) in [
        ("STOA_GATEWAY__RATE_LIMIT__PER_USER", "lots"),
        ("STOA_GATEWAY__MAX_BODY", "big"),
        ("STOA_AUTH__ACCESS_TOKEN_LIFETIME", "soon"),
    ] {
        let checked = command(&data_dir)
            .env(key, value)
            .args(["config", "check"])
            .output()
            .unwrap();
        assert_eq!(checked.status.code(), Some(1), "{key}");
        let name = key.trim_start_matches("STOA_").replace("__", ".").to_lowercase();
        assert!(
            text(&checked.stderr)
                .to_lowercase()
                .contains(name.rsplit('.').next().unwrap()),
            "{}",
            text(&checked.stderr)
        );
    }
}

#[test]
fn the_environment_outranks_the_file_and_a_flag_outranks_both() {
    let (scratch, data_dir) = folder();
    let file = scratch.path().join("stoa.toml");
    fs::write(
        &file,
        "[server]\nlisten = \"127.0.0.1:1111\"\n[auth]\nregistration = \"closed\"\n",
    )
    .unwrap();
    let printed = command(&data_dir)
        .env("STOA_SERVER__LISTEN", "127.0.0.1:2222")
        .env("STOA_SERVER__DATA_DIR", "/elsewhere")
        .args(["config", "print", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let said = text(&printed.stdout);
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    assert!(
        said.contains("127.0.0.1:2222") && said.contains("\"closed\"") && !said.contains("/elsewhere"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_one_folder_is_refused_with_words() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    let second = run(&data_dir, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    let said = text(&second.stderr);
    assert!(
        said.contains("another stoa") && said.contains(&stoa.pid().to_string()),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_databases_are_for_the_owner_alone() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    stoa.register("ada@example.com").await;
    let mut seen = 0;
    let mut folders = vec![data_dir.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.contains(".db") || entry.path().starts_with(data_dir.join("keys")) {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", entry.path().display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 3, "only {seen} such files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_audit_log_is_found_out() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    stoa.register("ada@example.com").await;
    stoa.login("ada@example.com").await;
    assert!(stoa.terminate().success());
    let intact = run(&data_dir, &["audit", "verify"]);
    assert_eq!(intact.status.code(), Some(0), "{}", text(&intact.stdout));

    let url = format!("sqlite:{}", data_dir.join("auth.db").display());
    let db = stoa_db::Db::open(stoa_db::DbOptions::new(url, "auth"))
        .await
        .unwrap();
    let changed = db
        .execute("UPDATE audit SET action = 'account.forged' WHERE seq = 1", &[])
        .await
        .unwrap();
    assert_eq!(changed, 1);
    db.close().await;
    let broken = run(&data_dir, &["audit", "verify"]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(
        text(&broken.stdout).contains("auth: BROKEN at entry 1"),
        "{}",
        text(&broken.stdout)
    );
}

#[test]
fn health_tells_by_its_exit_code_whether_a_stoa_serves() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    let address = stoa.url.trim_start_matches("http://").to_owned();
    for more in [&[][..], &["--live"]] {
        let args = [&["health", "--at", &address], more].concat();
        let well = run(&data_dir, &args);
        assert_eq!(well.status.code(), Some(0), "{}", text(&well.stderr));
        assert!(text(&well.stdout).contains("200"), "{}", text(&well.stdout));
    }
    // The address may come from the settings, as it does in a container.
    let set = command(&data_dir)
        .env("STOA_SERVER__LISTEN", address.replace("127.0.0.1", "0.0.0.0"))
        .arg("health")
        .output()
        .unwrap();
    assert!(set.status.success(), "{}", text(&set.stderr));
    stoa.kill();
    let gone = run(&data_dir, &["health", "--at", &address]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone.stderr).contains(&address), "{}", text(&gone.stderr));
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let (_scratch, data_dir) = folder();
    assert!(run(&data_dir, &["migrate"]).status.success());
    let healthy = run(&data_dir, &["doctor"]);
    assert_eq!(healthy.status.code(), Some(0), "{}", text(&healthy.stdout));
    fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o755)).unwrap();
    let found = run(&data_dir, &["doctor"]);
    assert_eq!(found.status.code(), Some(2));
    assert!(
        text(&found.stdout).contains("chmod 700"),
        "{}",
        text(&found.stdout)
    );
}

#[test]
fn migrate_says_what_it_would_do_and_then_does_it() {
    let (_scratch, data_dir) = folder();
    let would = run(&data_dir, &["migrate", "--dry-run"]);
    assert!(
        text(&would.stdout).contains("would apply"),
        "{}",
        text(&would.stderr)
    );
    let did = run(&data_dir, &["migrate"]);
    assert_eq!(
        text(&did.stdout).matches("applied").count(),
        text(&would.stdout).matches("would apply").count()
    );
    assert!(text(&run(&data_dir, &["migrate"]).stdout).contains("up to date"));
}
