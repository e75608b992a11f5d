//! Tests that need a process of their own: to kill it, to limit it, or to be another user.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use stoa_db::{Db, DbOptions};

/// Who owns nothing.
pub(crate) const NOBODY: u32 = 65534;

/// A shell that, after `prelude`, runs the test `name` of this binary, one marked `#[ignore]`, on the database at `path`.
pub(crate) fn test(prelude: &str, name: &str, path: &Path) -> Command {
    command(&std::env::current_exe().unwrap(), prelude, name, path)
}

/// As [`test`], by a user whom the modes of files hold back: nobody, where root runs this, for they do not hold back root.
pub(crate) fn test_as_plain_user(folder: &Path, name: &str, path: &Path) -> Command {
    let exe = std::env::current_exe().unwrap();
    if !is_root() {
        return command(&exe, "", name, path);
    }
    // The binary may lie where nobody cannot go.
    let copy: PathBuf = folder.join("tests");
    fs::copy(exe, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = command(&copy, "", name, path);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn command(exe: &Path, prelude: &str, name: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{prelude} exec \"$0\" \"$@\""))
        .arg(exe);
    command
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
        .env("STOA_TEST_CHILD_DB", path);
    command
}

/// In the child: the options of the database that the parent named.
#[expect(clippy::disallowed_methods, reason = "how the parent tells the child")]
pub(crate) fn options() -> DbOptions {
    let path = std::env::var("STOA_TEST_CHILD_DB").expect("run by another test");
    DbOptions::new(format!("sqlite:{path}"), "test")
}

/// In the child: tells the parent. One write, and a line to itself, whatever the harness prints beside it.
#[expect(clippy::print_stdout, reason = "how the child tells the parent")]
pub(crate) fn tell(what: impl std::fmt::Display) {
    println!("\ntold {what}");
}

/// In the parent: what was told, in whole lines.
pub(crate) fn told(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .filter_map(|line| line.strip_prefix("told "))
        .map(str::to_owned)
        .collect()
}

/// Opens the database again, whatever became of the child, and sees that the file is sound.
pub(crate) async fn reopened(path: &Path) -> Db {
    let db = Db::open(DbOptions::new(format!("sqlite:{}", path.display()), "test"))
        .await
        .unwrap();
    assert_eq!(
        db.fetch_one::<String>("PRAGMA integrity_check", &[])
            .await
            .unwrap(),
        "ok"
    );
    db
}
