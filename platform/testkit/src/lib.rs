//! An app per test: one or more services with real databases, events and HTTP, and fake edges (time, mail, other services).
//!
//! ```ignore
//! stoa_testkit::app!(App, TestApp::builder().service(&stoa_users::SERVICE, |env| stoa_users::service(env, settings("users"))));
//!
//! #[db_test]
//! async fn a_profile_can_be_changed(app: App) {
//!     let token = app.token(app.new_user(), &[]);
//!     let answer = app.patch("/api/v1/users/me").bearer(&token).json(&json!({"bio": "hello"})).send().await;
//!     assert_eq!(answer.expect(200).value()["bio"], "hello");
//! }
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "only tests use this crate: what goes wrong here must fail them loudly"
)]

mod app;
mod client;
mod edge;
mod eventually;
mod keys;
mod platform;
mod recorded;
mod settings;

pub use app::{Builder, TestApp};
pub use client::{Answer, Call, Client, assert_problem};
pub use edge::ORIGIN;
pub use eventually::eventually;
pub use keys::CookieSession;
pub use settings::settings;
