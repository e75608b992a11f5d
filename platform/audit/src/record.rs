//! Heads that are kept outside of the database, to be compared with the chain later.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use stoa_kernel::Timestamp;

use crate::key::{AuditKey, Purpose};

/// The end of a service's chain at some time: one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadRecord {
    /// Whose log.
    pub service: String,
    /// The number of the last entry.
    pub seq: i64,
    /// Its hash, in hexadecimal.
    pub hash: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// Whether an operator took the log as it was: what was recorded before counts no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anchored: bool,
    /// Which key it is signed with.
    pub key: String,
    /// The signature, in hexadecimal.
    pub mac: String,
}

impl HeadRecord {
    pub(crate) fn new(
        key: &AuditKey,
        service: &str,
        seq: i64,
        hash: &[u8],
        at: Timestamp,
        anchored: bool,
    ) -> Self {
        let mut record = Self {
            service: service.to_owned(),
            seq,
            hash: hex::encode(hash),
            at,
            anchored,
            key: key.id(),
            mac: String::new(),
        };
        record.mac = hex::encode(key.sign(Purpose::Record, &record.signed_text(), seq, hash));
        record
    }

    /// Whether it is signed with this key. None if it says that it is signed with another.
    #[must_use]
    pub fn is_signed(&self, key: &AuditKey) -> Option<bool> {
        (self.key == key.id()).then(|| {
            let (Ok(hash), Ok(mac)) = (hex::decode(&self.hash), hex::decode(&self.mac)) else {
                return false;
            };
            key.signed(Purpose::Record, &self.signed_text(), self.seq, &hash, &mac)
        })
    }

    /// As a line of JSON.
    #[must_use]
    pub fn line(&self) -> String {
        // Texts and numbers: nothing in it can fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn signed_text(&self) -> String {
        let mark = if self.anchored { "anchored" } else { "" };
        format!("{} {} {mark}", self.service, self.at.as_microsecond())
    }
}

/// Reads records: one a line, with empty lines between them.
///
/// # Errors
/// Which line is none.
pub fn read_records(text: &str) -> Result<Vec<HeadRecord>, String> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_str(line)
                .map_err(|e| format!("line {} is not a head of an audit log: {e}", at + 1))
        })
        .collect()
}

/// A file that records are added to.
#[derive(Clone, Debug)]
pub struct HeadFile(PathBuf);

impl HeadFile {
    /// The file at `path`; it and its folder are made when the first record is added.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// All records; none where there is no file. A line that was not written to its end, when the machine stopped, is left
    /// out.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self) -> Result<Vec<HeadRecord>, String> {
        let text = match fs::read_to_string(&self.0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|e| format!("{}: {e}", self.0.display()))?,
        };
        Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// Adds a record, and returns once it is on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, record: &HeadRecord) -> Result<(), String> {
        self.append(&format!("{}\n", record.line()))
            .map_err(|e| format!("{}: {e}", self.0.display()))
    }

    fn append(&self, line: &str) -> io::Result<()> {
        if let Some(folder) = self.0.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.0)?;
        // Behind a line that was not written to its end a new one begins.
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(-1)).is_ok() {
            file.read_exact(&mut last)?;
        }
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }
}

/// The records of one service that count: from the last that an operator began anew with.
pub(crate) fn counting<'a>(records: &'a [HeadRecord], service: &str) -> Vec<&'a HeadRecord> {
    let own: Vec<_> = records
        .iter()
        .filter(|record| record.service == service)
        .collect();
    let begin = own.iter().rposition(|record| record.anchored).unwrap_or(0);
    own[begin..].to_vec()
}
