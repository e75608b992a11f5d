//! The key of the audit logs, and where their heads are kept outside of the databases.

use std::{
    collections::HashMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use parking_lot::Mutex;
use stoa_audit::{AuditKey, HeadFile, HeadRecord, Keeper, Sealing, read_records};
use stoa_config::Settings;
use stoa_mail::{Address, Headers, Mail, Mailer};
use stoa_objects::{Objects, ObjectsConfig};

use crate::{
    mount::{Error, Platform},
    settings::AuditConfig,
};

/// Where heads are kept among objects: one each, as none is ever written over.
const PREFIX: &str = "audit-heads";
/// Of those, the newest of a service are compared. Each covers all before it.
const NEWEST: usize = 100;
/// Between two mails about one service.
const MAIL_EVERY: Duration = Duration::from_secs(24 * 3600);

impl AuditConfig {
    /// Refuses what no head could be signed or kept with.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.own_secret()?;
        if !self.heads_mail.is_empty() && Address::parse(&self.heads_mail).is_none() {
            return Err(format!(
                "audit.heads_mail is '{}', which is not an e-mail address",
                self.heads_mail
            )
            .into());
        }
        self.check_file()
    }

    /// A file that is named must be one, in a folder that is there: one that is made by mistake would not be on the disk that
    /// was meant.
    fn check_file(&self) -> Result<(), Error> {
        let (file, shown) = (&self.heads_file, self.heads_file.display());
        if file.as_os_str().is_empty() {
            return Ok(());
        }
        if file.is_dir() {
            return Err(format!("audit.heads_file is {shown}, which is a folder: name a file").into());
        }
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if folder.is_dir() {
            return Ok(());
        }
        let folder = folder.display();
        Err(
            format!("audit.heads_file is {shown}, and there is no folder {folder}: make it, or name another")
                .into(),
        )
    }

    fn own_secret(&self) -> Result<Option<Vec<u8>>, Error> {
        if self.secret.is_empty() {
            return Ok(None);
        }
        let secret = STANDARD
            .decode(&self.secret)
            .ok()
            .filter(|secret| secret.len() == 32);
        let wrong = "audit.secret must be 32 bytes in base64; make one with: openssl rand -base64 32";
        Ok(Some(secret.ok_or(wrong)?))
    }

    /// The file that heads are kept in.
    pub(crate) fn file(&self, data_dir: &Path) -> HeadFile {
        HeadFile::new(if self.heads_file.as_os_str().is_empty() {
            data_dir.join("audit").join("heads.jsonl")
        } else {
            self.heads_file.clone()
        })
    }
}

/// The key of the audit logs. Where no secret is set and there is no file with one, it is made or, without `make`, none.
pub(crate) fn key(settings: &Settings, data_dir: &Path, make: bool) -> Result<Option<AuditKey>, Error> {
    let config: AuditConfig = settings.section("audit")?;
    if let Some(secret) = config.own_secret()? {
        return Ok(Some(AuditKey::new(&secret)));
    }
    let root = stoa_auth::root_secret(&settings.section("auth")?, data_dir, make)?;
    Ok(root.map(|secret| AuditKey::new(&secret)))
}

/// What sealers are set up with, for serving.
pub(crate) async fn sealing(
    settings: &Settings,
    platform: &Platform,
    data_dir: &Path,
) -> Result<Sealing, Error> {
    let config: AuditConfig = settings.section("audit")?;
    let key = key(settings, data_dir, true)?.ok_or("the key of the audit log cannot be made")?;
    let mut keepers = Vec::new();
    if config.heads_objects {
        keepers.push(in_objects(objects(settings, data_dir).await?));
    }
    if !config.heads_mail.is_empty() {
        keepers.push(by_mail(
            platform.channels.mailer.clone(),
            config.heads_mail.clone(),
        ));
    }
    Ok(Sealing {
        keep: Some(config.keep.0).filter(|keep| !keep.is_zero()),
        file: Some(config.file(data_dir)),
        every: config.heads_every.0,
        keepers,
        ..Sealing::new(key)
    })
}

async fn objects(settings: &Settings, data_dir: &Path) -> Result<Objects, Error> {
    let config: ObjectsConfig = settings.engine_section("objects", "audit")?;
    Ok(Objects::open(&config, &data_dir.join("objects")).await?)
}

fn in_objects(objects: Objects) -> Keeper {
    Arc::new(move |record: HeadRecord| {
        let objects = objects.clone();
        Box::pin(async move {
            let name = format!("{:020}-{}.json", record.at.as_microsecond(), record.seq);
            let key = format!("{PREFIX}/{}/{name}", record.service);
            objects
                .put(&key, Bytes::from(record.line()))
                .await
                .map_err(|e| e.to_string())
        })
    })
}

fn by_mail(mailer: Mailer, to: String) -> Keeper {
    let sent: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    Arc::new(move |record: HeadRecord| {
        let mailer = mailer.clone();
        let due = {
            let mut sent = sent.lock();
            let due = sent
                .get(&record.service)
                .is_none_or(|at| at.elapsed() > MAIL_EVERY);
            if due {
                sent.insert(record.service.clone(), Instant::now());
            }
            due
        };
        let mail = mail(&to, &record);
        Box::pin(async move {
            if due {
                mailer.send(&mail).await.map_err(|e| e.to_string())?;
            }
            Ok(())
        })
    })
}

fn mail(to: &str, record: &HeadRecord) -> Mail {
    Mail {
        id: format!("audit-head-{}-{}", record.service, record.seq),
        to: to.to_owned(),
        subject: format!("Audit log of {}: {} entries", record.service, record.seq),
        text: format!(
            "The audit log of {} had {} entries at {}. Keep this mail: the line below, saved as a file, shows with\n\
             `stoa audit verify --against FILE` whether anything before it was changed later.\n\n{}\n",
            record.service,
            record.seq,
            record.at,
            record.line()
        ),
        html: None,
        headers: Headers::new(),
    }
}

/// Heads that were kept at `place`: in a file, or in the store where `place` is "objects".
pub(crate) async fn records(
    settings: &Settings,
    data_dir: &Path,
    place: &str,
) -> Result<Vec<HeadRecord>, Error> {
    if place != "objects" {
        let text = std::fs::read_to_string(place).map_err(|e| format!("{place}: {e}"))?;
        return read_records(&text).map_err(|e| format!("{place}: {e}").into());
    }
    let objects = objects(settings, data_dir).await?;
    let mut newest: HashMap<String, Vec<String>> = HashMap::new();
    for found in objects.list(PREFIX).await? {
        let service = found.key.split('/').nth(1).unwrap_or_default().to_owned();
        newest.entry(service).or_default().push(found.key);
    }
    let mut records = Vec::new();
    for keys in newest.into_values() {
        for key in &keys[keys.len().saturating_sub(NEWEST)..] {
            let text = String::from_utf8_lossy(&objects.get(key).await?).into_owned();
            records.extend(read_records(&text).map_err(|e| format!("{key}: {e}"))?);
        }
    }
    Ok(records)
}
