//! What can go wrong.

/// Why a URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is no URL, or has parts that it must not have.
    #[error("It is not a URL such as https://example.com/hook")]
    Malformed,
    /// It is longer than [`crate::Target::MAX_LENGTH`].
    #[error("The greatest length of a URL is 2048")]
    TooLong,
    /// Neither `https` nor `http`.
    #[error("A URL begins with https:// or http://")]
    Scheme,
    /// `http` where the settings want `https`.
    #[error("A URL begins with https://")]
    HttpsOnly,
    /// A user or a password stands in it.
    #[error("A URL has no user and no password in it")]
    Credentials,
    /// A fragment, which is never sent.
    #[error("A URL has no # in it")]
    Fragment,
    /// An IPv4 address in another form than four decimal numbers.
    #[error("An IPv4 address is written as four decimal numbers")]
    Spelling,
    /// A port that is not called.
    #[error("This port may not be called")]
    Port,
    /// An address or a name that is not of the public internet, or a name that is not known.
    #[error("The host has no address that may be called")]
    Host,
}

/// Why there is no answer. The texts may be shown to the person who gave the URL: no address that a name resolved to is in them, and
/// whether a name of an inner network exists cannot be seen by them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// The URL is not called.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Nobody listens there, or the network is down.
    #[error("no connection could be made: {0}")]
    Connect(String),
    /// The certificate is not good, or TLS failed in another way.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// Too many other requests were under way for as long as this one could wait: nothing was asked, and nothing is known of the address.
    #[error("too many other requests were under way")]
    Busy,
    /// There was no answer in time.
    #[error("no answer within {0:?}")]
    Timeout(std::time::Duration),
    /// The connection broke, or the answer was not HTTP.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// The request cannot be sent as it is.
    #[error("the request cannot be sent: {0}")]
    Request(String),
    /// A setting is wrong.
    #[error("{0}")]
    Settings(String),
}
