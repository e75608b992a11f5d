//! How a use case fails, and what the caller is told of it.

use std::time::Duration;

use http::{HeaderValue, header};
use stoa_http::{Code, Failure, codes};

/// What use cases return.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// An address has an account already.
pub(crate) const EMAIL_TAKEN: Code = Code {
    code: "email_taken",
    status: 409,
    title: "An account with this address exists already",
};
/// Only an administrator makes accounts here.
pub(crate) const REGISTRATION_CLOSED: Code = Code {
    code: "registration_closed",
    status: 403,
    title: "Registration is closed: an administrator creates accounts",
};
/// Address and password do not belong together.
pub(crate) const INVALID_CREDENTIALS: Code = Code {
    code: "invalid_credentials",
    status: 401,
    title: "E-mail or password is wrong",
};
/// The password was right; the authenticator's code is missing.
pub(crate) const TOTP_REQUIRED: Code = Code {
    code: "totp_required",
    status: 401,
    title: "A code of your authenticator app is required",
};
/// The password was right; the authenticator's code is not.
pub(crate) const TOTP_WRONG: Code = Code {
    code: "totp_wrong",
    status: 401,
    title: "The code is wrong or was used already",
};
/// The password was right; the address has to be verified first.
pub(crate) const EMAIL_NOT_VERIFIED: Code = Code {
    code: "email_not_verified",
    status: 403,
    title: "Verify your e-mail address first",
};
/// No session goes with this refresh token.
pub(crate) const REFRESH_INVALID: Code = Code {
    code: "refresh_invalid",
    status: 401,
    title: "The refresh token is not valid; sign in again",
};
/// A refresh token came a second time: somebody may have stolen it.
pub(crate) const REFRESH_REUSED: Code = Code {
    code: "refresh_reused",
    status: 401,
    title: "The refresh token was used before; sign in again",
};
/// The link of a mail was used, is too old, or never was.
pub(crate) const LINK_INVALID: Code = Code {
    code: "link_invalid",
    status: 422,
    title: "The link was used already or has expired; request a new one",
};
/// More passwords to hash than wait their turn.
pub(crate) const BUSY: Code = Code {
    code: "busy",
    status: 503,
    title: "Too many people are signing in; try again shortly",
};

/// The account has a second factor.
pub(crate) const TOTP_ENABLED: Code = Code {
    code: "totp_enabled",
    status: 409,
    title: "The account has a second factor already",
};
/// The account has no second factor, and none is being set up.
pub(crate) const TOTP_NOT_ENABLED: Code = Code {
    code: "totp_not_enabled",
    status: 409,
    title: "The account has no second factor",
};
/// Somebody would give, take or change more than they hold.
pub(crate) const NOT_HELD: Code = Code {
    code: "permission_not_held",
    status: 403,
    title: "You cannot grant or change permissions that you do not hold",
};
/// A role of this name is there.
pub(crate) const ROLE_EXISTS: Code = Code {
    code: "role_exists",
    status: 409,
    title: "A role with this name exists already",
};
/// The role is one of ours.
pub(crate) const ROLE_BUILT_IN: Code = Code {
    code: "role_built_in",
    status: 409,
    title: "This role cannot be changed",
};
/// Nobody would be left to give roles.
pub(crate) const LAST_ADMIN: Code = Code {
    code: "last_admin",
    status: 409,
    title: "This is the last administrator; appoint another one first",
};
/// The same was granted before.
pub(crate) const GRANT_EXISTS: Code = Code {
    code: "grant_exists",
    status: 409,
    title: "This grant exists already",
};
/// More grants than one may have.
pub(crate) const TOO_MANY_GRANTS: Code = Code {
    code: "too_many_grants",
    status: 409,
    title: "This account has the most grants an account can have; give it a role instead",
};
/// More API keys than one may have.
pub(crate) const TOO_MANY_KEYS: Code = Code {
    code: "too_many_api_keys",
    status: 409,
    title: "You have the most API keys an account can have; delete one first",
};
/// More memberships than one may have.
pub(crate) const TOO_MANY_ORGANIZATIONS: Code = Code {
    code: "too_many_organizations",
    status: 409,
    title: "You are a member of the most organizations an account can have; leave one first",
};
/// An organization would be left without an owner.
pub(crate) const LAST_OWNER: Code = Code {
    code: "last_owner",
    status: 409,
    title: "An organization needs an owner: make another member one, or delete the organization",
};
/// An owner is not removed as they are.
pub(crate) const MEMBER_IS_OWNER: Code = Code {
    code: "member_is_owner",
    status: 409,
    title: "An owner cannot leave or be removed: give them another role first",
};
/// They are a member.
pub(crate) const ALREADY_MEMBER: Code = Code {
    code: "already_member",
    status: 409,
    title: "This person is a member already",
};
/// More invitations than may wait.
pub(crate) const TOO_MANY_INVITATIONS: Code = Code {
    code: "too_many_invitations",
    status: 409,
    title: "The most invitations that an organization can have are waiting; revoke some first",
};
/// The invitation was answered, revoked or replaced, or has expired.
pub(crate) const INVITATION_INVALID: Code = Code {
    code: "invitation_invalid",
    status: 422,
    title: "The invitation is no longer valid; ask for a new one",
};
/// The invitation went to another address than the account's.
pub(crate) const INVITATION_FOR_ANOTHER: Code = Code {
    code: "invitation_for_another",
    status: 403,
    title: "The invitation is for another e-mail address; sign in with the account of that address",
};
/// The organization has the domain.
pub(crate) const DOMAIN_VERIFIED: Code = Code {
    code: "domain_verified",
    status: 409,
    title: "The organization has verified this domain already",
};
/// More domains than one may have.
pub(crate) const TOO_MANY_DOMAINS: Code = Code {
    code: "too_many_domains",
    status: 409,
    title: "The organization has the most domains it can have; remove one first",
};
/// More API keys than an organization may have.
pub(crate) const TOO_MANY_ORGANIZATION_KEYS: Code = Code {
    code: "too_many_organization_keys",
    status: 409,
    title: "The organization has the most API keys it can have; delete one first",
};
/// They were a member once.
pub(crate) const INVITATION_NEEDED: Code = Code {
    code: "invitation_needed",
    status: 403,
    title: "You were a member before; ask for an invitation to come back",
};

/// The codes that only this service answers with.
pub(crate) const CODES: &[Code] = &[
    EMAIL_TAKEN,
    REGISTRATION_CLOSED,
    INVALID_CREDENTIALS,
    TOTP_REQUIRED,
    TOTP_WRONG,
    EMAIL_NOT_VERIFIED,
    REFRESH_INVALID,
    REFRESH_REUSED,
    LINK_INVALID,
    BUSY,
    TOTP_ENABLED,
    TOTP_NOT_ENABLED,
    NOT_HELD,
    ROLE_EXISTS,
    ROLE_BUILT_IN,
    LAST_ADMIN,
    GRANT_EXISTS,
    TOO_MANY_GRANTS,
    TOO_MANY_KEYS,
    TOO_MANY_ORGANIZATIONS,
    LAST_OWNER,
    ALREADY_MEMBER,
    TOO_MANY_INVITATIONS,
    INVITATION_INVALID,
    INVITATION_FOR_ANOTHER,
    INVITATION_NEEDED,
    DOMAIN_VERIFIED,
    TOO_MANY_DOMAINS,
    TOO_MANY_ORGANIZATION_KEYS,
];

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

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::Refused(code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(BUSY) => {
                Self::new(BUSY).header(header::RETRY_AFTER, HeaderValue::from_static("2"))
            }
            Error::Refused(code) => Self::new(code),
            Error::Field(field, code, message) => Self::invalid(field, code, message),
            Error::EmailTaken => Self::new(EMAIL_TAKEN).field(
                "email",
                EMAIL_TAKEN.code,
                "An account with this address exists already",
            ),
            Error::TooMany(wait) => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Self::new(codes::RATE_LIMITED).header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
            }
            Error::Db(error) => Self::from(error),
            Error::Picture(error) => error.into(),
            Error::Internal(cause) => Self::internal(cause),
        }
    }
}
