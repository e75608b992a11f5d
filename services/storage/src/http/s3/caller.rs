//! Who sends a request: somebody who signed it with an access key, or anybody.

use axum::http::header;
use stoa_cache::LimitKey;
use stoa_kernel::{Actor, Owner, Timestamp};

use super::{
    error::{Result, S3Error},
    payload::{ChunkSigner, Payload},
    request::S3Request,
    signature::{ALGORITHM, Canonical, IN_QUERY, Scope, SigningKey, digest_of, is_same},
};
use crate::{ctx::Ctx, ops::access_keys};

/// How far the clocks of caller and server may be apart, in seconds.
const SKEW: i64 = 15 * 60;
/// Longest time that a presigned address works, in seconds.
const EXPIRES: i64 = 7 * 24 * 3600;
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Somebody who signed a request.
pub(super) struct Holder {
    pub(super) actor: Actor,
    /// Whose key it is.
    pub(super) owner: Owner,
    /// The only buckets that the key is for; empty for all.
    pub(super) buckets: Vec<String>,
    /// What the signature says of the body.
    pub(super) payload: Payload,
}

impl Holder {
    /// Whether the key is for this bucket.
    pub(super) fn is_for(&self, bucket: &str) -> bool {
        self.buckets.is_empty() || self.buckets.iter().any(|name| name == bucket)
    }
}

/// What a request claims: who signed it, when, and how.
struct Claim {
    key_id: String,
    scope: Scope,
    /// In the order of the signature.
    signed: Vec<String>,
    signature: [u8; 32],
    /// As `20130524T000000Z`.
    time: String,
    at: Timestamp,
    /// For a presigned address: how long it works, in seconds.
    expires: Option<i64>,
    payload: String,
}

/// Who signed the request; none if nobody did.
///
/// # Errors
/// When it is signed, and not by somebody whom we know, or not as it came, or not lately.
pub(super) async fn holder(ctx: &Ctx, request: &S3Request) -> Result<Option<Holder>> {
    let Some(claim) = claim(request)? else {
        return Ok(None);
    };
    in_time(&claim, ctx.clock.now())?;
    all_signed(request, &claim)?;
    let address = LimitKey::address(request.facts.address);
    let verdict = ctx.signatures.peek(address).await;
    if let Some(verdict) = verdict.filter(|verdict| verdict.remaining == 0) {
        return Err(S3Error::slow_down(verdict.retry_after));
    }
    let found = if access_keys::is_key_id(&claim.key_id) {
        access_keys::find(ctx, &claim.key_id).await?
    } else {
        None
    };
    let Some((key, secret)) = found else {
        ctx.signatures.check(address).await;
        return Err(S3Error::new(
            403,
            "InvalidAccessKeyId",
            "There is no such access key",
        ));
    };
    let signing = SigningKey::new(&secret, &claim.scope);
    if !is_same(&expected(request, &claim, &signing), &claim.signature) {
        ctx.signatures.check(address).await;
        return Err(S3Error::new(
            403,
            "SignatureDoesNotMatch",
            "The signature is not that of this request; check the secret access key",
        ));
    }
    let principal = access_keys::principal(ctx, &key).await?;
    let principal = principal.ok_or_else(S3Error::denied)?;
    access_keys::used(ctx, &key).await;
    let signer = ChunkSigner::new(signing, claim.time, claim.scope, claim.signature);
    Ok(Some(Holder {
        actor: Actor {
            principal,
            request: std::sync::Arc::clone(&request.facts),
        },
        owner: key.owner,
        buckets: key.buckets,
        payload: Payload::parse(&claim.payload, signer)?,
    }))
}

fn expected(request: &S3Request, claim: &Claim, signing: &SigningKey) -> [u8; 32] {
    let headers: Vec<_> = claim
        .signed
        .iter()
        .map(|name| (name.clone(), values(request, name)))
        .collect();
    let canonical = Canonical {
        method: request.method.as_str(),
        path: request.uri.path(),
        query: &request.query.0,
        headers: &headers,
        payload: &claim.payload,
    };
    signing.sign(&canonical.to_sign(&claim.time, &claim.scope))
}

/// The values of a header. HTTP/2 has the host in its target.
fn values(request: &S3Request, name: &str) -> String {
    let mut values: Vec<_> = request
        .headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    if values.is_empty()
        && name == "host"
        && let Some(authority) = request.uri.authority()
    {
        values.push(authority.to_string());
    }
    values.join(",")
}

fn claim(request: &S3Request) -> Result<Option<Claim>> {
    let given = request.header(header::AUTHORIZATION.as_str())?;
    let in_query = request.query.has(IN_QUERY) || request.query.has("X-Amz-Algorithm");
    if request.headers.contains_key("x-amz-security-token") || request.query.has("X-Amz-Security-Token") {
        return Err(S3Error::new(
            400,
            "InvalidToken",
            "There are no session tokens here",
        ));
    }
    match given {
        Some(text) if text.starts_with(ALGORITHM) => {
            if in_query {
                return Err(S3Error::invalid("The request is signed twice"));
            }
            in_header(request, text).map(Some)
        }
        Some(text) if text.starts_with("AWS ") => Err(S3Error::request(
            "Signature Version 2 is not supported; use AWS4-HMAC-SHA256",
        )),
        _ if in_query => presigned(request).map(Some),
        _ if request.query.has("AWSAccessKeyId") => Err(S3Error::request(
            "Signature Version 2 is not supported; use AWS4-HMAC-SHA256",
        )),
        _ => Ok(None),
    }
}

/// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
fn in_header(request: &S3Request, text: &str) -> Result<Claim> {
    let wrong = |message| S3Error::new(400, "AuthorizationHeaderMalformed", message);
    let rest = text.strip_prefix(ALGORITHM).unwrap_or_default();
    let field = |name: &str| {
        let mut fields = rest.split(',').map(str::trim);
        fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    };
    let (Some(credential), Some(signed), Some(signature)) =
        (field("Credential"), field("SignedHeaders"), field("Signature"))
    else {
        return Err(wrong("Credential, SignedHeaders and Signature are needed"));
    };
    let time = match (request.header("x-amz-date")?, request.header("date")?) {
        (Some(time), _) => time.to_owned(),
        (None, Some(date)) => from_http(date).unwrap_or_default(),
        (None, None) => return Err(S3Error::new(403, "AccessDenied", "x-amz-date is missing")),
    };
    let payload = request
        .header("x-amz-content-sha256")?
        .ok_or_else(|| S3Error::request("x-amz-content-sha256 is missing"))?;
    assemble((credential, signed, signature), time, payload, None, wrong)
}

fn presigned(request: &S3Request) -> Result<Claim> {
    let wrong = |message| S3Error::new(400, "AuthorizationQueryParametersError", message);
    let query = &request.query;
    if query.get("X-Amz-Algorithm") != Some(ALGORITHM) {
        return Err(wrong("X-Amz-Algorithm must be AWS4-HMAC-SHA256"));
    }
    let (Some(credential), Some(signed), Some(signature), Some(time)) = (
        query.get("X-Amz-Credential"),
        query.get("X-Amz-SignedHeaders"),
        query.get(IN_QUERY),
        query.get("X-Amz-Date"),
    ) else {
        return Err(wrong(
            "X-Amz-Credential, X-Amz-SignedHeaders, X-Amz-Signature and X-Amz-Date are needed",
        ));
    };
    let expires = query.get("X-Amz-Expires").and_then(|text| text.parse().ok());
    let expires = expires.filter(|seconds| (1..=EXPIRES).contains(seconds));
    let expires = expires.ok_or_else(|| wrong("X-Amz-Expires must be from 1 to 604800 seconds"))?;
    let of_header = request.header("x-amz-content-sha256")?;
    let payload = query
        .get("X-Amz-Content-Sha256")
        .or(of_header)
        .unwrap_or(UNSIGNED);
    assemble(
        (credential, signed, signature),
        time.to_owned(),
        payload,
        Some(expires),
        wrong,
    )
}

fn assemble(
    (credential, signed, signature): (&str, &str, &str),
    time: String,
    payload: &str,
    expires: Option<i64>,
    wrong: impl Fn(&'static str) -> S3Error,
) -> Result<Claim> {
    let parts: Vec<_> = credential.split('/').collect();
    let [key_id, date, region, "s3", "aws4_request"] = parts.as_slice() else {
        return Err(wrong("The credential is <key>/<date>/<region>/s3/aws4_request"));
    };
    let at = parse(&time).ok_or_else(|| wrong("The time is written as 20130524T000000Z"))?;
    if time.get(..8) != Some(*date) {
        return Err(wrong("The credential is of another day than the request"));
    }
    let signature = digest_of(signature).ok_or_else(|| wrong("The signature is no signature"))?;
    let signed: Vec<_> = signed.split(';').map(str::to_ascii_lowercase).collect();
    if !signed.is_sorted() || !signed.iter().any(|name| name == "host") {
        return Err(wrong("The signed headers are in order, and host is one of them"));
    }
    Ok(Claim {
        key_id: (*key_id).to_owned(),
        scope: Scope {
            date: (*date).to_owned(),
            region: (*region).to_owned(),
        },
        signed,
        signature,
        time,
        at,
        expires,
        payload: payload.to_owned(),
    })
}

fn in_time(claim: &Claim, now: Timestamp) -> Result<()> {
    let age = now.as_second() - claim.at.as_second();
    let too_early = age < -SKEW;
    match claim.expires {
        None if too_early || age > SKEW => Err(S3Error::new(
            403,
            "RequestTimeTooSkewed",
            "The clocks of caller and server are more than 15 minutes apart",
        )),
        Some(_) if too_early => Err(S3Error::new(403, "AccessDenied", "The request is not valid yet")),
        Some(expires) if age > expires => Err(S3Error::new(403, "AccessDenied", "The request has expired")),
        _ => Ok(()),
    }
}

/// What a header of S3's own asks for counts only if it was signed.
fn all_signed(request: &S3Request, claim: &Claim) -> Result<()> {
    let is_unsigned = |name: &str| name.starts_with("x-amz-") && !claim.signed.iter().any(|one| one == name);
    match request.headers.keys().find(|name| is_unsigned(name.as_str())) {
        Some(name) => Err(S3Error::new(
            403,
            "AccessDenied",
            format!("The header {name} is not signed"),
        )),
        None => Ok(()),
    }
}

/// The time that is written as `20130524T000000Z`.
fn parse(time: &str) -> Option<Timestamp> {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (day, rest) = time.split_once('T')?;
    let hour = rest.strip_suffix('Z')?;
    if day.len() != 8 || hour.len() != 6 || !digits(day) || !digits(hour) {
        return None;
    }
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &day[..4],
        &day[4..6],
        &day[6..],
        &hour[..2],
        &hour[2..4],
        &hour[4..]
    );
    text.parse().ok()
}

/// A date of HTTP, written so.
fn from_http(date: &str) -> Option<String> {
    let time = Timestamp::try_from(httpdate::parse_http_date(date).ok()?).ok()?;
    let text = time.to_string();
    let kept: String = text
        .split('.')
        .next()?
        .chars()
        .filter(|c| !matches!(c, '-' | ':' | 'Z'))
        .collect();
    Some(format!("{kept}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_one_way() {
        let time = parse("20130524T010203Z").unwrap();
        assert_eq!(time.to_string(), "2013-05-24T01:02:03Z");
        assert_eq!(
            from_http("Fri, 24 May 2013 01:02:03 GMT").as_deref(),
            Some("20130524T010203Z")
        );
        for wrong in [
            "",
            "20130524",
            "2013-05-24T01:02:03Z",
            "20130524T010203",
            "20131324T010203Z",
            "2013\u{e9}24T010203Z",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
