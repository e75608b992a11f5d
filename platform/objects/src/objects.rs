//! The handle that services hold.

use std::{
    error::Error as StdError,
    fs, io,
    ops::Range,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    GetOptions, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt, local::LocalFileSystem,
    prefix::PrefixStore,
};
use url::Url;

use crate::{ObjectError, ObjectsConfig, file, key, s3::Bucket, upload};

/// Bytes by key, in a folder or in a bucket. Cheap to clone; clones share the store.
///
/// Keys are `a-z0-9._-` segments joined by `/`; `..` and absolute keys are refused.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    backend: Backend,
}

/// Where they are.
#[derive(Clone, Debug)]
enum Backend {
    Folder(PathBuf),
    Bucket { bucket: Bucket, prefix: Option<String> },
}

/// The store that settings name, before it was asked.
enum Named {
    Default,
    Folder(PathBuf),
    Bucket(Objects),
}

impl Named {
    fn read(config: &ObjectsConfig) -> Result<Self, ObjectError> {
        if config.url.is_empty() {
            return Ok(Self::Default);
        }
        let wrong = || {
            ObjectError::Settings(
                "it must be empty, or look like file:///path/of/a/folder or s3://bucket/prefix".to_owned(),
            )
        };
        let url = Url::parse(&config.url).map_err(|_| wrong())?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(wrong());
        }
        match (url.scheme(), url.host_str()) {
            ("file", None | Some("")) => Ok(Self::Folder(url.to_file_path().map_err(|()| wrong())?)),
            ("s3", Some(bucket))
                if url.port().is_none() && url.password().is_none() && !bucket.is_empty() =>
            {
                let prefix = url.path().trim_matches('/');
                Objects::bucket(Bucket::open(bucket, config)?, prefix).map(Self::Bucket)
            }
            _ => Err(wrong()),
        }
    }
}

impl ObjectsConfig {
    /// Refuses what can be no store, without asking it.
    ///
    /// # Errors
    /// [`ObjectError::Settings`].
    pub fn check(&self) -> Result<(), ObjectError> {
        Named::read(self).map(drop)
    }
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
    /// The store that the settings name, once it has answered; `default_folder` is used where they name none.
    ///
    /// # Errors
    /// When the settings are wrong, or the store cannot be used. No credentials are ever shown.
    pub async fn open(config: &ObjectsConfig, default_folder: &Path) -> Result<Self, ObjectError> {
        match Named::read(config)? {
            Named::Default => Self::folder(default_folder),
            Named::Folder(folder) => Self::folder(&folder),
            Named::Bucket(objects) => {
                objects.ping().await?;
                Ok(objects)
            }
        }
    }

    fn bucket(bucket: Bucket, prefix: &str) -> Result<Self, ObjectError> {
        let prefix = key::prefix(prefix)
            .map_err(|_| ObjectError::Settings(format!("'{prefix}' cannot begin a key of ours")))?;
        let store: Arc<dyn ObjectStore> = match &prefix {
            None => Arc::new(bucket.store.clone()),
            Some(prefix) => Arc::new(PrefixStore::new(bucket.store.clone(), prefix.clone())),
        };
        let prefix = prefix.map(|prefix| format!("{prefix}/"));
        Ok(Self {
            store,
            backend: Backend::Bucket { bucket, prefix },
        })
    }

    /// Objects as files below `folder`, which is made if need be and readable by this user alone. They are fsynced
    /// before `put` returns, and replaced atomically.
    ///
    /// # Errors
    /// When the folder cannot be made or used.
    pub fn folder(folder: &Path) -> Result<Self, ObjectError> {
        let failed = |e: io::Error| ObjectError::Store(format!("{} cannot be used: {e}", folder.display()));
        make_private(folder).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
            backend: Backend::Folder(folder.to_owned()),
        })
    }

    /// Keeps `bytes` under `key`, in place of what was there. Whoever reads meanwhile gets the whole of the one or of
    /// the other.
    ///
    /// # Errors
    /// When `key` is none, or the store fails.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        self.store.put(&key::path(key)?, bytes.into()).await?;
        Ok(())
    }

    /// Keeps what `body` yields under `key`, as [`Objects::put`], and returns its length. Only some MiB of it are in memory
    /// at once. When it fails, or the caller goes away, nothing is kept and what was there before stays.
    ///
    /// # Errors
    /// As [`Objects::put`], and when `body` fails.
    pub async fn put_stream<S, E>(&self, key: &str, body: S) -> Result<u64, ObjectError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let part = match &self.backend {
            Backend::Folder(_) => upload::FOLDER_PART,
            Backend::Bucket { .. } => upload::BUCKET_PART,
        };
        upload::put_stream(&self.store, key::path(key)?, part, body).await
    }

    /// The bytes under `key`.
    ///
    /// # Errors
    /// [`ObjectError::NotFound`] if there are none; when `key` is none, or the store fails.
    pub async fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        Ok(self.store.get(&key::path(key)?).await?.bytes().await?)
    }

    /// What is known of the object under `key`, and its bytes as they come.
    ///
    /// # Errors
    /// As [`Objects::get`].
    pub async fn stream(
        &self,
        key: &str,
    ) -> Result<(ObjectInfo, BoxStream<'static, Result<Bytes, ObjectError>>), ObjectError> {
        let found = self.store.get(&key::path(key)?).await?;
        let info = found.meta.clone().into();
        Ok((info, found.into_stream().map_err(ObjectError::from).boxed()))
    }

    /// The bytes of `range` as they come, or as many of them as there are. Of those only some hundred KiB are in memory at once.
    ///
    /// # Errors
    /// As [`Objects::get`].
    pub async fn stream_range(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, ObjectError> {
        let path = key::path(key)?;
        let begin = range.start;
        if range.is_empty() {
            self.store.head(&path).await?;
            return Ok(futures::stream::empty().boxed());
        }
        let options = GetOptions {
            range: Some(range.into()),
            ..GetOptions::default()
        };
        let found = match self.store.get_opts(&path, options).await {
            Ok(found) => found,
            // Stores refuse what begins at the end or behind it, each in its own way.
            Err(error) => match self.store.head(&path).await {
                Ok(meta) if begin >= meta.size => return Ok(futures::stream::empty().boxed()),
                _ => return Err(error.into()),
            },
        };
        Ok(match found.payload {
            GetResultPayload::File(file, _) => file::stream(file, found.range),
            GetResultPayload::Stream(stream) => stream.map_err(ObjectError::from).boxed(),
        })
    }

    /// The bytes of `range`, or as many of them as there are.
    ///
    /// # Errors
    /// As [`Objects::get`].
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, ObjectError> {
        let path = key::path(key)?;
        let begin = range.start;
        if range.is_empty() {
            self.store.head(&path).await?;
            return Ok(Bytes::new());
        }
        let options = GetOptions {
            range: Some(range.into()),
            ..GetOptions::default()
        };
        match self.store.get_opts(&path, options).await {
            Ok(found) => Ok(found.bytes().await?),
            // Stores refuse what begins at the end or behind it, each in its own way.
            Err(error) => match self.store.head(&path).await {
                Ok(meta) if begin >= meta.size => Ok(Bytes::new()),
                _ => Err(error.into()),
            },
        }
    }

    /// What is known of the object under `key`.
    ///
    /// # Errors
    /// As [`Objects::get`].
    pub async fn info(&self, key: &str) -> Result<ObjectInfo, ObjectError> {
        Ok(self.store.head(&key::path(key)?).await?.into())
    }

    /// Deletes; also fine if there is none.
    ///
    /// # Errors
    /// When `key` is none, or the store fails.
    pub async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        match self
            .store
            .delete(&key::path(key)?)
            .await
            .map_err(ObjectError::from)
        {
            Ok(()) | Err(ObjectError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes what an upload to `key` may have left that was never finished, and the object. In a bucket, unfinished uploads of
    /// several parts are left to its own rules.
    ///
    /// # Errors
    /// As [`Objects::delete`].
    pub async fn discard(&self, key: &str) -> Result<(), ObjectError> {
        self.delete(key).await?;
        let Backend::Folder(folder) = &self.backend else {
            return Ok(());
        };
        let path = folder.join(key);
        let removed = tokio::task::spawn_blocking(move || file::remove_staged(&path)).await;
        removed
            .map_err(|e| ObjectError::Store(e.to_string()))?
            .map_err(|e| ObjectError::Store(format!("an unfinished upload could not be deleted: {e}")))
    }

    /// The objects whose keys begin with the whole segments of `prefix`, in the order of their keys; all for "".
    ///
    /// # Errors
    /// When `prefix` can begin no key, or the store fails.
    pub async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, ObjectError> {
        let prefix = key::prefix(prefix)?;
        let found: Result<Vec<ObjectMeta>, _> = self.store.list(prefix.as_ref()).try_collect().await;
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
        let folder = match &self.backend {
            Backend::Folder(folder) => folder,
            Backend::Bucket { bucket, prefix } => return bucket.ping(prefix.as_deref()).await,
        };
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
