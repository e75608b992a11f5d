//! HTTP requests to addresses that users give: webhooks, push endpoints, pictures to be fetched.
//!
//! Such an address may be chosen to make this process call what only this process can reach: a database on the same machine, another
//! service behind the firewall, the metadata service of the cloud. So [`Outbound`] calls public addresses alone, unless a setting
//! allows more. A URL is looked at when it is saved ([`Outbound::check_url`], [`Outbound::check_host`]), and each connection again when
//! it is made: the filter stands between the answer of the resolver and the connect, on the very addresses that are connected to. A
//! name that resolves to something else the second time does not pass.
//!
//! Redirects are not followed, and no proxy of the environment is used. Requests have a time limit as a whole, answers are read up to
//! a limit, and the number of connections is bounded.

mod address;
mod client;
mod config;
mod connect;
mod error;
mod io;
mod ports;
mod resolve;
mod tls;
mod url;

pub use self::url::Target;
pub use client::{Outbound, Request, Response};
pub use config::OutboundConfig;
pub use error::{OutboundError, UrlError};
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use resolve::Lookup;
