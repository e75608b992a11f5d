//! What clients and the service say in all tests, written to a file where `STOA_TEST_TRANSCRIPT` names one: `tools/asyncapi.sh` compares it
//! with docs/asyncapi.yaml.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use stoa_realtime::CloseReason;

static FILE: OnceLock<Option<File>> = OnceLock::new();
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// One connection's part of it.
pub(crate) struct Transcript {
    connection: u64,
}

impl Transcript {
    pub(crate) fn begin() -> Self {
        Self {
            connection: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Adds a line.
    pub(crate) fn note(&self, what: &Value) {
        if let Some(file) = FILE.get_or_init(open) {
            write(file, &json!({ "connection": self.connection, "what": what }));
        }
    }
}

fn open() -> Option<File> {
    let path = std::env::var_os("STOA_TEST_TRANSCRIPT")?;
    let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    let own = stoa_realtime::SERVICE.codes;
    write(
        &file,
        &json!({ "codes": own, "shared_codes": stoa_kernel::codes::CODES, "close_reasons": CloseReason::ALL }),
    );
    Some(file)
}

/// In one piece: many tests write at once.
fn write(mut file: &File, line: &Value) {
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}
