//! The stored pictures of one kind of owner.
//!
//! The bytes are stored before the transaction that names them, and deleted after the one that no longer does. A note in the kind's
//! table, committed before the bytes are stored and taken back with the change, lets [`Pictures::sweep`] find those whose change
//! never came. A file's name is never used twice, so nothing deletes what somebody has just stored.

use std::{fmt::Display, marker::PhantomData, sync::Arc};

use bytes::Bytes;
use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use stoa_db::{Db, Error, FromValue, ToValue, Tx};
use stoa_kernel::{Actor, Timestamp, random};
use stoa_objects::Objects;

use crate::{
    PictureError, PictureLimits,
    budget::{self, Budget},
    decode,
};

/// A stored file that is not named after this time never will be.
const ABANDONED: SignedDuration = SignedDuration::from_hours(1);
/// Files swept between two looks at the table.
const BATCH: u32 = 100;

/// Whose pictures they are.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Where they are stored, such as `users/avatars`: below it a folder for each owner.
    pub folder: &'static str,
    /// The table of notes, with the columns `file` (its key), the owner's, `started_at` and `swept`.
    pub table: &'static str,
    /// The owner's column, such as `user_id`.
    pub owner: &'static str,
}

/// Pictures of owners named by `I`.
pub struct Pictures<I> {
    kind: Kind,
    limits: PictureLimits,
    budget: Arc<Budget>,
    objects: Objects,
    owners: PhantomData<fn(I)>,
}

/// Whether a text is the name of a picture's file.
fn is_file(name: &str) -> bool {
    name.strip_suffix(".png").is_some_and(|hash| {
        hash.len() == 64
            && hash
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

impl<I: Copy + Display + ToValue + FromValue> Pictures<I> {
    /// Pictures of this kind, kept in `objects`.
    #[must_use]
    pub fn new(kind: Kind, limits: PictureLimits, objects: Objects) -> Self {
        Self {
            kind,
            limits,
            budget: budget::with_memory(limits.memory_bytes),
            objects,
            owners: PhantomData,
        }
    }

    /// Makes a square of the picture that `by` sent and stores it, for a change that is to name it. The name of its file.
    ///
    /// # Errors
    /// When it is none that is accepted, another one of theirs is being decoded, or database or object store say no.
    pub async fn store(&self, db: &Db, by: &Actor, owner: I, bytes: Bytes) -> Result<String, PictureError> {
        let png = decode::small(&self.budget, &self.limits, by, bytes).await?;
        let file = name_of(&png);
        let Kind {
            table, owner: column, ..
        } = self.kind;
        let sql = format!("INSERT INTO {table} (file, {column}, started_at, swept) VALUES ($1, $2, $3, $4)");
        db.execute(&sql, &[&file, &owner, &db.clock().now(), &false])
            .await?;
        self.objects.put(&self.key(owner, &file), png).await?;
        Ok(file)
    }

    /// Takes the note of a stored file back, in the transaction by which the owner's row comes to name it.
    ///
    /// # Errors
    /// When it took so long to store that it was swept meanwhile. Then the transaction is rolled back.
    pub async fn arrived(&self, mut tx: Tx, owner: I, file: &str) -> Result<Tx, PictureError> {
        let sql = format!("DELETE FROM {} WHERE file = $1 AND swept = $2", self.kind.table);
        if tx.execute(&sql, &[&file, &false]).await? > 0 {
            return Ok(tx);
        }
        tx.rollback().await;
        self.remove(owner, file).await?;
        Err(PictureError::Busy("the picture took too long to store"))
    }

    /// A stored picture.
    ///
    /// # Errors
    /// When there is none of this name, or the object store says no.
    pub async fn read(&self, owner: I, file: &str) -> Result<Bytes, PictureError> {
        if !is_file(file) {
            return Err(stoa_objects::ObjectError::NotFound.into());
        }
        Ok(self.objects.get(&self.key(owner, file)).await?)
    }

    /// Deletes a picture's bytes.
    ///
    /// # Errors
    /// What the object store says.
    pub async fn remove(&self, owner: I, file: &str) -> Result<(), PictureError> {
        Ok(self.objects.delete(&self.key(owner, file)).await?)
    }

    /// Deletes whatever is stored for the owner.
    ///
    /// # Errors
    /// What the object store says.
    pub async fn remove_all(&self, owner: I) -> Result<(), PictureError> {
        for object in self.objects.list(&self.folder(owner)).await? {
            self.objects.delete(&object.key).await?;
        }
        Ok(())
    }

    /// Deletes what was stored for changes that never were committed.
    ///
    /// # Errors
    /// What database and object store say.
    pub async fn sweep(&self, db: &Db) -> Result<(), PictureError> {
        let before = db.steady_now().await.checked_sub(ABANDONED);
        let before = before.unwrap_or(Timestamp::MIN);
        loop {
            let stale = self.stale(db, before).await?;
            for (file, owner) in &stale {
                self.give_up(db, file).await?;
                self.remove(*owner, file).await?;
                let sql = format!("DELETE FROM {} WHERE file = $1", self.kind.table);
                db.execute(&sql, &[file]).await?;
            }
            if stale.is_empty() {
                return Ok(());
            }
        }
    }

    /// Files announced before `time`, the oldest first.
    async fn stale(&self, db: &Db, time: Timestamp) -> Result<Vec<(String, I)>, Error> {
        let Kind { table, owner, .. } = self.kind;
        let sql =
            format!("SELECT file, {owner} FROM {table} WHERE started_at < $1 ORDER BY started_at LIMIT $2");
        db.fetch_all(&sql, &[&time, &BATCH]).await
    }

    /// From now on nothing can come to name the file.
    async fn give_up(&self, db: &Db, file: &str) -> Result<(), Error> {
        let sql = format!("UPDATE {} SET swept = $2 WHERE file = $1", self.kind.table);
        db.execute(&sql, &[&file, &true]).await.map(drop)
    }

    fn folder(&self, owner: I) -> String {
        format!("{}/{owner}", self.kind.folder)
    }

    fn key(&self, owner: I, file: &str) -> String {
        format!("{}/{file}", self.folder(owner))
    }
}

/// A hash over the bytes and something random: nobody finds a picture's address by knowing the picture, and two uploads of one
/// picture are two files.
fn name_of(png: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(random::bytes::<32>());
    hash.update(png);
    format!("{}.png", hex::encode(hash.finalize()))
}
