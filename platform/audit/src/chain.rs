//! What an entry's hash is over.

use sha2::{Digest, Sha256};

use crate::store::Row;

/// SHA-256.
pub(crate) type Hash = [u8; 32];

/// Where the chain begins.
pub(crate) const BEGINNING: Hash = [0; 32];

/// The hash of `row` as number `seq`, behind the entry with hash `before`: over `before`, then each field in the order
/// of the table. A field is one byte that says whether there is a value, its length in eight bytes, and its bytes: so no
/// two entries are written alike. Numbers are eight bytes, high byte first, times microseconds since 1970, and
/// `detail` the very text that is kept. It also names the organization, so the column beside it, by which entries are found, is no field:
/// programs that do not know the column yet compute the same hash.
pub(crate) fn hash(before: &Hash, seq: i64, row: &Row) -> Hash {
    let mut over = Sha256::new();
    over.update(before);
    field(&mut over, Some(&seq.to_be_bytes()));
    field(&mut over, Some(row.id.uuid().as_bytes()));
    field(&mut over, Some(&row.at.as_microsecond().to_be_bytes()));
    field(
        &mut over,
        row.actor
            .map(|actor| *actor.uuid().as_bytes())
            .as_ref()
            .map(<[u8; 16]>::as_slice),
    );
    field(&mut over, Some(row.action.as_bytes()));
    field(&mut over, Some(row.resource_kind.as_bytes()));
    field(
        &mut over,
        row.resource_id.as_ref().map(|id| id.as_bytes().as_slice()),
    );
    field(&mut over, Some(row.detail.as_bytes()));
    field(&mut over, row.request_id.as_deref().map(str::as_bytes));
    field(&mut over, row.address.as_deref().map(str::as_bytes));
    over.finalize().into()
}

fn field(over: &mut Sha256, value: Option<&[u8]>) {
    let Some(value) = value else {
        return over.update([0]);
    };
    over.update([1]);
    over.update((value.len() as u64).to_be_bytes());
    over.update(value);
}

#[cfg(test)]
mod tests {
    use stoa_kernel::{Id, Timestamp};
    use uuid::Uuid;

    use super::*;

    fn row() -> Row {
        Row {
            id: Id::from_uuid(Uuid::from_u128(1)),
            at: Timestamp::from_microsecond(1_700_000_000_000_001).unwrap(),
            actor: None,
            action: "session.revoke".to_owned(),
            resource_kind: "session".to_owned(),
            resource_id: Some(Uuid::from_u128(2)),
            organization_id: None,
            detail: "{}".to_owned(),
            request_id: None,
            address: Some("127.0.0.1".to_owned()),
            seq: None,
            hash: None,
        }
    }

    #[test]
    fn what_stands_in_one_field_is_not_the_same_in_the_next() {
        let one = Row {
            action: "ab".to_owned(),
            resource_kind: "c".to_owned(),
            ..row()
        };
        let two = Row {
            action: "a".to_owned(),
            resource_kind: "bc".to_owned(),
            ..row()
        };
        assert_ne!(hash(&BEGINNING, 1, &one), hash(&BEGINNING, 1, &two));
        let one = Row {
            request_id: Some("x".to_owned()),
            address: None,
            ..row()
        };
        let two = Row {
            request_id: None,
            address: Some("x".to_owned()),
            ..row()
        };
        assert_ne!(hash(&BEGINNING, 1, &one), hash(&BEGINNING, 1, &two));
    }

    #[test]
    fn nothing_and_an_empty_text_differ() {
        let (none, empty) = (
            Row {
                address: None,
                ..row()
            },
            Row {
                address: Some(String::new()),
                ..row()
            },
        );
        assert_ne!(hash(&BEGINNING, 1, &none), hash(&BEGINNING, 1, &empty));
    }

    /// A process of an older version seals entries of a newer one while a deployment rolls on.
    #[test]
    fn a_column_that_older_programs_do_not_know_is_no_part_of_it() {
        let named = Row {
            organization_id: Some(Id::from_uuid(Uuid::from_u128(3))),
            ..row()
        };
        assert_eq!(hash(&BEGINNING, 1, &named), hash(&BEGINNING, 1, &row()));
    }

    /// Chains that are out there must verify with every later program.
    #[test]
    fn the_encoding_is_what_it_always_was() {
        assert_eq!(
            hex::encode(hash(&BEGINNING, 1, &row())),
            "4e6e5c7aba55e6d6305f7a37f3d43f7953e01e8dca937f727dd59eeafe11cbe4"
        );
    }
}
