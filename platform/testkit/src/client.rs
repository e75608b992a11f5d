//! A small HTTP client for tests: what it answers is read whole, and what is not as expected is shown.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use stoa_http::{Code, Problem, names};

use crate::CookieSession;

/// Calls one address. Keeps no cookies and follows no redirects.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    codes: Option<Arc<[Code]>>,
}

impl Client {
    /// A client of `base`, such as `http://127.0.0.1:4000`.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            http,
            base: base.into(),
            codes: None,
        }
    }

    /// Of an app that may answer with these codes only.
    pub(crate) fn of(base: impl Into<String>, codes: impl IntoIterator<Item = Code>) -> Self {
        Self {
            codes: Some(codes.into_iter().collect()),
            ..Self::new(base)
        }
    }

    /// A call to `path`, which begins with a slash and may have a query.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call {
            request: self.http.request(method, format!("{}{path}", self.base)),
            codes: self.codes.clone(),
        }
    }

    /// GET.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// POST.
    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// PUT.
    pub fn put(&self, path: &str) -> Call {
        self.call(Method::PUT, path)
    }

    /// PATCH.
    pub fn patch(&self, path: &str) -> Call {
        self.call(Method::PATCH, path)
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }
}

/// A call that is not sent yet.
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    request: reqwest::RequestBuilder,
    codes: Option<Arc<[Code]>>,
}

impl Call {
    /// With an access token.
    pub fn bearer(self, token: &str) -> Self {
        self.with(|request| request.bearer_auth(token))
    }

    /// With an API key.
    pub fn api_key(self, key: &str) -> Self {
        self.header(names::API_KEY_HEADER, key)
    }

    /// With a browser's cookies and the CSRF header, as our own pages send them.
    pub fn session(self, session: &CookieSession) -> Self {
        self.cookie(names::ACCESS_COOKIE, &session.access)
            .cookie(names::CSRF_COOKIE, &session.csrf)
            .header(names::CSRF_HEADER, &session.csrf)
    }

    /// With a cookie.
    pub fn cookie(self, name: &str, value: &str) -> Self {
        self.header(header::COOKIE.as_str(), &format!("{name}={value}"))
    }

    /// With a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(|request| request.header(name, value))
    }

    /// With an `Idempotency-Key`.
    pub fn idempotency_key(self, key: &str) -> Self {
        self.header(names::IDEMPOTENCY_KEY, key)
    }

    /// As if from this address: the test is a trusted proxy.
    pub fn from_address(self, address: &str) -> Self {
        self.header("x-forwarded-for", address)
    }

    /// As if by https: the test is a trusted proxy.
    pub fn by_https(self) -> Self {
        self.header("x-forwarded-proto", "https")
    }

    /// With a JSON body.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        self.with(|request| request.json(body))
    }

    /// With a body of some other kind.
    pub fn body(self, media_type: &str, body: impl Into<Bytes>) -> Self {
        self.with(|request| request.header(header::CONTENT_TYPE, media_type).body(body.into()))
    }

    /// With a body of which nothing is said.
    pub fn raw_body(self, body: impl Into<Bytes>) -> Self {
        self.with(|request| request.body(body.into()))
    }

    fn with(self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        Self {
            request: change(self.request),
            codes: self.codes,
        }
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Answer {
        let response = self.request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer {
            status,
            headers,
            bytes: response.bytes().await.unwrap(),
            codes: self.codes,
        }
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: HeaderMap,
    bytes: Bytes,
    /// The codes that it may be refused with; none when they are not known.
    codes: Option<Arc<[Code]>>,
}

impl Answer {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Fails the test, showing the body, unless the status is this.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// A header; none if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Value of a cookie that the answer sets; empty when it takes the cookie away.
    #[must_use]
    pub fn set_cookie(&self, name: &str) -> Option<&str> {
        let lines = self
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let mut pairs = lines.filter_map(|line| line.split(';').next()?.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The body, read as JSON.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{} {error}: {}", self.status, self.text()))
    }

    /// The body as any JSON.
    #[must_use]
    #[track_caller]
    pub fn value(&self) -> Value {
        self.json()
    }

    /// The body as a problem, which it must be. Fails the test when no descriptor of the app lists its code.
    #[must_use]
    #[track_caller]
    pub fn problem(&self) -> Problem {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{} {}",
            self.status,
            self.text()
        );
        let problem: Problem = self.json();
        assert_eq!(
            problem.status, self.status,
            "the problem's status is not the answer's"
        );
        if let Some(codes) = &self.codes {
            let listed = codes.iter().any(|code| code.code == problem.code);
            assert!(
                listed,
                "no service's `codes` list '{}': declare it by `codes!`",
                problem.code
            );
        }
        problem
    }
}

/// Checks that `answer` is this problem, with exactly these wrong fields, in any order.
#[track_caller]
pub fn assert_problem(answer: &Answer, status: u16, code: &str, fields: &[&str]) {
    let problem = answer.problem();
    let mut wrong: Vec<_> = problem.errors.iter().map(|error| error.field.as_str()).collect();
    let mut fields = fields.to_vec();
    wrong.sort_unstable();
    fields.sort_unstable();
    assert_eq!(
        (problem.status, &*problem.code, wrong),
        (status, code, fields),
        "{}",
        answer.text()
    );
}
