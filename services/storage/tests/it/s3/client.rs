//! A small client of S3: it signs by itself, so that what it sends can be wrong in any way.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stoa_kernel::Timestamp;
use stoa_testkit::{Answer, Client, TestApp};

pub(crate) const KEYS: &str = "/api/v1/storage/access-keys";
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// An access key, and where it is used.
#[derive(Clone)]
pub(crate) struct S3 {
    pub(crate) app: TestApp,
    pub(crate) key_id: String,
    pub(crate) secret: String,
    /// The id by which the API knows the key.
    pub(crate) id: String,
}

/// A request that is not sent yet.
pub(crate) struct Request<'a> {
    s3: &'a S3,
    pub(crate) method: Method,
    /// Percent-encoded.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What is signed of the body; its SHA-256 if none.
    pub(crate) payload: Option<String>,
    pub(crate) at: Timestamp,
}

/// Makes a key of the token's person; `more` is what it is to be besides its name.
pub(crate) async fn make_key(app: &Client, token: &str, more: Value) -> Answer {
    let mut body = json!({ "name": "of a test" });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    app.post(KEYS).bearer(token).json(&body).send().await
}

impl S3 {
    pub(crate) async fn new(app: &TestApp, token: &str, more: Value) -> Self {
        let made = make_key(app, token, more).await.expect(201).value();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            app: app.clone(),
            key_id: text(&made["access_key"]["access_key_id"]),
            secret: text(&made["secret_access_key"]),
            id: text(&made["access_key"]["id"]),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Request<'_> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        });
        Request {
            s3: self,
            method,
            path: format!("/s3{path}"),
            query: pairs.collect(),
            headers: Vec::new(),
            body: Vec::new(),
            payload: None,
            at: self.app.clock().now(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path).send().await
    }

    pub(crate) async fn put(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.request(Method::PUT, path).body(body).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.request(Method::POST, path).body(body).send().await
    }

    fn scope(&self, at: Timestamp) -> String {
        format!("{}/eu-central-1/s3/aws4_request", at.strftime("%Y%m%d"))
    }

    fn sign(&self, scope: &str, text: &str) -> String {
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in scope.split('/') {
            key = hmac(&key, part);
        }
        hex::encode(hmac(&key, text))
    }

    pub(crate) fn signature(&self, at: Timestamp, kind: &str, rest: &str) -> String {
        let scope = self.scope(at);
        let text = format!("{kind}\n{}\n{scope}\n{rest}", at.strftime("%Y%m%dT%H%M%SZ"));
        self.sign(&scope, &text)
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Request<'_> {
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn payload(mut self, payload: &str) -> Self {
        self.payload = Some(payload.to_owned());
        self
    }

    /// As if it had been made so many seconds later.
    pub(crate) fn later(mut self, seconds: i64) -> Self {
        let moved = self.at.as_second() + seconds;
        self.at = Timestamp::from_second(moved).unwrap();
        self
    }

    fn time(&self) -> String {
        self.at.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    fn canonical(&self, headers: &[(String, String)], payload: &str) -> String {
        let encode = |text: &str| text.replace('/', "%2F").replace(' ', "%20");
        let mut query: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        query.sort();
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        // Whatever is sent as it is: both sides sign it in one form.
        let path = self.path.replace('(', "%28").replace(')', "%29");
        let (method, query) = (&self.method, query.join("&"));
        format!(
            "{method}\n{path}\n{query}\n{lines}\n{}\n{payload}",
            names.join(";")
        )
    }

    /// The signature that goes into its header, and the names of what is signed.
    pub(crate) fn signed(&self) -> (String, String) {
        let own = sha256(&self.body);
        let payload = self.payload.as_deref().unwrap_or(&own);
        let mut headers = self.headers.clone();
        headers.push(("host".into(), self.s3.app.address().to_string()));
        headers.push(("x-amz-content-sha256".into(), payload.to_owned()));
        headers.push(("x-amz-date".into(), self.time()));
        headers.sort();
        let canonical = self.canonical(&headers, payload);
        let signature = self
            .s3
            .signature(self.at, "AWS4-HMAC-SHA256", &sha256(canonical.as_bytes()));
        let names: Vec<_> = headers.into_iter().map(|(name, _)| name).collect();
        (signature, names.join(";"))
    }

    pub(crate) fn authorization(&self) -> String {
        let (signature, names) = self.signed();
        let (key, scope) = (&self.s3.key_id, self.s3.scope(self.at));
        format!("AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}")
    }

    pub(crate) async fn send(self) -> Answer {
        let authorization = self.authorization();
        self.send_with(&authorization).await
    }

    /// With this in place of its signature.
    pub(crate) async fn send_with(self, authorization: &str) -> Answer {
        let own = sha256(&self.body);
        let query: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let target = format!("{}?{}", self.path, query.join("&"));
        let mut call = self
            .s3
            .app
            .call(self.method.clone(), &target)
            .header("authorization", authorization)
            .header("x-amz-date", &self.time())
            .header("x-amz-content-sha256", self.payload.as_deref().unwrap_or(&own));
        for (name, value) in &self.headers {
            call = call.header(name, value);
        }
        call.raw_body(self.body).send().await
    }

    /// Its presigned address.
    pub(crate) fn presigned(mut self, seconds: i64) -> String {
        let credential = format!("{}/{}", self.s3.key_id, self.s3.scope(self.at));
        let time = self.time();
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", credential.as_str()),
            ("X-Amz-Date", time.as_str()),
            ("X-Amz-Expires", seconds.to_string().as_str()),
            ("X-Amz-SignedHeaders", "host"),
        ] {
            self.query.push((name.to_owned(), value.to_owned()));
        }
        let host = [("host".to_owned(), self.s3.app.address().to_string())];
        let canonical = self.canonical(&host, UNSIGNED);
        let signature = self
            .s3
            .signature(self.at, "AWS4-HMAC-SHA256", &sha256(canonical.as_bytes()));
        self.query.push(("X-Amz-Signature".into(), signature));
        let query: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("{}?{}", self.path, query.join("&"))
    }
}

/// S3's code of a refusal, after its status was compared.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, status: u16, code: &str) {
    let text = answer.text();
    assert_eq!(answer.status(), status, "{text}");
    assert_eq!(element(&text, "Code"), Some(code), "{text}");
    assert!(
        element(&text, "RequestId").is_some_and(|id| !id.is_empty()),
        "{text}"
    );
    assert_eq!(answer.header("content-type"), Some("application/xml"));
}

/// The text of the first element of this name.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// The texts of all elements of this name.
pub(crate) fn elements(xml: &str, name: &str) -> Vec<String> {
    let begin = format!("<{name}>");
    let parts = xml.split(&begin).skip(1);
    parts
        .filter_map(|part| part.split_once(&format!("</{name}>")))
        .map(|(text, _)| text.to_owned())
        .collect()
}
