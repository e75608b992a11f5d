//! How far a service has taken in a stream that numbers its events.

use stoa_db::{Db, Error, Tx};

/// The last event taken of one stream. A stream that was made anew is another one.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub(super) stream: String,
    pub(super) sequence: u64,
}

impl Position {
    pub(super) async fn read(db: &Db, stream: &str) -> Result<Option<u64>, Error> {
        let sql = "SELECT position FROM positions WHERE stream = $1";
        db.fetch_optional::<u64>(sql, &[&stream]).await
    }

    /// The stream has fewer events than were taken from it: it lost some.
    pub(super) async fn forget(db: &Db, stream: &str) -> Result<(), Error> {
        db.execute("DELETE FROM positions WHERE stream = $1", &[&stream])
            .await
            .map(drop)
    }

    /// Written in the transaction that keeps the events up to here.
    pub(crate) async fn write(&self, tx: &mut Tx) -> Result<(), Error> {
        let sql = "INSERT INTO positions (stream, position) VALUES ($1, $2) \
            ON CONFLICT (stream) DO UPDATE SET position = excluded.position WHERE positions.position < excluded.position";
        let sequence = i64::try_from(self.sequence).unwrap_or(i64::MAX);
        tx.execute(sql, &[&self.stream, &sequence]).await.map(drop)
    }
}
