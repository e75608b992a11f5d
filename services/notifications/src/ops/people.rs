//! What is known of people from their preferences.

use serde_json::Value;
use stoa_db::Tx;
use stoa_users_api::events::PreferenceChanged;

use crate::{error::Error, store::people};

/// Follows a change of a preference, if it matters here.
pub(crate) async fn follow(tx: &mut Tx, event: &PreferenceChanged) -> Result<(), Error> {
    let user = event.user_id;
    let matters = ["language", "timezone", "email_notifications"].contains(&event.key.as_str());
    if !matters || people::lock(tx, user).await?.is_none() {
        return Ok(());
    }
    let text = event.value.as_ref().and_then(Value::as_str);
    match event.key.as_str() {
        "language" => people::set_language(tx, user, text).await?,
        "timezone" => people::set_timezone(tx, user, text).await?,
        _ => {
            let wanted = event.value.as_ref().and_then(Value::as_bool).unwrap_or(true);
            people::set_mails_off(tx, user, !wanted).await?;
        }
    }
    Ok(())
}
