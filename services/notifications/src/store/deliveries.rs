//! Notifications to one person each.

use garde::Validate;
use serde::Deserialize;
use stoa_db::{Db, Error, FromRow, List, ToValue, Tx};
use stoa_kernel::{Id, Page, PageRequest, Timestamp, UserId};
use stoa_notifications_api::Reference;
use utoipa::IntoParams;

use super::notifications::NotificationId;

/// Label of a delivery's id.
pub(crate) enum DeliveryTag {}
/// Names a notification to one person.
pub(crate) type DeliveryId = Id<DeliveryTag>;

/// A row of `deliveries`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct DeliveryRow {
    pub(crate) id: DeliveryId,
    pub(crate) notification_id: NotificationId,
    /// Where it goes to a reference, what that one's id is.
    user_id: UserId,
    reference: Option<String>,
    #[row(rename = "type")]
    pub(crate) kind: String,
    pub(crate) created_at: Timestamp,
}

impl DeliveryRow {
    /// To whom it goes.
    pub(crate) fn recipient(&self) -> Recipient {
        match &self.reference {
            None => Recipient::Person(self.user_id),
            Some(kind) => Recipient::Reference(Reference {
                kind: kind.clone(),
                id: self.user_id.uuid(),
            }),
        }
    }
}

/// To whom a delivery goes.
#[derive(Clone, Debug)]
pub(crate) enum Recipient {
    Person(UserId),
    Reference(Reference),
}

impl Recipient {
    /// What its rows name it by.
    pub(crate) fn id(&self) -> UserId {
        match self {
            Self::Person(user) => *user,
            Self::Reference(reference) => UserId::from_uuid(reference.id),
        }
    }
}

const COLUMNS: &str = "id, notification_id, user_id, reference, type, created_at";

/// Which deliveries are listed.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// To this person.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    user_id: Option<UserId>,
    /// Of this type.
    #[garde(length(bytes, max = 100))]
    #[param(max_length = 100)]
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Of this notification.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    notification_id: Option<NotificationId>,
}

/// A page of them, newest first.
pub(crate) async fn list(db: &Db, filter: &Filter, page: &PageRequest) -> Result<Page<DeliveryRow>, Error> {
    let list = List::of("deliveries", COLUMNS)
        .filter_some("notification_id = $", filter.notification_id)
        .filter_some("user_id = $", filter.user_id)
        .filter_some("type = $", filter.kind.as_deref());
    // SQLite would else take the index of whichever filter it likes, and sort.
    let list = match (filter.user_id, &filter.kind, filter.notification_id) {
        (_, _, Some(_)) => list.by_index("deliveries_of_notification_by_id"),
        (Some(_), ..) => list.by_index("deliveries_of_user"),
        (None, Some(_), None) => list.by_index("deliveries_of_type"),
        (None, None, None) => list,
    };
    list.page(db, page, |row: &DeliveryRow| row.id).await
}

/// The one with this id.
pub(crate) async fn get(db: &Db, id: DeliveryId) -> Result<Option<DeliveryRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM deliveries WHERE id = $1");
    db.fetch_optional(&sql, &[&id]).await
}

/// To whom a delivery goes, if there is one of this id.
pub(crate) async fn recipient_of(tx: &mut Tx, id: DeliveryId) -> Result<Option<Recipient>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM deliveries WHERE id = $1");
    let row: Option<DeliveryRow> = tx.fetch_optional(&sql, &[&id]).await?;
    Ok(row.map(|row| row.recipient()))
}

/// Makes one; none if the recipient has it already.
pub(crate) async fn insert(
    tx: &mut Tx,
    notification: NotificationId,
    recipient: &Recipient,
    kind: &str,
) -> Result<Option<DeliveryId>, Error> {
    let sql = "INSERT INTO deliveries (id, notification_id, user_id, reference, type, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
               ON CONFLICT (notification_id, user_id) DO NOTHING";
    let (id, now): (DeliveryId, _) = (tx.new_id(), tx.clock().now());
    let reference = match recipient {
        Recipient::Person(_) => None,
        Recipient::Reference(reference) => Some(&reference.kind),
    };
    let params: [&dyn ToValue; 6] = [&id, &notification, &recipient.id(), &reference, &kind, &now];
    let made = tx.execute(sql, &params).await?;
    Ok((made > 0).then_some(id))
}

/// At most so many of a person.
pub(crate) async fn of_user(tx: &mut Tx, user: UserId, limit: u32) -> Result<Vec<DeliveryId>, Error> {
    let sql = "SELECT id FROM deliveries WHERE user_id = $1 ORDER BY id LIMIT $2";
    tx.fetch_all(sql, &[&user, &limit]).await
}

/// At most so many of before a time.
pub(crate) async fn before(tx: &mut Tx, time: Timestamp, limit: u32) -> Result<Vec<DeliveryId>, Error> {
    let sql = "SELECT id FROM deliveries WHERE created_at < $1 ORDER BY created_at LIMIT $2";
    tx.fetch_all(sql, &[&time, &limit]).await
}

/// Deletes these with their channels and steps.
pub(crate) async fn delete(tx: &mut Tx, ids: &[DeliveryId]) -> Result<(), Error> {
    for id in ids {
        for sql in [
            // First: steps are written under the lock of these.
            "DELETE FROM sends WHERE delivery_id = $1",
            "DELETE FROM steps WHERE delivery_id = $1",
            "DELETE FROM push_sends WHERE delivery_id = $1",
            "DELETE FROM deliveries WHERE id = $1",
        ] {
            tx.execute(sql, &[id]).await?;
        }
    }
    Ok(())
}
