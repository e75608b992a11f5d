//! The section `auth` of the settings.

use std::path::PathBuf;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stoa_kernel::{Period, Rate};
use stoa_pictures::PictureLimits;
use stoa_secrets::Secrets;

use crate::password::Cost;

/// The longest lifetime of an access token. Whatever the setting says now, a token that was issued before may live so long.
pub(crate) const ACCESS_TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);
/// How far apart the clocks of two machines may be.
pub(crate) const CLOCKS_APART: Duration = Duration::from_secs(300);

/// Longest time for which a used refresh token may be answered again.
const LONGEST_LEEWAY: Duration = Duration::from_secs(60);

/// The section `auth` of the settings; `defaults.toml` explains each key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// The key that secrets in the database are sealed with: 32 bytes in base64. Empty: a file in the data folder.
    pub secret: String,
    /// Who may make accounts.
    pub registration: Registration,
    /// Whether signing in waits until the address has been verified.
    pub require_verified_email: bool,
    /// Lifetime of an access token.
    pub access_token_lifetime: Period,
    /// Lifetime of a refresh token.
    pub refresh_token_lifetime: Period,
    /// How long a refresh token that was just used is answered again.
    pub refresh_leeway: Period,
    /// Sessions that one account may have.
    pub sessions_max: u32,
    /// Who issues access tokens, and whom they are meant for. Empty: the public address.
    pub issuer: String,
    /// Issuers whose access tokens are accepted as well.
    pub former_issuers: Vec<String>,
    /// How long a key signs.
    pub signing_key_lifetime: Period,
    /// How long the link to a new password works.
    pub reset_token_lifetime: Period,
    /// How long the link that verifies an address works.
    pub verify_token_lifetime: Period,
    /// How long a network is remembered from which an account has not signed in any more.
    pub known_networks_keep: Period,
    /// `SameSite` of the session cookies.
    pub cookie_same_site: SameSite,
    /// Whether addresses are taken that are not ASCII before the `@`.
    pub international_addresses: bool,
    /// Rules and cost of passwords.
    pub password: PasswordConfig,
    /// Organizations.
    pub organizations: OrganizationsConfig,
    /// How often one may try.
    pub rate_limit: RateLimitConfig,
}

/// Who may make accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Anybody.
    Open,
    /// Only an administrator.
    Closed,
}

/// `SameSite` of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameSite {
    /// Sent along when a link from elsewhere is followed.
    Lax,
    /// Never sent along from elsewhere.
    Strict,
    /// Always sent along; needs https.
    None,
}

/// Rules and cost of passwords.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordConfig {
    /// Shortest password, in characters.
    pub min_length: usize,
    /// Longest password, in characters.
    pub max_length: usize,
    /// Memory of Argon2id, in KiB.
    pub memory_kib: u32,
    /// Passes of Argon2id.
    pub iterations: u32,
    /// Passwords hashed at once.
    pub lanes: usize,
    /// Passwords that wait; further ones are answered 503.
    pub queue: usize,
}

/// Organizations.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationsConfig {
    /// How long a deleted organization can be restored.
    pub grace: Period,
    /// How long the link of an invitation works.
    pub invitation_lifetime: Period,
    /// Invitations of one organization that wait.
    pub invitations_max: u32,
    /// Organizations that one person is a member of.
    pub joined_max: u32,
    /// Largest picture that is accepted, in bytes.
    pub picture_max_bytes: usize,
    /// Largest side of a picture that is accepted, in pixels.
    pub picture_max_pixels: u32,
    /// Side of the square that a picture is kept as, in pixels.
    pub picture_size: u32,
    /// Memory that pictures may take up while they are decoded, all together, in bytes.
    pub picture_memory_bytes: usize,
}

impl OrganizationsConfig {
    /// How large pictures may be.
    pub(crate) fn picture(&self) -> PictureLimits {
        PictureLimits {
            max_pixels: self.picture_max_pixels,
            size: self.picture_size,
            memory_bytes: self.picture_memory_bytes,
        }
    }
}

/// How often one may try.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Registrations of one address.
    pub register_per_address: Rate,
    /// Requests of one address for mails with links, whoever would get them.
    pub mails_per_address: Rate,
    /// Failed sign-ins from one address.
    pub login_per_address: Rate,
    /// Failed sign-ins to one account, for each network apart.
    pub login_per_account: Rate,
    /// Invitations that one person sends.
    pub invitations_per_account: Rate,
    /// Invitations that are sent from one address.
    pub invitations_per_address: Rate,
    /// Wrong passwords of people who are signed in, and wrong codes of the second factor, of one account.
    pub guesses_per_account: Rate,
}

impl AuthConfig {
    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check(&self) -> Result<(), String> {
        Secrets::new(PathBuf::new(), &self.secret)?;
        self.password.check()?;
        if self.access_token_lifetime.0.as_secs() == 0
            || self.access_token_lifetime > self.refresh_token_lifetime
        {
            return Err(
                "auth.access_token_lifetime must be at least 1s and at most auth.refresh_token_lifetime"
                    .to_owned(),
            );
        }
        if self.access_token_lifetime.0 > ACCESS_TOKEN_LIFETIME_MAX {
            return Err("auth.access_token_lifetime must be at most 1d".to_owned());
        }
        self.organizations.picture().check("auth.organizations.picture")?;
        if self.refresh_leeway.0 > LONGEST_LEEWAY {
            return Err("auth.refresh_leeway must be at most 1m".to_owned());
        }
        for (name, issuer) in std::iter::once(("issuer", &self.issuer)).chain(
            self.former_issuers
                .iter()
                .map(|issuer| ("former_issuers", issuer)),
        ) {
            if issuer.contains(char::is_whitespace) {
                return Err(format!("auth.{name} is '{issuer}': an issuer has no blanks"));
            }
        }
        if self.sessions_max == 0 {
            return Err("auth.sessions_max must be at least 1".to_owned());
        }
        if self.signing_key_lifetime <= self.access_token_lifetime {
            return Err(
                "auth.signing_key_lifetime must be longer than auth.access_token_lifetime".to_owned(),
            );
        }
        Ok(())
    }
}

impl PasswordConfig {
    fn check(&self) -> Result<(), String> {
        let Self {
            min_length,
            max_length,
            lanes,
            queue,
            ..
        } = *self;
        if min_length == 0 || min_length > max_length {
            return Err(
                "auth.password.min_length must be at least 1 and at most auth.password.max_length".to_owned(),
            );
        }
        if max_length > crate::password::MOST_CHARACTERS {
            return Err(format!(
                "auth.password.max_length must be at most {}",
                crate::password::MOST_CHARACTERS
            ));
        }
        if lanes == 0 || queue == 0 {
            return Err("auth.password.lanes and auth.password.queue must be at least 1".to_owned());
        }
        Cost::of(self).check()
    }
}
