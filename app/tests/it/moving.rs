//! All data from files to PostgreSQL and back.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use stoa_db::{Db, DbOptions, Engine};
use stoa_kernel::Id;

use crate::{
    postgres::Database,
    stoa::{Stoa, command, folder, run, token},
};

/// So many that a move of them takes a while.
const ROWS: usize = 25_000;

fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}

/// A settings file for a database.
fn settings(folder: &Path, database: &Database) -> PathBuf {
    let file = folder.join("postgres.toml");
    let data_dir = folder.join("elsewhere");
    fs::write(
        &file,
        format!(
            "[server]\ndata_dir = {data_dir:?}\n[database]\nurl = {:?}\n",
            database.url()
        ),
    )
    .unwrap();
    file
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn fill(data_dir: &Path) {
    let url = format!("sqlite:{}", data_dir.join("users.db").display());
    let db = Db::open(DbOptions::new(url, "users")).await.unwrap();
    assert_eq!(db.engine(), Engine::Sqlite);
    let mut tx = db.begin().await.unwrap();
    for _ in 0..ROWS {
        let (user, id): (Id<()>, Id<()>) = (tx.new_id(), tx.new_id());
        let now = tx.clock().now();
        let sql =
            "INSERT INTO activity (user_id, id, action, detail, created_at) VALUES ($1, $2, 'test', $3, $4)";
        tx.execute(sql, &[&user, &id, &"{\"ä\":\"🎉\"}", &now])
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_to_postgresql_and_back_also_when_it_is_killed_on_the_way() {
    let (scratch, data_dir) = folder();
    let database = Database::new().await;
    let stoa = Stoa::serve(&data_dir);
    let ada = stoa.register("ada@example.com").await;
    let to = settings(scratch.path(), &database);
    let held = run(&data_dir, &["move", "--to", path(&to)]);
    assert!(text(&held).contains("is running on it"), "{}", text(&held));
    assert!(stoa.terminate().success());
    fill(&data_dir).await;

    // Killed twice, each time once it has told that some of it is done.
    for done in ["accounts copied", "activity has "] {
        let mut moving = command(&data_dir)
            .args(["move", "--to", path(&to)])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(moving.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        assert!(
            lines.any(|line| line.contains(done)),
            "it ended before it told: {done}"
        );
        moving.kill().unwrap();
        moving.wait().unwrap();
    }
    let url = database.url();
    let refused = command(&data_dir)
        .env("STOA_DATABASE__URL", &url)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert!(text(&refused).contains("has not ended"), "{}", text(&refused));

    let moved = run(&data_dir, &["move", "--to", path(&to)]);
    let said = text(&moved);
    assert!(moved.status.success(), "{said}");
    assert!(
        !said.contains("accounts copied"),
        "what was done is not done again: {said}"
    );
    assert!(said.contains("users: activity is the same, "), "{said}");
    assert!(said.contains("auth: the audit log is intact"), "{said}");
    let again = run(&data_dir, &["move", "--to", path(&to)]);
    assert!(
        again.status.success() && !text(&again).contains("copied"),
        "{}",
        text(&again)
    );

    // With the keys of the old folder everybody stays signed in.
    let stoa = Stoa::serve_with(&data_dir, &[("DATABASE__URL", &url)]);
    assert_eq!(stoa.get("/api/v1/users/me", token(&ada)).await.status(), 200);
    let target = scratch.path().join("back");
    fs::create_dir(&target).unwrap();
    let back = ["move", "--from", path(&to), "--to", path(&target)];
    let busy = run(&data_dir, &back);
    assert!(text(&busy).contains("in use by a stoa"), "{}", text(&busy));
    stoa.login("ada@example.com").await;
    assert!(stoa.terminate().success());
    let other = run(&data_dir, &["move", "--to", path(&to)]);
    assert!(text(&other).contains("has data of its own"), "{}", text(&other));

    let moved = run(&data_dir, &back);
    assert!(moved.status.success(), "{}", text(&moved));
    for kept in ["keys", "objects"] {
        let _ = fs::remove_dir_all(target.join(kept));
        fs::rename(data_dir.join(kept), target.join(kept)).unwrap();
    }
    let stoa = Stoa::serve(&target);
    assert_eq!(stoa.get("/api/v1/users/me", token(&ada)).await.status(), 200);
    assert!(stoa.terminate().success());
    let verified = run(&target, &["audit", "verify"]);
    assert!(verified.status.success(), "{}", text(&verified));
    database.remove().await;
}

#[test]
fn a_move_to_where_it_is_or_from_nowhere_is_refused() {
    let (_scratch, data_dir) = folder();
    let nowhere = run(&data_dir, &["move", "--to", "/nowhere/stoa.toml"]);
    assert!(
        text(&nowhere).contains("/nowhere/stoa.toml cannot be read"),
        "{}",
        text(&nowhere)
    );
    assert!(run(&data_dir, &["migrate"]).status.success());
    let same = run(&data_dir, &["move", "--to", path(&data_dir)]);
    assert!(text(&same).contains("to where it is"), "{}", text(&same));
}
