//! The notifications that auth asks for.

mod account;
mod organization;
mod owners;

use serde::{Deserialize, Serialize};
use stoa_service::NotificationType;

pub(crate) use organization::ROLE_CHANGED;

/// All types.
pub(crate) const TYPES: &[NotificationType] = &[
    account::VERIFY_EMAIL,
    account::PASSWORD_RESET,
    account::PASSWORD_CHANGED,
    account::GUESSES_LIMITED,
    account::API_KEY_CREATED,
    account::API_KEYS_REMOVED,
    account::SECOND_FACTOR_ENABLED,
    account::SECOND_FACTOR_DISABLED,
    account::RECOVERY_CODES_RENEWED,
    organization::INVITATION,
    organization::DOMAIN_CLAIMED,
    owners::OWNER_ADDED,
    owners::OWNER_REMOVED,
    owners::DELETED,
    owners::DOMAIN_VERIFIED,
    owners::API_KEYS_REMOVED,
    ROLE_CHANGED,
];

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MailKind {
    /// A link that shows that the address is theirs.
    VerifyEmail,
    /// A link to a new password.
    ResetPassword,
    /// Their password was changed.
    PasswordChanged,
    /// Somebody has guessed at their password or their codes too often.
    GuessesLimited,
    /// An API key was made.
    ApiKeyCreated,
    /// All API keys were removed.
    ApiKeysEnded,
    /// A second factor was set up.
    TotpEnabled,
    /// The second factor was removed.
    TotpDisabled,
    /// Recovery codes were made in the place of those of before.
    RecoveryCodesRenewed,
    /// A link by which they become a member of an organization.
    Invitation,
    /// A link that lets people of their domain join an organization.
    Domain,
    /// An organization of theirs has one more owner.
    OwnerAdded,
    /// An organization of theirs has one owner less.
    OwnerRemoved,
    /// An organization of theirs was deleted.
    OrganizationDeleted,
    /// People of a domain can join an organization of theirs.
    DomainVerified,
    /// API keys of an organization of theirs ended with the password of who made them.
    OrganizationKeysEnded,
}

impl MailKind {
    pub(crate) const ALL: [Self; 16] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::PasswordChanged,
        Self::GuessesLimited,
        Self::ApiKeyCreated,
        Self::ApiKeysEnded,
        Self::TotpEnabled,
        Self::TotpDisabled,
        Self::RecoveryCodesRenewed,
        Self::Invitation,
        Self::Domain,
        Self::OwnerAdded,
        Self::OwnerRemoved,
        Self::OrganizationDeleted,
        Self::DomainVerified,
        Self::OrganizationKeysEnded,
    ];

    /// The name of its type.
    pub(crate) const fn name(self) -> &'static str {
        let of = match self {
            Self::VerifyEmail => account::VERIFY_EMAIL,
            Self::ResetPassword => account::PASSWORD_RESET,
            Self::PasswordChanged => account::PASSWORD_CHANGED,
            Self::GuessesLimited => account::GUESSES_LIMITED,
            Self::ApiKeyCreated => account::API_KEY_CREATED,
            Self::ApiKeysEnded => account::API_KEYS_REMOVED,
            Self::TotpEnabled => account::SECOND_FACTOR_ENABLED,
            Self::TotpDisabled => account::SECOND_FACTOR_DISABLED,
            Self::RecoveryCodesRenewed => account::RECOVERY_CODES_RENEWED,
            Self::Invitation => organization::INVITATION,
            Self::Domain => organization::DOMAIN_CLAIMED,
            Self::OwnerAdded => owners::OWNER_ADDED,
            Self::OwnerRemoved => owners::OWNER_REMOVED,
            Self::OrganizationDeleted => owners::DELETED,
            Self::DomainVerified => owners::DOMAIN_VERIFIED,
            Self::OrganizationKeysEnded => owners::API_KEYS_REMOVED,
        };
        of.name
    }

    /// The one whose type has this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
