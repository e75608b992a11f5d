//! What is in a table, as a count and a checksum that both engines agree on.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{
    Table,
    rows::{Cells, Walk},
};
use crate::{Db, Error};

/// The rows of a table, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many there are.
    pub rows: u64,
    /// The hashes of all rows, added up: engines put texts in different orders.
    checksum: [u64; 4],
}

impl Sum {
    fn add(&mut self, row: &Cells) {
        let mut over = Sha256::new();
        for cell in row {
            cell.canonical(|bytes| match bytes {
                None => over.update([0]),
                Some(bytes) => {
                    over.update([1]);
                    over.update((bytes.len() as u64).to_be_bytes());
                    over.update(bytes);
                }
            });
        }
        let hash: [u8; 32] = over.finalize().into();
        let mut carry = false;
        for (limb, bytes) in self.checksum.iter_mut().zip(hash.as_chunks::<8>().0) {
            let (sum, first) = limb.overflowing_add(u64::from_le_bytes(*bytes));
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
        self.rows += 1;
    }
}

impl fmt::Display for Sum {
    /// The rows, and the checksum in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, ", self.rows)?;
        self.checksum
            .iter()
            .rev()
            .try_for_each(|limb| write!(f, "{limb:016x}"))
    }
}

/// Sums up a table.
///
/// # Errors
/// What the database says, or a value that is none of its column's type.
pub async fn sum(db: &Db, table: &Table) -> Result<Sum, Error> {
    let (mut sum, mut walk) = (Sum::default(), Walk::new(db, table, None));
    loop {
        let rows = walk.next().await?;
        if rows.is_empty() {
            return Ok(sum);
        }
        rows.iter().for_each(|row| sum.add(row));
    }
}
