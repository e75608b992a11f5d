//! What can go wrong here, and what callers are told of it.

use std::time::Duration;

use stoa_auth_api::AccessError;
use stoa_events::JobError;
use stoa_http::{Failure, codes};
use stoa_objects::ObjectError;
use stoa_pictures::PictureError;
use stoa_secrets::SecretError;

stoa_kernel::codes! {
    /// The codes that only this service answers with.
    pub(crate) const CODES;

    /// Another bucket has the name.
    BUCKET_NAME_TAKEN = 409 "bucket_name_taken" "A bucket of this name exists";
    /// There are objects in it.
    BUCKET_NOT_EMPTY = 409 "bucket_not_empty" "The bucket is not empty";
    /// No room for a further bucket.
    BUCKETS_FULL = 409 "buckets_full" "There is no room for a further bucket";
    /// No room for a further link.
    LINKS_FULL = 409 "links_full" "There is no room for a further link";
    /// No room for a further access key.
    ACCESS_KEYS_FULL = 409 "access_keys_full" "There is no room for a further access key";
    /// The link has a password, and none was sent.
    LINK_PASSWORD_REQUIRED = 403 "link_password_required" "The link asks for a password";
    /// Not the link's password.
    LINK_PASSWORD_WRONG = 403 "link_password_wrong" "This is not the link's password";
    /// No room for the object, by number or by bytes.
    QUOTA_EXCEEDED = 409 "quota_exceeded" "There is no room for this object";
    /// Something is being done to the objects of the bucket.
    OPERATION_IN_PROGRESS = 409 "operation_in_progress" "Another operation on this bucket is in progress";
    /// No room for a further upload in parts.
    UPLOADS_FULL = 409 "uploads_full" "There are too many unfinished uploads";
    /// The upload was completed, given up or joined with others.
    UPLOAD_GONE = 410 "upload_gone" "The upload takes nothing more";
    /// Another version of tus than is spoken here.
    TUS_VERSION_UNKNOWN = 412 "tus_version_unknown" "This version of tus is not spoken";
    /// Not all of a piece has come that is to be joined with others.
    UPLOAD_UNFINISHED = 409 "upload_unfinished" "Not all of the upload has come";
    /// The upload has come to another place.
    OFFSET_MISMATCH = 409 "offset_mismatch" "The upload has come to another offset";
    /// Another request appends to it.
    UPLOAD_LOCKED = 423 "upload_locked" "Another request sends to this upload";
    /// What came is not what `Upload-Checksum` says. The status is that of tus.
    CHECKSUM_MISMATCH = 460 "checksum_mismatch" "The body does not match its checksum";
    /// The body is not what its checksum says.
    DIGEST_MISMATCH = 422 "digest_mismatch" "The body does not match its checksum";
    /// Nothing of the object is in the ranges that were asked for.
    RANGE_NOT_SATISFIABLE = 416 "range_not_satisfiable" "The object has no such range";
    /// What is stored does not match its checksum any more.
    OBJECT_DAMAGED = 500 "object_damaged" "The stored object is damaged";
}

/// After which a refused upload may find a place. How long the others take is known to nobody.
const SOON: Duration = Duration::from_secs(5);

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("not found")]
    NotFound,
    #[error("the owner was erased")]
    Erased,
    #[error("the credentials were revoked")]
    Revoked,
    #[error("not what the conditions ask for")]
    Precondition,
    #[error("another bucket has this name")]
    NameTaken,
    #[error("there are objects in the bucket")]
    NotEmpty,
    #[error("there is no room for a further bucket")]
    BucketsFull(i64),
    #[error("another operation on the bucket is in progress")]
    InProgress,
    #[error("there is no room for a further link")]
    LinksFull(i64),
    #[error("there is no room for a further upload in parts")]
    UploadsFull(i64),
    #[error("the upload is not open")]
    UploadGone,
    #[error("the upload has come to {0}")]
    Offset(i64),
    #[error("another request appends to the upload")]
    UploadLocked,
    #[error("not all of it has come")]
    Unfinished,
    #[error("the body does not match its checksum")]
    Checksum,
    #[error("{0}")]
    Length(&'static str),
    #[error("not the number of a part")]
    PartNumber,
    #[error("there is no part {0}, or another one")]
    NoSuchPart(i64),
    #[error("the parts are not in rising order")]
    PartOrder,
    #[error("part {0} is too small")]
    PartTooSmall(i64),
    #[error("there is no room for a further access key")]
    AccessKeysFull(i64),
    #[error("the link asks for a password")]
    PasswordRequired,
    #[error("not the link's password")]
    PasswordWrong,
    #[error("too many guesses")]
    TooManyGuesses(Duration),
    #[error("there is no room for the object")]
    Quota,
    #[error("a path would be too long")]
    TooLong,
    #[error("the object is too large")]
    TooLarge(i64),
    #[error("objects of the type {0} are not accepted")]
    Type(String),
    #[error("the body does not match {0}")]
    Digest(&'static str),
    #[error("the body broke off: {0}")]
    BrokenOff(String),
    #[error("too many uploads at once")]
    TooManyUploads(&'static str, usize),
    #[error("the stored object is damaged")]
    Damaged,
    #[error("too many new renditions")]
    TooManyRenditions(Duration),
    #[error("the picture is too large to be made smaller")]
    TooLargeToRender(i64),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error("{0}")]
    Busy(&'static str),
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Secrets(#[from] SecretError),
    #[error(transparent)]
    Db(#[from] stoa_db::Error),
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound | Error::Erased => Self::new(codes::NOT_FOUND),
            Error::Revoked => Self::new(codes::UNAUTHENTICATED)
                .detail("The credentials of the request were revoked meanwhile."),
            Error::Precondition => Self::new(codes::PRECONDITION_FAILED),
            Error::NameTaken => Self::new(BUCKET_NAME_TAKEN),
            Error::NotEmpty => Self::new(BUCKET_NOT_EMPTY)
                .detail("Versions and deleted objects count until they are purged."),
            Error::BucketsFull(max) => Self::new(BUCKETS_FULL).detail(format!("At most {max} are kept.")),
            Error::TooLong => Self::invalid("to_path", "too_long", "At most 1024 bytes are taken"),
            Error::LinksFull(max) => {
                Self::new(LINKS_FULL).detail(format!("At most {max} of a bucket are kept."))
            }
            Error::UploadsFull(max) => Self::new(UPLOADS_FULL)
                .detail(format!("At most {max} are kept. Finish or delete some first.")),
            Error::UploadGone => Self::new(UPLOAD_GONE),
            Error::Offset(offset) => Self::new(OFFSET_MISMATCH).detail(format!("It has come to {offset}.")),
            Error::UploadLocked => Self::new(UPLOAD_LOCKED),
            Error::Unfinished => Self::new(UPLOAD_UNFINISHED),
            Error::Checksum => Self::new(CHECKSUM_MISMATCH),
            Error::Length(wrong) => Self::invalid("upload-length", "invalid", wrong),
            Error::PartNumber => Self::invalid(
                "part_number",
                "out_of_range",
                "Parts have numbers from 1 to 10000",
            ),
            Error::NoSuchPart(number) => Self::invalid(
                "parts",
                "unknown",
                format!("Part {number} is not there, or another one"),
            ),
            Error::PartOrder => Self::invalid(
                "parts",
                "invalid",
                "Parts are listed in rising order of their numbers",
            ),
            Error::PartTooSmall(number) => {
                Self::invalid("parts", "too_short", format!("Part {number} is too small"))
            }
            Error::AccessKeysFull(max) => {
                Self::new(ACCESS_KEYS_FULL).detail(format!("At most {max} are kept."))
            }
            Error::PasswordRequired => {
                Self::new(LINK_PASSWORD_REQUIRED).detail("Send it as the header x-link-password.")
            }
            Error::PasswordWrong => Self::new(LINK_PASSWORD_WRONG),
            Error::TooManyGuesses(wait) => Self::new(codes::RATE_LIMITED).retry_after(wait),
            Error::InProgress => Self::new(OPERATION_IN_PROGRESS),
            Error::Quota => Self::new(QUOTA_EXCEEDED)
                .detail("Delete objects for good first; see GET /api/v1/storage/usage."),
            Error::TooLarge(max) => {
                Self::new(codes::TOO_LARGE).detail(format!("At most {max} bytes are taken."))
            }
            Error::Type(found) => {
                Self::new(codes::UNSUPPORTED_MEDIA_TYPE).detail(format!("The bucket does not take {found}."))
            }
            Error::Digest(header) => {
                Self::new(DIGEST_MISMATCH).field(header, "mismatch", "The body has another checksum")
            }
            Error::BrokenOff(cause) => Self::new(codes::MALFORMED)
                .detail("The body ended early.")
                .cause(cause),
            Error::TooManyUploads(whose, max) => Self::new(codes::RATE_LIMITED)
                .detail(format!("At most {max} uploads of {whose} run at once."))
                .retry_after(SOON),
            Error::TooManyRenditions(wait) => Self::new(codes::RATE_LIMITED)
                .detail("So many pictures of new sizes are made for an address.")
                .retry_after(wait),
            Error::TooLargeToRender(max) => Self::new(codes::IMAGE_TOO_LARGE)
                .detail(format!("Pictures of more than {max} bytes are sent as they are.")),
            Error::Picture(error) => error.into(),
            Error::Damaged => Self::new(OBJECT_DAMAGED).cause("what is stored does not match its checksum"),
            Error::Busy(_) | Error::Access(_) => Self::unavailable(error),
            Error::Objects(ObjectError::NotFound) => {
                Self::new(OBJECT_DAMAGED).cause("stored bytes are missing")
            }
            Error::Objects(error) => Self::unavailable(error),
            Error::Secrets(error) => Self::internal(error),
            Error::Db(error) => error.into(),
        }
    }
}

impl From<Error> for JobError {
    fn from(error: Error) -> Self {
        match error {
            Error::Db(error) => Self::Db(error),
            other => Self::Retry(other.to_string()),
        }
    }
}
