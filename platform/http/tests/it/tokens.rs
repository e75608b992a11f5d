//! Access tokens: which are good.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use stoa_http::{Claims, FORMER_ISSUER, MembershipClaim, Refused, TokenSigner, Verifier, VerifyingKey};
use stoa_kernel::{Clock, Id, OrganizationId, OrganizationRole, PrincipalKind};

const SEED: [u8; 32] = [7; 32];

struct Fixture {
    clock: Clock,
    signer: TokenSigner,
    verifier: Verifier,
}

fn fixture() -> Fixture {
    let clock = Clock::adjustable();
    let signer = TokenSigner::new("k1", &SEED);
    let verifier = Verifier::new("https://stoa.example", clock.clone());
    verifier.set_keys(vec![signer.verifying_key()]);
    Fixture {
        clock,
        signer,
        verifier,
    }
}

impl Fixture {
    fn claims(&self) -> Claims {
        let now = self.clock.now().as_second();
        Claims {
            iss: "https://stoa.example".to_owned(),
            aud: Some("https://stoa.example".to_owned()),
            sub: Id::new(&self.clock),
            sid: Id::new(&self.clock),
            iat: now,
            exp: now + 3600,
            ver: 3,
            roles: vec!["support".to_owned()],
            role_vers: Vec::new(),
            perms: vec!["users.read".to_owned()],
            orgs: Vec::new(),
            more_orgs: false,
            csrf: None,
        }
    }

    fn refused(&self, token: &str) -> Refused {
        self.verifier.verify(token).unwrap_err()
    }
}

/// A token made of any header and claims, signed with any key, without our own signer's help.
fn forge(header: &Value, claims: &Value, seed: &[u8; 32]) -> String {
    use ed25519_dalek::Signer;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = ed25519_dalek::SigningKey::from_bytes(seed).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

#[test]
fn a_good_token_names_its_principal() {
    let fixture = fixture();
    let claims = fixture.claims();
    let token = fixture.signer.sign(&claims);
    for _ in 0..2 {
        let principal = fixture.verifier.verify(&token).unwrap();
        assert_eq!(
            (principal.user_id, principal.session_id),
            (claims.sub, Some(claims.sid))
        );
        assert_eq!(
            (principal.kind, &principal.roles),
            (PrincipalKind::User, &claims.roles)
        );
        assert!(principal.permissions.permits("users.read"));
        assert!(!principal.permissions.permits("users.write"));
    }
}

#[test]
fn other_implementations_read_our_tokens_and_we_read_theirs() {
    use ed25519_dalek::pkcs8::EncodePrivateKey;
    let fixture = fixture();
    let claims = fixture.claims();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&["https://stoa.example"]);
    validation.set_audience(&["https://stoa.example"]);
    let public = DecodingKey::from_ed_der(&fixture.signer.verifying_key().public);
    let read = jsonwebtoken::decode::<Claims>(fixture.signer.sign(&claims), &public, &validation).unwrap();
    assert_eq!(
        (read.claims, read.header.kid.as_deref()),
        (claims.clone(), Some("k1"))
    );

    let der = ed25519_dalek::SigningKey::from_bytes(&SEED)
        .to_pkcs8_der()
        .unwrap();
    let header = Header {
        kid: Some("k1".to_owned()),
        ..Header::new(Algorithm::EdDSA)
    };
    let theirs = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(der.as_bytes())).unwrap();
    assert_eq!(fixture.verifier.verify(&theirs).unwrap().user_id, claims.sub);
}

#[test]
fn a_token_ends_on_time_also_when_it_is_cached() {
    let fixture = fixture();
    let token = fixture.signer.sign(&fixture.claims());
    assert!(fixture.verifier.verify(&token).is_ok());
    fixture.clock.advance(Duration::from_secs(3590));
    assert!(fixture.verifier.verify(&token).is_ok());
    fixture.clock.advance(Duration::from_secs(10));
    assert_eq!(fixture.refused(&token), Refused::Expired);
    assert_eq!(fixture.refused(&token), Refused::Expired);
}

#[test]
fn a_revoked_session_ends_at_once_and_no_other() {
    let fixture = fixture();
    let (ours, theirs) = (fixture.claims(), fixture.claims());
    let (token, other) = (fixture.signer.sign(&ours), fixture.signer.sign(&theirs));
    assert!(fixture.verifier.verify(&token).is_ok());
    fixture
        .verifier
        .clone()
        .revoke_session(ours.sid, fixture.clock.after(Duration::from_secs(3600)));
    assert_eq!(fixture.refused(&token), Refused::Revoked);
    assert!(fixture.verifier.verify(&other).is_ok());
}

#[test]
fn a_changed_account_needs_a_new_token() {
    let fixture = fixture();
    let claims = fixture.claims();
    let token = fixture.signer.sign(&claims);
    assert!(fixture.verifier.verify(&token).is_ok());
    let until = fixture.clock.after(Duration::from_secs(3600));
    fixture.verifier.raise_version(claims.sub, 3, until);
    assert!(fixture.verifier.verify(&token).is_ok());
    fixture.verifier.raise_version(claims.sub, 4, until);
    assert_eq!(fixture.refused(&token), Refused::Stale);
    let newer = fixture.signer.sign(&Claims { ver: 4, ..claims });
    assert!(fixture.verifier.verify(&newer).is_ok());
}

#[test]
fn a_changed_role_needs_a_new_token_of_those_who_have_it_alone() {
    let fixture = fixture();
    let until = fixture.clock.after(Duration::from_secs(3600));
    let of = |roles: &[&str], versions: &[i64]| {
        fixture.signer.sign(&Claims {
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            role_vers: versions.to_vec(),
            ..fixture.claims()
        })
    };
    let (holder, other) = (of(&["support", "user"], &[3, 1]), of(&["user"], &[1]));
    fixture.verifier.raise_role("support", 3, until);
    assert!(fixture.verifier.verify(&holder).is_ok());
    fixture.verifier.raise_role("support", 4, until);
    assert_eq!(fixture.refused(&holder), Refused::Stale);
    assert!(fixture.verifier.verify(&other).is_ok());
    assert!(fixture.verifier.verify(&of(&["support"], &[4])).is_ok());
    assert_eq!(fixture.refused(&of(&["support"], &[])), Refused::Stale);
}

#[test]
fn a_deleted_organization_needs_a_new_token_of_its_members_alone() {
    let fixture = fixture();
    let until = fixture.clock.after(Duration::from_secs(3600));
    let [ours, theirs]: [OrganizationId; 2] = [(); 2].map(|()| Id::new(&fixture.clock));
    let of = |organization, version| {
        fixture.signer.sign(&Claims {
            orgs: vec![MembershipClaim(organization, OrganizationRole::Admin, version)],
            ..fixture.claims()
        })
    };
    let (member, other) = (of(ours, 1), of(theirs, 1));
    let principal = fixture.verifier.verify(&member).unwrap();
    assert_eq!(principal.memberships.role_in(ours), Some(OrganizationRole::Admin));
    assert_eq!(principal.memberships.role_in(theirs), None);
    fixture.verifier.raise_organization(ours, 2, until);
    assert_eq!(fixture.refused(&member), Refused::Stale);
    assert!(fixture.verifier.verify(&other).is_ok());
    assert!(fixture.verifier.verify(&of(ours, 2)).is_ok());
}

#[test]
fn tokens_of_a_key_that_is_gone_are_refused_also_when_they_are_cached() {
    let fixture = fixture();
    let token = fixture.signer.sign(&fixture.claims());
    assert!(fixture.verifier.verify(&token).is_ok());
    let next = TokenSigner::new("k2", &[8; 32]);
    fixture
        .verifier
        .set_keys(vec![fixture.signer.verifying_key(), next.verifying_key()]);
    assert!(fixture.verifier.verify(&token).is_ok());
    assert!(fixture.verifier.verify(&next.sign(&fixture.claims())).is_ok());
    fixture.verifier.set_keys(vec![next.verifying_key()]);
    assert_eq!(fixture.refused(&token), Refused::BadSignature);
}

#[test]
fn forged_tokens_are_refused() {
    let fixture = fixture();
    let claims = serde_json::to_value(fixture.claims()).unwrap();
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        changed
    };
    let without = |name: &str| {
        let mut changed = claims.clone();
        changed.as_object_mut().unwrap().remove(name);
        changed
    };
    let good = json!({"alg": "EdDSA", "kid": "k1", "typ": "JWT"});
    assert!(
        fixture.verifier.verify(&forge(&good, &claims, &SEED)).is_ok(),
        "the forger itself works"
    );

    use Refused::{BadSignature, Malformed};
    let cases = [
        ("another key", forge(&good, &claims, &[9; 32]), BadSignature),
        (
            "unknown kid",
            forge(&json!({"alg": "EdDSA", "kid": "k9"}), &claims, &SEED),
            BadSignature,
        ),
        (
            "no kid",
            forge(&json!({"alg": "EdDSA"}), &claims, &SEED),
            BadSignature,
        ),
        (
            "alg none",
            forge(&json!({"alg": "none", "kid": "k1"}), &claims, &SEED),
            Malformed,
        ),
        (
            "another alg",
            forge(&json!({"alg": "HS256", "kid": "k1"}), &claims, &SEED),
            Malformed,
        ),
        (
            "alg in other letters",
            forge(&json!({"alg": "eddsa", "kid": "k1"}), &claims, &SEED),
            Malformed,
        ),
        ("no alg", forge(&json!({"kid": "k1"}), &claims, &SEED), Malformed),
        (
            "crit",
            forge(
                &json!({"alg": "EdDSA", "kid": "k1", "crit": ["x"]}),
                &claims,
                &SEED,
            ),
            Malformed,
        ),
        (
            "another issuer",
            forge(&good, &with("iss", json!("https://evil.example")), &SEED),
            Malformed,
        ),
        (
            "another audience",
            forge(&good, &with("aud", json!("https://other.example")), &SEED),
            Malformed,
        ),
        ("no audience", forge(&good, &without("aud"), &SEED), Malformed),
        ("no expiry", forge(&good, &without("exp"), &SEED), Malformed),
        (
            "expiry in words",
            forge(&good, &with("exp", json!("never")), &SEED),
            Malformed,
        ),
        ("no session", forge(&good, &without("sid"), &SEED), Malformed),
        (
            "over since long",
            forge(&good, &with("exp", json!(1)), &SEED),
            Refused::Expired,
        ),
    ];
    for (what, token, why) in cases {
        assert_eq!(fixture.refused(&token), why, "{what}");
    }
}

#[test]
fn tokens_that_were_tampered_with_are_refused() {
    let fixture = fixture();
    let token = fixture.signer.sign(&fixture.claims());
    assert!(fixture.verifier.verify(&token).is_ok());
    let parts: Vec<_> = token.split('.').collect();
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    let without = format!("{}.{}", parts[0], parts[1]);
    for wrong in [
        "",
        ".",
        "..",
        "...",
        "x.y.z",
        &unsigned,
        &without,
        &format!("{token}."),
        &format!(" {token}"),
        &format!("{token}="),
    ] {
        assert!(fixture.verifier.verify(wrong).is_err(), "{wrong}");
    }
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(fixture.verifier.verify(&changed).is_err(), "letter {at}");
    }
}

#[test]
fn keys_that_are_not_sound_are_left_out() {
    let fixture = fixture();
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = VerifyingKey {
        kid: "weak".to_owned(),
        public: identity,
    };
    fixture
        .verifier
        .set_keys(vec![weak, fixture.signer.verifying_key()]);
    assert!(
        fixture
            .verifier
            .verify(&fixture.signer.sign(&fixture.claims()))
            .is_ok()
    );
    // With that point as the key, a signature of zeros would fit any message under lax rules.
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","kid":"weak"}"#);
    let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&fixture.claims()).unwrap());
    let mut zeros = [0; 64];
    zeros[0] = 1;
    let forged = format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(zeros));
    assert_eq!(fixture.refused(&forged), Refused::BadSignature);
}

#[test]
fn tokens_of_before_issuers_had_addresses_are_accepted_while_they_are_named() {
    let fixture = fixture();
    let token = fixture.signer.sign(&Claims {
        iss: FORMER_ISSUER.to_owned(),
        aud: None,
        ..fixture.claims()
    });
    assert_eq!(fixture.refused(&token), Refused::Malformed);
    let names = ["https://stoa.example", FORMER_ISSUER].map(str::to_owned);
    fixture.verifier.set_issuers(&names);
    assert!(fixture.verifier.verify(&token).is_ok());
    fixture.verifier.set_issuers(&names[..1]);
    assert_eq!(
        fixture.refused(&token),
        Refused::Malformed,
        "also one that was seen before"
    );
}
