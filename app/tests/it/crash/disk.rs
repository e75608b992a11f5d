//! The disk is full under load: writes are refused, reads go on, and writes go on once there is room.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    checker::{self, Checker},
    load::Load,
};
use crate::{
    stoa::{Caller, PASSWORD, Stoa, command, token},
    system,
};

#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_disk_nothing_acknowledged_is_lost_and_all_goes_on_once_there_is_room() {
    if !system::is_embedded("the disk is not filled") {
        return;
    }
    let disk = SmallDisk::mount();
    let data_dir = disk.path().join("data");
    let stoa = Stoa::serve(&data_dir);
    let ada = stoa.register("ada@example.com").await;
    let load = Load::start(&stoa, "disk");
    load.goes_on().await;
    let filler = disk.fill();
    let refused = first_refusal(&stoa, &filler).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "unavailable");
    for _ in 0..20 {
        assert_eq!(stoa.get("/api/v1/users/me", token(&ada)).await.status(), 200);
        assert_eq!(stoa.look("/health/live").await.status(), 200);
    }
    ready(&stoa, 503).await;
    std::fs::remove_file(&filler).unwrap();
    load.goes_on().await;
    ready(&stoa, 200).await;
    let people = load.stop().await;
    checker::everybody_logs_in(&stoa, &people).await;
    let checker = Checker::open(&[], &data_dir).await;
    checker.everything_followed().await;
    assert!(stoa.terminate().success());
    checker.exactly_once(&people, 0).await;
    checker.close().await;
    checker::audit_is_whole(command(&data_dir));
}

/// Waits until readiness says so: it looks at the disk every few seconds.
async fn ready(stoa: &Caller, status: u16) {
    for _ in 0..200 {
        if stoa.look("/health/ready").await.status() == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", stoa.look("/health/ready").await.text().await.unwrap());
}

/// Registers until that is refused; what is freed meanwhile is filled again.
async fn first_refusal(stoa: &Caller, filler: &Path) -> Response {
    for number in 0..600 {
        let email = format!("late{number}@example.com");
        let body = json!({"email": email, "password": PASSWORD});
        let answer = stoa.post("/api/v1/auth/register", body).await;
        if answer.status() != 201 {
            return answer;
        }
        fill(filler);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("people still registered on a full disk");
}

/// A disk of a few megabytes, gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs"])
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(
            mount.status.success(),
            "a small disk is needed to fill it, and only root may mount one: run this test as root, on a machine or in a container \
             that allows `mount -t tmpfs` (in a container the capability SYS_ADMIN). mount says: {}",
            String::from_utf8_lossy(&mount.stderr)
        );
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it with a file, and returns which.
    fn fill(&self) -> PathBuf {
        let filler = self.path().join("filler");
        fill(&filler);
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

/// Writes to the file until nothing more fits.
fn fill(filler: &Path) {
    let mut file = File::options().create(true).append(true).open(filler).unwrap();
    for size in [64 * 1024, 4096] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}
