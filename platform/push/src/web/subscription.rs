//! Subscriptions, as browsers give them.

use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Serialize};
use stoa_outbound::{Outbound, UrlError};
use url::Url;

/// Browsers leave the padding out, and some programs put it in.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes of a point of P-256, and of the secret.
const POINT: usize = 65;
const SECRET: usize = 16;

/// Where messages to one browser go, and what they are encrypted with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Subscription {
    endpoint: String,
    origin: String,
    pub(super) key: [u8; POINT],
    pub(super) secret: [u8; SECRET],
}

/// `PushSubscription.toJSON()` of a browser, flat.
#[derive(Clone, Serialize, Deserialize)]
struct Written {
    endpoint: String,
    p256dh: String,
    auth: String,
}

impl Subscription {
    /// Of the parts that a browser gives: its endpoint, and the keys `p256dh` and `auth` in base64. Asks nobody; `outbound` says which
    /// endpoints may be called.
    ///
    /// # Errors
    /// Which of the parts is wrong, and why.
    pub fn new(
        outbound: &Outbound,
        endpoint: &str,
        p256dh: &str,
        auth: &str,
    ) -> Result<Self, SubscriptionError> {
        outbound
            .check_url(endpoint)
            .map_err(SubscriptionError::Endpoint)?;
        Self::read(endpoint, p256dh, auth)
    }

    fn read(endpoint: &str, p256dh: &str, auth: &str) -> Result<Self, SubscriptionError> {
        let url = Url::parse(endpoint).map_err(|_| SubscriptionError::Endpoint(UrlError::Malformed))?;
        let key: [u8; POINT] = decoded(p256dh).ok_or(SubscriptionError::Key)?;
        if key[0] != 4 {
            return Err(SubscriptionError::Key);
        }
        Ok(Self {
            endpoint: endpoint.to_owned(),
            origin: url.origin().ascii_serialization(),
            key,
            secret: decoded(auth).ok_or(SubscriptionError::Secret)?,
        })
    }

    /// Where messages go.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The key `p256dh` in base64, as it is to be stored.
    #[must_use]
    pub fn p256dh(&self) -> String {
        BASE64.encode(self.key)
    }

    /// The secret `auth` in base64, as it is to be stored.
    #[must_use]
    pub fn auth(&self) -> String {
        BASE64.encode(self.secret)
    }

    /// The push service: scheme, host and port of the endpoint.
    #[must_use]
    pub fn origin(&self) -> String {
        self.origin.clone()
    }
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// Why a subscription cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// The endpoint may not be called.
    #[error(transparent)]
    Endpoint(UrlError),
    /// `p256dh` is no point of P-256, 65 bytes in base64.
    #[error("It is not the public key of a subscription")]
    Key,
    /// `auth` is not 16 bytes in base64.
    #[error("It is not the secret of a subscription")]
    Secret,
}

impl From<Subscription> for Written {
    fn from(from: Subscription) -> Self {
        Self {
            p256dh: from.p256dh(),
            auth: from.auth(),
            endpoint: from.endpoint,
        }
    }
}

impl TryFrom<Written> for Subscription {
    type Error = SubscriptionError;

    fn try_from(from: Written) -> Result<Self, SubscriptionError> {
        Self::read(&from.endpoint, &from.p256dh, &from.auth)
    }
}

/// Without what its messages are encrypted with, and without the path of the endpoint, which is a secret as well.
impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
