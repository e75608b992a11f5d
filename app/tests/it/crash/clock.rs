//! The machine's clock jumps while it serves.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    checker::{self, Checker},
    load::{Load, Person},
};
use crate::{
    stoa::{Caller, Stoa, command, folder, token},
    system,
};

#[tokio::test(flavor = "multi_thread")]
async fn when_the_clock_jumps_nobody_is_logged_out_before_the_time_and_no_work_is_lost_or_doubled() {
    if !system::is_embedded("the clock does not jump") {
        return;
    }
    let (scratch, data_dir) = folder();
    let clock = FakeClock::new(scratch.path());
    let stoa = Stoa::serve_with_variables(&data_dir, &clock.variables());
    let ada = stoa.register("ada@example.com").await;
    let load = Load::start(&stoa, "clock");
    load.goes_on().await;

    clock.shift("+3700");
    told_that_it_expired(&stoa, token(&ada)).await;
    load.goes_on().await;
    let ada = refreshed(&stoa, &ada).await;
    let people = load.stop().await;

    // Back again: tokens of the hour to come are good, and so is what they open.
    let load = Load::start(&stoa, "future");
    load.goes_on().await;
    clock.shift("+0");
    assert_eq!(stoa.get("/api/v1/users/me", token(&ada)).await.status(), 200);
    load.goes_on().await;
    assert_eq!(load.expired(), 0, "nobody's hour was over");
    let ada = refreshed(&stoa, &ada).await;
    assert_eq!(stoa.get("/api/v1/users/me", token(&ada)).await.status(), 200);
    let people: Vec<_> = people.into_iter().chain(load.stop().await).collect();
    checker::everybody_logs_in(&stoa, &people).await;
    everything_is_there(stoa, &clock, &data_dir, &people).await;
}

/// Stops it and looks at what it leaves, once the clock has come to where it had been.
async fn everything_is_there(stoa: Stoa, clock: &FakeClock, data_dir: &Path, people: &[Person]) {
    // What was to be done in the hour to come is done in that hour.
    clock.shift("+3900");
    let checker = Checker::open(&[], data_dir).await;
    checker.everything_followed().await;
    assert!(stoa.terminate().success());
    checker.exactly_once(people, 0).await;
    checker.audit_in_order().await;
    checker.close().await;
    checker::audit_is_whole(command(data_dir));
}

async fn told_that_it_expired(stoa: &Caller, token: &str) {
    let answer = stoa.get("/api/v1/users/me", token).await;
    assert_eq!(answer.status(), 401);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "token_expired");
}

/// The session goes on with its refresh token.
async fn refreshed(stoa: &Caller, session: &Value) -> Value {
    let body = json!({"refresh_token": session["refresh_token"]});
    let answer = stoa.post("/api/v1/auth/refresh", body).await;
    let status = answer.status();
    let body = answer.json().await.unwrap();
    assert_eq!(status, 200, "{body}");
    body
}

/// A clock for one process, shifted by what a file says.
struct FakeClock {
    library: PathBuf,
    file: PathBuf,
}

impl FakeClock {
    fn new(folder: &Path) -> Self {
        let library = fs::read_dir("/usr/lib")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
            .find(|library| library.is_file());
        let clock = Self {
            library: library.expect("the clock cannot be shifted: install the package faketime"),
            file: folder.join("shift"),
        };
        clock.shift("+0");
        clock
    }

    /// From now on the process finds the machine's time plus so many seconds.
    fn shift(&self, seconds: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds}\n")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    fn variables(&self) -> Vec<(String, String)> {
        [
            ("LD_PRELOAD", self.library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            // Only the time of day jumps, as it does on a machine.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }
}
