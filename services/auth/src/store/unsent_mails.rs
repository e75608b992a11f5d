//! Requests for mails that nobody needs, such as those for unknown addresses. They are counted, so that such a request commits as
//! others do and its time tells nothing; in a few rows, so that nothing grows.

use stoa_db::{Error, Tx};
use stoa_kernel::random;

/// Rows that requests are spread over, so that they do not wait for one another.
const ROWS: u8 = 16;

/// Counts one.
pub(crate) async fn count(tx: &mut Tx) -> Result<(), Error> {
    let [byte] = random::bytes::<1>();
    let sql = "INSERT INTO unsent_mails (place, count) VALUES ($1, 1) \
               ON CONFLICT (place) DO UPDATE SET count = unsent_mails.count + 1";
    tx.execute(sql, &[&i64::from(byte % ROWS)]).await.map(drop)
}
