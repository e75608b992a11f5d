//! Tickets: shown once in place of a token, for a client that has its session in cookies, or cannot send a header.
//!
//! What is kept cannot be opened without the ticket, which is not kept.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use stoa_kernel::{Timestamp, UserId, random};

use crate::{ctx::Ctx, error::Error, store};

/// What a ticket stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secret {
    /// The access token or API key.
    pub(crate) text: String,
    /// Whether it is a token of a cookie.
    pub(crate) of_cookie: bool,
}

/// A new ticket of a user, and until when it can be shown.
pub(crate) async fn create(ctx: &Ctx, user: UserId, secret: &Secret) -> Result<(String, Timestamp), Error> {
    let ticket: [u8; 32] = random::bytes();
    let sealed = seal(&ticket, secret).ok_or(Error::TicketInvalid)?;
    let expires = ctx.clock.after(ctx.config.ticket_lifetime.0);
    store::tickets::insert(&ctx.db, &named(b"hash", &ticket), &sealed, user, expires).await?;
    Ok((URL_SAFE_NO_PAD.encode(ticket), expires))
}

/// What a ticket stands for; it is used up.
///
/// # Errors
/// [`Error::TicketInvalid`].
pub(crate) async fn redeem(ctx: &Ctx, text: &str) -> Result<Secret, Error> {
    let ticket = URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::TicketInvalid)?;
    let ticket: [u8; 32] = ticket.try_into().map_err(|_| Error::TicketInvalid)?;
    let mut tx = ctx.db.begin().await?;
    let sealed = store::tickets::take(&mut tx, &named(b"hash", &ticket), ctx.clock.now()).await?;
    tx.commit().await?;
    sealed
        .and_then(|sealed| open(&ticket, sealed))
        .ok_or(Error::TicketInvalid)
}

/// Of one ticket, for one purpose.
fn named(purpose: &[u8; 4], ticket: &[u8; 32]) -> [u8; 32] {
    Sha256::new()
        .chain_update(purpose)
        .chain_update(ticket)
        .finalize()
        .into()
}

/// Each key seals once, so the nonce may be the same for all.
fn key(ticket: &[u8; 32]) -> Option<(LessSafeKey, Nonce)> {
    let key = UnboundKey::new(&AES_256_GCM, &named(b"seal", ticket)).ok()?;
    Some((LessSafeKey::new(key), Nonce::assume_unique_for_key([0; 12])))
}

fn seal(ticket: &[u8; 32], secret: &Secret) -> Option<Vec<u8>> {
    let (key, nonce) = key(ticket)?;
    let mut text = vec![u8::from(secret.of_cookie)];
    text.extend_from_slice(secret.text.as_bytes());
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut text)
        .ok()?;
    Some(text)
}

fn open(ticket: &[u8; 32], mut sealed: Vec<u8>) -> Option<Secret> {
    let (key, nonce) = key(ticket)?;
    let text = key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
    let (of_cookie, text) = text.split_first()?;
    Some(Secret {
        text: std::str::from_utf8(text).ok()?.to_owned(),
        of_cookie: *of_cookie == 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ticket_opens_what_it_sealed() {
        let secret = Secret {
            text: "a token".to_owned(),
            of_cookie: true,
        };
        let (ticket, another) = ([1; 32], [2; 32]);
        let sealed = seal(&ticket, &secret).unwrap();
        assert!(!sealed.windows(7).any(|part| part == b"a token"));
        assert_eq!(open(&ticket, sealed.clone()), Some(secret));
        assert_eq!(open(&another, sealed.clone()), None);
        assert_eq!(open(&ticket, sealed[1..].to_vec()), None);
    }
}
