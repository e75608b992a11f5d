//! Problems, extractors, pages, tokens and idempotency for HTTP handlers.
//!
//! What the edge in front of a service puts into each request's extensions: [`RequestInfo`], and, for a known caller,
//! `Arc<Principal>` (see [`admit`]). What it does with each response: [`with_request_id`].

mod actor;
mod authn;
mod body;
mod cookies;
mod etag;
mod failure;
mod guard;
mod html;
mod idempotency;
mod input;
mod issuers;
mod json;
mod local;
pub mod names;
pub mod openapi;
mod own_writes;
mod page;
mod path;
mod problem;
mod protocol;
mod query;
mod request;
mod revocations;
mod settled;
pub mod time;
mod token;
mod token_cache;
mod validation;
mod verifier;

pub use actor::{Access, Actor, Anyone, Person, SignedIn};
pub use authn::{Credential, KeyAnswer, KeyAuthority, Presented, admit, authenticate, credential, present};
pub use body::{Upload, collect, refuse_encoded};
pub use cookies::{cookie, session_cookie, session_cookie_name};
pub use etag::{IfMatch, etag};
pub use failure::{
    AsIs, Failure, FailureInfo, Result, method_not_allowed, not_found, whole_seconds, with_request_id,
};
pub use guard::Guard;
pub use html::html_page;
pub use idempotency::{Idempotency, idempotent};
pub use issuers::FORMER_ISSUER;
pub use json::{Json, MAX_DEPTH, check_json};
pub use local::{is_local, is_loopback, is_relayed};
pub use openapi::Problems;
pub use own_writes::{OwnWrites, read_own_writes};
pub use page::{Paged, Unfiltered};
pub use path::Path;
pub use problem::{FieldError, Problem};
pub use protocol::{Protocol, RefusedRequest};
pub use query::Query;
pub use request::RequestInfo;
pub use settled::settled;
pub use stoa_kernel::{Code, RequestFacts, codes};
pub use token::{Claims, MembershipClaim, TokenSigner, VerifyingKey, csrf_claim};
pub use validation::{field_error, is_line};
pub use verifier::{OpenToken, Refused, Verifier};
