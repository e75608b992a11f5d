//! Setting and deleting a preference.

use jiff::tz::TimeZoneDatabase;
use serde_json::{Value, json};
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::Actor;

use super::profile;
use crate::{
    ctx::Ctx,
    error::Error,
    events::PreferenceChanged,
    store::{self, preferences::PreferenceRow},
};

/// Longest key, in characters.
pub(crate) const KEY_MAX: usize = 64;
/// Times that a write is tried when others write the same key for the first time.
const ATTEMPTS: u32 = 5;

/// Why a value does not fit its key: a code and words for the caller.
pub(crate) type Misfit = (&'static str, String);

/// Whether a preference can have this key.
pub(crate) fn is_key(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-');
    (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(plain)
}

/// Name of a value's type.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The value as it is to be kept under `key`: what we know ourselves has a fixed type and form.
pub(crate) fn fitting(key: &str, value: Value) -> Result<Value, Misfit> {
    match key {
        "theme" => text(value, "light, dark or system", |text| {
            matches!(text, "light" | "dark" | "system")
        }),
        "language" => text(value, "a language tag such as en or pt-BR", is_language),
        "timezone" => timezone(value),
        "email_notifications" if !value.is_boolean() => {
            Err(("wrong_type", "Expected true or false".to_owned()))
        }
        _ if value.is_null() => Err((
            "wrong_type",
            "Null is not a value; delete the preference instead".to_owned(),
        )),
        _ => Ok(value),
    }
}

/// Whether the key's meaning is known to us.
fn is_known(key: &str) -> bool {
    matches!(key, "theme" | "language" | "timezone" | "email_notifications")
}

fn text(value: Value, expected: &str, fits: impl Fn(&str) -> bool) -> Result<Value, Misfit> {
    match value.as_str() {
        Some(text) if fits(text) => Ok(value),
        Some(_) => Err(("invalid", format!("Expected {expected}"))),
        None => Err(("wrong_type", format!("Expected {expected}"))),
    }
}

/// The shape of BCP 47 tags: a language, then parts of two to eight letters and digits.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
        && tag.len() <= 35
}

/// An IANA name, kept as IANA spells it.
fn timezone(value: Value) -> Result<Value, Misfit> {
    let expected = || "Expected the name of a time zone, such as Europe/Athens".to_owned();
    let Some(name) = value.as_str() else {
        return Err(("wrong_type", expected()));
    };
    let zone = TimeZoneDatabase::bundled()
        .get(name)
        .map_err(|_| ("invalid", expected()))?;
    zone.iana_name()
        .map(Value::from)
        .ok_or_else(|| ("invalid", expected()))
}

/// Sets a preference: row, activity, event and audit entry in one commit.
pub(crate) async fn set(
    ctx: &Ctx,
    actor: &Actor,
    key: String,
    value: &Value,
) -> Result<PreferenceRow, Error> {
    let row = PreferenceRow {
        key,
        value: value.to_string(),
        kind: type_of(value).to_owned(),
        updated_at: ctx.clock.now(),
    };
    for _ in 0..ATTEMPTS {
        let mut tx = ctx.db.begin().await?;
        let written = write(&mut tx, actor, &row, ctx.config.preferences_max).await?;
        if written == Written::Yes {
            changed(&mut tx, actor, &row.key, Some(value)).await?;
            tx.commit().await?;
            return Ok(row);
        }
        tx.rollback().await;
        if written == Written::NoProfile {
            profile::own(ctx, actor.user_id).await?;
        }
    }
    Err(stoa_db::Error::Conflict.into())
}

/// What came of writing a row. If it was not written, nothing of the transaction may be kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Yes,
    /// Another has just written the key.
    Raced,
    /// The person has no profile yet, under whose lock preferences are counted.
    NoProfile,
}

/// Writes the row. One statement if the key is there; else room is taken first, under the lock of the profile's row.
async fn write(tx: &mut Tx, actor: &Actor, row: &PreferenceRow, max: u32) -> Result<Written, Error> {
    if store::preferences::update(tx, actor.user_id, row).await? {
        return Ok(Written::Yes);
    }
    let mut has_room = store::profiles::take_room(tx, actor.user_id, max).await?;
    if !has_room {
        if store::profiles::find(tx, actor.user_id).await?.is_none() {
            return Ok(Written::NoProfile);
        }
        // The profile may have been made between the two statements.
        has_room = store::profiles::take_room(tx, actor.user_id, max).await?;
    }
    if !has_room {
        // Full; but perhaps by the very key.
        let there = store::preferences::update(tx, actor.user_id, row).await?;
        return if there {
            Ok(Written::Yes)
        } else {
            Err(Error::PreferencesFull(max))
        };
    }
    let written = store::preferences::insert(tx, actor.user_id, row).await?;
    Ok(if written { Written::Yes } else { Written::Raced })
}

/// Deletes a preference.
pub(crate) async fn delete(ctx: &Ctx, actor: &Actor, key: &str) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    store::profiles::give_room(&mut tx, actor.user_id).await?;
    if !store::preferences::delete(&mut tx, actor.user_id, key).await? {
        return Err(Error::NotFound);
    }
    changed(&mut tx, actor, key, None).await?;
    tx.commit().await?;
    Ok(())
}

/// What follows from a change. A key of the person's own making may say something of them, so the audit log, which
/// outlives an erasure, is told only keys that we know; and so is the value told to other services. None: it was deleted.
async fn changed(tx: &mut Tx, actor: &Actor, key: &str, value: Option<&Value>) -> Result<(), Error> {
    let action = if value.is_some() {
        "preference.set"
    } else {
        "preference.delete"
    };
    store::activity::insert(
        tx,
        actor.user_id,
        Some(actor.user_id),
        action,
        &json!({ "key": key }),
    )
    .await?;
    let event = PreferenceChanged {
        user_id: actor.user_id,
        key: key.to_owned(),
        deleted: value.is_none(),
        value: value.filter(|_| is_known(key)).cloned(),
    };
    tx.emit(&event).await?;
    let detail = if is_known(key) {
        json!({ "key": key })
    } else {
        json!({})
    };
    tx.audit(&Entry::by(actor, action, "preference", Some(actor.user_id.uuid())).detail(detail))
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_have_a_form() {
        for (key, good) in [
            ("theme", json!("dark")),
            ("language", json!("pt-BR")),
            ("language", json!("zh-Hant-TW")),
            ("timezone", json!("Europe/Athens")),
            ("email_notifications", json!(false)),
            ("other", json!([1, {"a": null}])),
        ] {
            assert_eq!(fitting(key, good.clone()), Ok(good), "{key}");
        }
        for (key, bad) in [
            ("theme", json!("pink")),
            ("theme", json!(1)),
            ("language", json!("english!")),
            ("language", json!("")),
            ("timezone", json!("Mars/Olympus")),
            ("timezone", json!("../../etc/passwd")),
            ("email_notifications", json!("yes")),
            ("other", json!(null)),
        ] {
            assert!(fitting(key, bad.clone()).is_err(), "{key}: {bad}");
        }
        assert_eq!(
            fitting("timezone", json!("europe/athens")),
            Ok(json!("Europe/Athens"))
        );
    }

    #[test]
    fn keys_are_plain() {
        assert!(is_key("editor.font-size_2") && is_key(&"k".repeat(64)));
        for bad in ["", "A", "a b", "a/b", "é", "a'--", &"k".repeat(65)] {
            assert!(!is_key(bad), "{bad}");
        }
    }
}
