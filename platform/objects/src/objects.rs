//! The handle that services hold.

use std::{fs, io, os::unix::fs::DirBuilderExt, path::Path, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, local::LocalFileSystem};

use crate::{ObjectError, key};

/// Bytes by key. Cheap to clone; clones share the store.
#[derive(Clone, Debug)]
pub struct Objects(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Box<dyn ObjectStore>,
    folder: PathBuf,
}

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// Changes when the bytes do.
    pub etag: Option<String>,
}

impl Objects {
    /// Objects as files below `folder`, which is made if need be and readable by this user alone. They are fsynced
    /// before `put` returns, and replaced atomically. Keys are `a-z0-9._-` segments joined by `/`; `..` and absolute
    /// keys are refused.
    ///
    /// # Errors
    /// When the folder cannot be made or used.
    pub fn folder(folder: &Path) -> Result<Self, ObjectError> {
        let failed = |e: io::Error| ObjectError::Store(format!("{} cannot be used: {e}", folder.display()));
        make_private(folder).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self(Arc::new(Inner {
            store: Box::new(store),
            folder: folder.to_owned(),
        })))
    }

    /// Keeps `bytes` under `key`, in place of what was there. Whoever reads meanwhile gets the whole of the one or of
    /// the other.
    ///
    /// # Errors
    /// When `key` is none, or the store fails.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        self.0.store.put(&key::path(key)?, bytes.into()).await?;
        Ok(())
    }

    /// The bytes under `key`.
    ///
    /// # Errors
    /// [`ObjectError::NotFound`] if there are none; when `key` is none, or the store fails.
    pub async fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        Ok(self.0.store.get(&key::path(key)?).await?.bytes().await?)
    }

    /// What is known of the object under `key`.
    ///
    /// # Errors
    /// As [`Objects::get`].
    pub async fn info(&self, key: &str) -> Result<ObjectInfo, ObjectError> {
        Ok(self.0.store.head(&key::path(key)?).await?.into())
    }

    /// Deletes; also fine if there is none.
    ///
    /// # Errors
    /// When `key` is none, or the store fails.
    pub async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        match self
            .0
            .store
            .delete(&key::path(key)?)
            .await
            .map_err(ObjectError::from)
        {
            Ok(()) | Err(ObjectError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The objects whose keys begin with the whole segments of `prefix`, in the order of their keys; all for "".
    ///
    /// # Errors
    /// When `prefix` can begin no key, or the store fails.
    pub async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, ObjectError> {
        let prefix = key::prefix(prefix)?;
        let found: Result<Vec<ObjectMeta>, _> = self.0.store.list(prefix.as_ref()).try_collect().await;
        let mut list: Vec<ObjectInfo> = match found.map_err(ObjectError::from) {
            Ok(found) => found.into_iter().map(ObjectInfo::from).collect(),
            Err(ObjectError::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        };
        list.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(list)
    }

    /// Whether the store is there.
    ///
    /// # Errors
    /// When it is not.
    pub async fn ping(&self) -> Result<(), ObjectError> {
        let folder = &self.0.folder;
        let failed = |why: String| ObjectError::Store(format!("{} cannot be used: {why}", folder.display()));
        let found = tokio::fs::metadata(folder)
            .await
            .map_err(|e| failed(e.to_string()))?;
        if found.is_dir() {
            Ok(())
        } else {
            Err(failed("it is not a folder".to_owned()))
        }
    }
}

impl From<ObjectMeta> for ObjectInfo {
    fn from(meta: ObjectMeta) -> Self {
        Self {
            key: meta.location.to_string(),
            size: meta.size,
            etag: meta.e_tag,
        }
    }
}

/// Makes the folder, with rights for this user alone; takes other users' rights from one that is there.
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}
