//! Signature Version 4 as AWS defines it for S3: what a signature is made of.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The only algorithm.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What a signature in the query is not part of itself.
pub(super) const IN_QUERY: &str = "X-Amz-Signature";

/// What stands for itself in a canonical query (RFC 3986); in a path slashes as well.
const IN_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
const IN_PATH: &AsciiSet = &IN_VALUE.remove(b'/');

/// The day, region and service that a key is made for: `20130524/us-east-1/s3/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) date: String,
    pub(super) region: String,
}

impl Scope {
    pub(super) fn text(&self) -> String {
        format!("{}/{}/s3/aws4_request", self.date, self.region)
    }
}

/// What signs the requests of one day. Kept no longer than a request.
#[derive(Clone)]
pub(super) struct SigningKey([u8; 32]);

impl SigningKey {
    pub(super) fn new(secret: &[u8], scope: &Scope) -> Self {
        let first = hmac(&[b"AWS4", secret].concat(), scope.date.as_bytes());
        let region = hmac(&first, scope.region.as_bytes());
        Self(hmac(&hmac(&region, b"s3"), b"aws4_request"))
    }

    pub(super) fn sign(&self, text: &str) -> [u8; 32] {
        hmac(&self.0, text.as_bytes())
    }
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Whether they are the same, in a time that says nothing of where they differ.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// The 32 bytes that are written in lower-case hexadecimal.
pub(super) fn digest_of(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    let is_lower = text.bytes().all(|b| !b.is_ascii_uppercase());
    (is_lower && hex::decode_to_slice(text, &mut out).is_ok()).then_some(out)
}

/// The SHA-256, written so.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A request in the one form that both sides sign.
pub(super) struct Canonical<'a> {
    pub(super) method: &'a str,
    /// As it came.
    pub(super) path: &'a str,
    /// Names and values, decoded.
    pub(super) query: &'a [(String, String)],
    /// Names in lower case and the values of each, in the order of `SignedHeaders`.
    pub(super) headers: &'a [(String, String)],
    /// What the request says of its body.
    pub(super) payload: &'a str,
}

impl Canonical<'_> {
    pub(super) fn text(&self) -> String {
        let decoded: Vec<u8> = percent_decode_str(self.path).collect();
        let path = percent_encoding::percent_encode(&decoded, IN_PATH);
        let mut pairs: Vec<_> = self
            .query
            .iter()
            .filter(|(name, _)| name != IN_QUERY)
            .map(|(name, value)| (encoded(name), encoded(value)))
            .collect();
        pairs.sort_unstable();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut headers = String::new();
        for (name, value) in self.headers {
            headers.push_str(name);
            headers.push(':');
            headers.push_str(&folded(value));
            headers.push('\n');
        }
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let (method, query, names, payload) = (self.method, pairs.join("&"), names.join(";"), self.payload);
        format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{payload}")
    }

    /// What is signed. `time` is written as `20130524T000000Z`.
    pub(super) fn to_sign(&self, time: &str, scope: &Scope) -> String {
        let (scope, hash) = (scope.text(), hash(self.text().as_bytes()));
        format!("{ALGORITHM}\n{time}\n{scope}\n{hash}")
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, IN_VALUE).to_string()
}

/// Without spaces around it, and one in place of several.
fn folded(value: &str) -> String {
    let words: Vec<_> = value.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of "Authenticating Requests" in the S3 API Reference.
    const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const TIME: &str = "20130524T000000Z";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn scope() -> Scope {
        Scope {
            date: "20130524".into(),
            region: "us-east-1".into(),
        }
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn signed(canonical: &Canonical<'_>) -> String {
        let key = SigningKey::new(SECRET, &scope());
        hex::encode(key.sign(&canonical.to_sign(TIME, &scope())))
    }

    #[test]
    fn the_published_examples_have_their_signatures() {
        let host = ("host", "examplebucket.s3.amazonaws.com");
        let headers = pairs(&[
            host,
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", TIME),
        ]);
        let get = Canonical {
            method: "GET",
            path: "/test.txt",
            query: &[],
            headers: &headers,
            payload: EMPTY,
        };
        assert_eq!(
            hash(get.text().as_bytes()),
            "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972"
        );
        assert_eq!(
            signed(&get),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );

        let payload = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        let headers = pairs(&[
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            host,
            ("x-amz-content-sha256", payload),
            ("x-amz-date", TIME),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ]);
        let put = Canonical {
            method: "PUT",
            path: "/test$file.text",
            query: &[],
            headers: &headers,
            payload,
        };
        assert_eq!(
            signed(&put),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );

        let headers = pairs(&[host, ("x-amz-content-sha256", EMPTY), ("x-amz-date", TIME)]);
        for (query, signature) in [
            (
                pairs(&[("lifecycle", "")]),
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                pairs(&[("max-keys", "2"), ("prefix", "J")]),
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let list = Canonical {
                method: "GET",
                path: "/",
                query: &query,
                headers: &headers,
                payload: EMPTY,
            };
            assert_eq!(signed(&list), signature);
        }
    }

    #[test]
    fn the_published_example_of_a_presigned_address_has_its_signature() {
        let query = pairs(&[
            ("X-Amz-Algorithm", ALGORITHM),
            (
                "X-Amz-Credential",
                "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request",
            ),
            ("X-Amz-Date", TIME),
            ("X-Amz-Expires", "86400"),
            ("X-Amz-SignedHeaders", "host"),
            (IN_QUERY, "is not signed itself"),
        ]);
        let headers = pairs(&[("host", "examplebucket.s3.amazonaws.com")]);
        let get = Canonical {
            method: "GET",
            path: "/test.txt",
            query: &query,
            headers: &headers,
            payload: "UNSIGNED-PAYLOAD",
        };
        assert_eq!(
            signed(&get),
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    /// From the test suite of Signature Version 4, as far as S3 does not differ.
    #[test]
    fn one_request_has_one_form_however_it_is_written() {
        let query = pairs(&[
            ("b", "2"),
            ("a", "\u{1234} +/"),
            ("a", ""),
            ("-._~", "x"),
            ("A", "1"),
        ]);
        let headers = pairs(&[("my-header1", "  a   b \t c "), ("my-header2", "a,b")]);
        let canonical = Canonical {
            method: "GET",
            path: "/a%2fb//\u{e9}%c3%A9 (x)!/../~",
            query: &query,
            headers: &headers,
            payload: "x",
        };
        assert_eq!(
            canonical.text(),
            "GET\n/a/b//%C3%A9%C3%A9%20%28x%29%21/../~\n-._~=x&A=1&a=&a=%E1%88%B4%20%2B%2F&b=2\n\
             my-header1:a b c\nmy-header2:a,b\n\nmy-header1;my-header2\nx"
        );
    }

    #[test]
    fn digests_are_written_in_one_way() {
        assert!(digest_of(EMPTY).is_some());
        for wrong in ["", "E3", &EMPTY.to_uppercase(), &EMPTY[1..]] {
            assert_eq!(digest_of(wrong), None);
        }
        assert!(is_same(b"ab", b"ab") && !is_same(b"ab", b"abc") && !is_same(b"ab", b"ac"));
    }
}
