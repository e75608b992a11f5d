//! Texts that somebody has written in the place of those that came with the program.

use stoa_db::{Db, Error, FromRow, List, ToValue, Tx};
use stoa_kernel::{Page, PageRequest, Timestamp};

/// Versions of one text that are kept.
const KEPT: i64 = 100;

/// Which text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) kind: String,
    pub(crate) channel: String,
    pub(crate) language: String,
}

/// A version of a text.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct TemplateRow {
    pub(crate) channel: String,
    pub(crate) language: String,
    pub(crate) version: i64,
    pub(crate) subject: String,
    pub(crate) body: String,
    pub(crate) html: String,
    pub(crate) link: String,
    /// What the HTML was made of; else empty.
    pub(crate) mjml: String,
    pub(crate) created_at: Timestamp,
}

const COLUMNS: &str = "channel, language, version, subject, body, html, link, mjml, created_at";

/// The version of a text that is used, and the newest that there was.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ActiveRow {
    pub(crate) channel: String,
    pub(crate) language: String,
    /// 0: the one that came with the program, or none.
    pub(crate) version: i64,
    pub(crate) newest: i64,
}

/// The texts of a type that are used in the place of its own: a handful for each channel and language.
pub(crate) async fn of_type(db: &Db, kind: &str) -> Result<Vec<TemplateRow>, Error> {
    let sql = "SELECT t.channel, t.language, t.version, t.subject, t.body, t.html, t.link, t.mjml, t.created_at \
               FROM active_templates a JOIN templates t ON t.type = a.type AND t.channel = a.channel \
               AND t.language = a.language AND t.version = a.version WHERE a.type = $1";
    db.fetch_all(sql, &[&kind]).await
}

/// All texts that somebody has ever written for a type, with the version that is used.
pub(crate) async fn active_of(db: &Db, kind: &str) -> Result<Vec<ActiveRow>, Error> {
    let sql = "SELECT channel, language, version, newest FROM active_templates WHERE type = $1";
    db.fetch_all(sql, &[&kind]).await
}

/// A version of a text.
pub(crate) async fn get(db: &Db, key: &Key, version: i64) -> Result<Option<TemplateRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM templates WHERE type = $1 AND channel = $2 AND language = $3 AND version = $4"
    );
    db.fetch_optional(&sql, &[&key.kind, &key.channel, &key.language, &version])
        .await
}

/// The versions of a text, newest first.
pub(crate) async fn versions(db: &Db, key: &Key, page: &PageRequest) -> Result<Page<TemplateRow>, Error> {
    List::of("templates", COLUMNS)
        .filter("type = $", key.kind.as_str())
        .filter("channel = $", key.channel.as_str())
        .filter("language = $", key.language.as_str())
        .order(&["version"], stoa_db::Direction::Descending)
        .page(db, page, |row: &TemplateRow| row.version)
        .await
}

/// Locks a text until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx, key: &Key) -> Result<ActiveRow, Error> {
    let sql = "INSERT INTO active_templates (type, channel, language, version, newest) VALUES ($1, $2, $3, 0, 0) \
               ON CONFLICT (type, channel, language) DO UPDATE SET newest = active_templates.newest \
               RETURNING channel, language, version, newest";
    tx.fetch_one(sql, &[&key.kind, &key.channel, &key.language]).await
}

/// Whether a locked text has this version.
pub(crate) async fn has(tx: &mut Tx, key: &Key, version: i64) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM templates WHERE type = $1 AND channel = $2 AND language = $3 AND version = $4)";
    tx.fetch_one(sql, &[&key.kind, &key.channel, &key.language, &version])
        .await
}

/// Writes a version of a locked text, and drops the oldest.
pub(crate) async fn insert(tx: &mut Tx, key: &Key, row: &TemplateRow) -> Result<(), Error> {
    let sql = "INSERT INTO templates (type, channel, language, version, subject, body, html, link, created_at, mjml) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let params: [&dyn ToValue; 10] = [
        &key.kind,
        &key.channel,
        &key.language,
        &row.version,
        &row.subject,
        &row.body,
        &row.html,
        &row.link,
        &row.created_at,
        &row.mjml,
    ];
    tx.execute(sql, &params).await?;
    let sql = "DELETE FROM templates WHERE type = $1 AND channel = $2 AND language = $3 AND version <= $4";
    let last = row.version - KEPT;
    tx.execute(sql, &[&key.kind, &key.channel, &key.language, &last])
        .await
        .map(drop)
}

/// Which version of a locked text is used from now on, and the newest.
pub(crate) async fn activate(tx: &mut Tx, key: &Key, version: i64, newest: i64) -> Result<(), Error> {
    let sql = "UPDATE active_templates SET version = $4, newest = $5 WHERE type = $1 AND channel = $2 AND language = $3";
    let params: [&dyn ToValue; 5] = [&key.kind, &key.channel, &key.language, &version, &newest];
    tx.execute(sql, &params).await.map(drop)
}
