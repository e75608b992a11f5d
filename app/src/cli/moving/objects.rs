//! What is kept beside the databases by key, such as pictures: from a folder to a bucket, or back.

use std::{collections::BTreeMap, fmt, path::Path};

use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use stoa_objects::{Objects, ObjectsConfig};

use super::End;
use crate::{cli::say, mount::Error, services::KnownService};

/// All that one side keeps.
#[derive(Debug, PartialEq, Eq)]
struct Sum {
    count: u64,
    bytes: u64,
    /// Of the keys and what is under them, in the order of the keys.
    digest: String,
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, bytes, digest) = (self.count, self.bytes, &self.digest[..16]);
        write!(f, "{count} objects, {bytes} bytes, sha256 {digest}…")
    }
}

/// Copies what is not there yet and compares both sides. False if they differ in the end.
pub(super) async fn copy(from: &End, to: &End) -> Result<bool, Error> {
    let (source, target) = (place(from)?, place(to)?);
    if source.1 == target.1 {
        return Ok(true);
    }
    if source.0.url.is_empty() && !from.data_dir.join("objects").is_dir() {
        say("objects: there are none");
        return Ok(true);
    }
    let source = Objects::open(&source.0, &from.data_dir.join("objects")).await?;
    let target = Objects::open(&target.0, &to.data_dir.join("objects")).await?;
    let there: BTreeMap<_, _> = target
        .list("")
        .await?
        .into_iter()
        .map(|one| (one.key, one.size))
        .collect();
    let mut copied = 0;
    for object in source.list("").await? {
        let key = &object.key;
        if there.get(key) == Some(&object.size) && digest(&source, key).await? == digest(&target, key).await?
        {
            continue;
        }
        target.put_stream(key, source.stream(key).await?.1).await?;
        copied += 1;
    }
    if copied > 0 {
        say(format!("objects: {copied} copied"));
    }
    let (was, is) = (sum(&source).await?, sum(&target).await?);
    if was == is {
        say(format!("objects: the same, {is}"));
    } else {
        say(format!("objects: DIFFER: {was} became {is}"));
    }
    Ok(was == is)
}

/// The settings of one side, and where that is.
fn place(end: &End) -> Result<(ObjectsConfig, String), Error> {
    for service in KnownService::with_database() {
        let key = end.settings.engine_key("objects", service.name(), "url");
        if key != "objects.url" {
            return Err(format!(
                "{key} is set: objects of one service alone are not moved; leave it out, and copy them with the store's own tools"
            )
            .into());
        }
    }
    let config: ObjectsConfig = end.settings.section("objects")?;
    let place = match config.url.as_str() {
        "" => folder(&end.data_dir.join("objects")),
        url => match url.strip_prefix("file://") {
            Some(path) => folder(Path::new(path)),
            None => format!("{url} at {}", config.endpoint),
        },
    };
    Ok((config, place))
}

fn folder(path: &Path) -> String {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    path.display().to_string()
}

async fn sum(objects: &Objects) -> Result<Sum, Error> {
    let (mut count, mut bytes, mut all) = (0, 0, Sha256::new());
    for object in objects.list("").await? {
        count += 1;
        bytes += object.size;
        all.update(format!(
            "{} {}\n",
            object.key,
            digest(objects, &object.key).await?
        ));
    }
    Ok(Sum {
        count,
        bytes,
        digest: hex::encode(all.finalize()),
    })
}

async fn digest(objects: &Objects, key: &str) -> Result<String, Error> {
    let (_, mut body) = objects.stream(key).await?;
    let mut hash = Sha256::new();
    while let Some(bytes) = body.try_next().await? {
        hash.update(&bytes);
    }
    Ok(hex::encode(hash.finalize()))
}
