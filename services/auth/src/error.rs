//! How a use case fails, and what the caller is told of it.

use std::time::Duration;

use stoa_http::{Code, Failure, codes};

/// What use cases return.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

stoa_kernel::codes! {
    /// The codes that only this service answers with.
    pub(crate) const CODES;

    /// An address has an account already.
    EMAIL_TAKEN = 409 "email_taken" "An account with this address exists already";
    /// Only an administrator makes accounts here.
    REGISTRATION_CLOSED = 403 "registration_closed" "Registration is closed: an administrator creates accounts";
    /// Address and password do not belong together.
    INVALID_CREDENTIALS = 401 "invalid_credentials" "E-mail or password is wrong";
    /// The password was right; the authenticator's code is missing.
    TOTP_REQUIRED = 401 "totp_required" "A code of your authenticator app is required";
    /// The password was right; the authenticator's code is not.
    TOTP_WRONG = 401 "totp_wrong" "The code is wrong or was used already";
    /// The password was right; the address has to be verified first.
    EMAIL_NOT_VERIFIED = 403 "email_not_verified" "Verify your e-mail address first";
    /// No session goes with this refresh token.
    REFRESH_INVALID = 401 "refresh_invalid" "The refresh token is not valid; sign in again";
    /// A refresh token came a second time: somebody may have stolen it.
    REFRESH_REUSED = 401 "refresh_reused" "The refresh token was used before; sign in again";
    /// The link of a mail was used, is too old, or never was.
    LINK_INVALID = 422 "link_invalid" "The link was used already, or has expired";
    /// More passwords to hash than wait their turn.
    BUSY = 503 "busy" "Too many people are signing in; try again shortly";
    /// The account has a second factor.
    TOTP_ENABLED = 409 "totp_enabled" "The account has a second factor already";
    /// The account has no second factor, and none is being set up.
    TOTP_NOT_ENABLED = 409 "totp_not_enabled" "The account has no second factor";
    /// Somebody would give, take or change more than they hold.
    NOT_HELD = 403 "permission_not_held" "You cannot grant or change permissions that you do not hold";
    /// A role of this name is there.
    ROLE_EXISTS = 409 "role_exists" "A role with this name exists already";
    /// The role is one of ours.
    ROLE_BUILT_IN = 409 "role_built_in" "This role cannot be changed";
    /// Nobody would be left to give roles.
    LAST_ADMIN = 409 "last_admin" "This is the last administrator; appoint another one first";
    /// The same was granted before.
    GRANT_EXISTS = 409 "grant_exists" "This grant exists already";
    /// More grants than one may have.
    TOO_MANY_GRANTS = 409 "too_many_grants" "This account has the most grants an account can have; give it a role instead";
    /// More API keys than one may have.
    TOO_MANY_KEYS = 409 "too_many_api_keys" "You have the most API keys an account can have; delete one first";
    /// More memberships than one may have.
    TOO_MANY_ORGANIZATIONS = 409 "too_many_organizations" "You are a member of the most organizations an account can have; leave one first";
    /// An organization would be left without an owner.
    LAST_OWNER = 409 "last_owner" "An organization needs an owner: make another member one, or delete the organization";
    /// An owner is not removed as they are.
    MEMBER_IS_OWNER = 409 "member_is_owner" "An owner cannot leave or be removed: give them another role first";
    /// They are a member.
    ALREADY_MEMBER = 409 "already_member" "This person is a member already";
    /// More invitations than may wait.
    TOO_MANY_INVITATIONS = 409 "too_many_invitations" "The most invitations that an organization can have are waiting; revoke some first";
    /// The invitation was answered, revoked or replaced, or has expired.
    INVITATION_INVALID = 422 "invitation_invalid" "The invitation is no longer valid; ask for a new one";
    /// The invitation went to another address than the account's.
    INVITATION_FOR_ANOTHER = 403 "invitation_for_another" "The invitation is for another e-mail address; sign in with the account of that address";
    /// The organization has the domain.
    DOMAIN_VERIFIED = 409 "domain_verified" "The organization has verified this domain already";
    /// More domains than one may have.
    TOO_MANY_DOMAINS = 409 "too_many_domains" "The organization has the most domains it can have; remove one first";
    /// More API keys than an organization may have.
    TOO_MANY_ORGANIZATION_KEYS = 409 "too_many_organization_keys" "The organization has the most API keys it can have; delete one first";
    /// They were a member once.
    INVITATION_NEEDED = 403 "invitation_needed" "You were a member before; ask for an invitation to come back";
}

/// How a use case fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A refusal with one of the codes and nothing to add.
    #[error("{}", .0.title)]
    Refused(Code),
    /// A wrong field of the input: field, code, message.
    #[error("{0}: {2}")]
    Field(&'static str, &'static str, String),
    /// The address has an account.
    #[error("the address has an account already")]
    EmailTaken,
    /// Too often; try again after this time.
    #[error("too many attempts")]
    TooMany(Duration),
    /// The database.
    #[error(transparent)]
    Db(#[from] stoa_db::Error),
    /// A picture.
    #[error(transparent)]
    Picture(#[from] stoa_pictures::PictureError),
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}

impl From<stoa_secrets::SecretError> for Error {
    fn from(error: stoa_secrets::SecretError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::Refused(code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(BUSY) => Self::new(BUSY).retry_after(Duration::from_secs(2)),
            Error::Refused(code) => Self::new(code),
            Error::Field(field, code, message) => Self::invalid(field, code, message),
            Error::EmailTaken => Self::new(EMAIL_TAKEN).field(
                "email",
                EMAIL_TAKEN.code,
                "An account with this address exists already",
            ),
            Error::TooMany(wait) => Self::new(codes::RATE_LIMITED).retry_after(wait),
            Error::Db(error) => Self::from(error),
            Error::Picture(error) => error.into(),
            Error::Internal(cause) => Self::internal(cause),
        }
    }
}
