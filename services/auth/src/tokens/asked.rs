//! Notifications that auth has asked for: their idempotency keys are signed, with a key that is not in the database. So no other process
//! can have a link made that auth was not asked for, and nothing has to be kept of those that it was.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::SignedDuration;
use serde_json::Value;
use sha2::Sha256;
use stoa_kernel::{Id, Timestamp};
use uuid::Uuid;

use crate::{ctx::Ctx, error::Result};

/// How long a mail can be sent after it was asked for.
const WORKS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The key of a notification of this type with this data, asked for now.
pub(crate) fn asked_key(ctx: &Ctx, kind: &str, data: &Value) -> Result<String> {
    let id = Id::<()>::new(&ctx.clock).uuid();
    let mac = mac(ctx, kind, data, id)?.finalize().into_bytes();
    Ok(URL_SAFE_NO_PAD.encode([id.as_bytes().as_slice(), &mac].concat()))
}

/// Whether auth has asked for this notification, and not too long ago.
pub(crate) fn is_asked(ctx: &Ctx, kind: &str, data: &Value, key: &str) -> Result<bool> {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(key) else {
        return Ok(false);
    };
    let Some((id, signature)) = bytes.split_first_chunk::<16>() else {
        return Ok(false);
    };
    let id = Uuid::from_bytes(*id);
    let is_ours = mac(ctx, kind, data, id)?.verify_slice(signature).is_ok();
    Ok(is_ours && made_at(id).is_some_and(|made| ctx.clock.now().duration_since(made) < WORKS))
}

/// When an id was made.
fn made_at(id: Uuid) -> Option<Timestamp> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Timestamp::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?).ok()
}

fn mac(ctx: &Ctx, kind: &str, data: &Value, id: Uuid) -> Result<Hmac<Sha256>> {
    let key = ctx.secrets.derive("mails that were asked for")?;
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&key).map_err(|e| crate::error::Error::Internal(e.to_string()))?;
    mac.update(id.as_bytes());
    // JSON, so that no two pairs of them are the same bytes.
    mac.update(
        Value::from(vec![Value::from(kind), data.clone()])
            .to_string()
            .as_bytes(),
    );
    Ok(mac)
}
