//! Profiles, one at a time.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{Id, Timestamp, UserId, text::folded};

/// Label of a profile's id.
pub(crate) enum ProfileTag {}
/// Names a profile. Callers name profiles by their user.
pub(crate) type ProfileId = Id<ProfileTag>;

/// A row of `profiles`, as far as callers are told of it.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ProfileRow {
    pub(crate) id: ProfileId,
    pub(crate) user_id: UserId,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) bio: Option<String>,
    pub(crate) avatar: Option<String>,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) registered: bool,
}

impl ProfileRow {
    /// A profile about which nothing is known but whose it is.
    pub(crate) fn new(id: ProfileId, user_id: UserId, now: Timestamp) -> Self {
        Self {
            id,
            user_id,
            first_name: None,
            last_name: None,
            bio: None,
            avatar: None,
            version: 1,
            created_at: now,
            updated_at: now,
            registered: false,
        }
    }

    fn search_text(&self) -> String {
        key([&self.first_name, &self.last_name])
    }

    fn name_key(&self) -> Vec<u8> {
        key([&self.last_name, &self.first_name]).into_bytes()
    }
}

fn key(names: [&Option<String>; 2]) -> String {
    let given: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
    folded(&given.join(" "))
}

const BY_USER: &str = "SELECT id, user_id, first_name, last_name, bio, avatar, version, created_at, updated_at, registered \
     FROM profiles WHERE user_id = $1";

/// The person's profile: one point read.
pub(crate) async fn get(db: &Db, user: UserId) -> Result<Option<ProfileRow>, Error> {
    db.fetch_optional(BY_USER, &[&user]).await
}

/// The person's profile, as the transaction sees it.
pub(crate) async fn find(tx: &mut Tx, user: UserId) -> Result<Option<ProfileRow>, Error> {
    tx.fetch_optional(BY_USER, &[&user]).await
}

/// Makes the profile unless the person has one; says whether it did. Waits for whoever makes or erases it at the same time.
pub(crate) async fn insert(tx: &mut Tx, row: &ProfileRow) -> Result<bool, Error> {
    let sql = "INSERT INTO profiles (id, user_id, first_name, last_name, bio, avatar, version, created_at, updated_at, \
               registered, preferences_count, search_text, name_key, is_folded) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, TRUE) ON CONFLICT (user_id) DO NOTHING";
    let made = tx
        .execute(
            sql,
            &[
                &row.id,
                &row.user_id,
                &row.first_name,
                &row.last_name,
                &row.bio,
                &row.avatar,
                &row.version,
                &row.created_at,
                &row.updated_at,
                &row.registered,
                &row.search_text(),
                &row.name_key(),
            ],
        )
        .await?;
    Ok(made > 0)
}

/// Writes what may change, if the profile still has version `seen`; says whether it had.
pub(crate) async fn save(tx: &mut Tx, row: &ProfileRow, seen: i64) -> Result<bool, Error> {
    let sql = "UPDATE profiles SET first_name = $3, last_name = $4, bio = $5, avatar = $6, version = $7, updated_at = $8, \
               registered = $9, search_text = $10, name_key = $11, is_folded = TRUE WHERE user_id = $1 AND version = $2";
    let saved = tx
        .execute(
            sql,
            &[
                &row.user_id,
                &seen,
                &row.first_name,
                &row.last_name,
                &row.bio,
                &row.avatar,
                &row.version,
                &row.updated_at,
                &row.registered,
                &row.search_text(),
                &row.name_key(),
            ],
        )
        .await?;
    Ok(saved > 0)
}

/// Deletes the profile.
pub(crate) async fn delete(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    tx.execute("DELETE FROM profiles WHERE user_id = $1", &[&user])
        .await
        .map(drop)
}

/// Takes room for one more preference; false when there is none, or no profile.
pub(crate) async fn take_room(tx: &mut Tx, user: UserId, max: u32) -> Result<bool, Error> {
    let sql = "UPDATE profiles SET preferences_count = preferences_count + 1 WHERE user_id = $1 AND preferences_count < $2";
    Ok(tx.execute(sql, &[&user, &max]).await? > 0)
}

/// Gives back the room of one preference. Comes before its deletion, so that all who change both take the profile first.
pub(crate) async fn give_room(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    let sql = "UPDATE profiles SET preferences_count = preferences_count - 1 WHERE user_id = $1";
    tx.execute(sql, &[&user]).await.map(drop)
}

/// Whether there are rows of before names were folded to be searched in.
pub(crate) async fn any_unfolded(db: &Db) -> Result<bool, Error> {
    db.fetch_one("SELECT EXISTS (SELECT 1 FROM profiles WHERE NOT is_folded)", &[])
        .await
}

/// Folds the names of at most `limit` such rows; returns how many it found.
pub(crate) async fn fold(tx: &mut Tx, limit: u32) -> Result<usize, Error> {
    let sql = "SELECT id, user_id, first_name, last_name, bio, avatar, version, created_at, updated_at, registered \
               FROM profiles WHERE NOT is_folded LIMIT $1";
    let rows: Vec<ProfileRow> = tx.fetch_all(sql, &[&limit]).await?;
    // Whoever has changed the row meanwhile has folded it.
    let sql = "UPDATE profiles SET search_text = $2, name_key = $3, is_folded = TRUE WHERE id = $1 AND NOT is_folded";
    for row in &rows {
        tx.execute(sql, &[&row.id, &row.search_text(), &row.name_key()])
            .await?;
    }
    Ok(rows.len())
}
