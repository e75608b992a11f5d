//! Encryption of messages (RFC 8291), as one record of aes128gcm (RFC 8188).

use ring::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral},
    error::Unspecified,
    hkdf::{HKDF_SHA256, KeyType, Salt},
    rand::SystemRandom,
};
use stoa_kernel::random;
use stoa_providers::SendError;

use super::Subscription;

const SALT: usize = 16;
const POINT: usize = 65;
/// The salt, the size of records, and the length of our public key and the key itself stand before the record.
const HEAD: usize = SALT + 4 + 1 + POINT;
/// The longest message. Push services take 4096 bytes in all (RFC 8030, section 7.2), but Mozilla's brings those to Firefox for Android by FCM,
/// in base64 and with what it adds: of them it takes 3070.
pub(super) const LONGEST: usize = 2800;
/// To these lengths messages are filled up, so that their length tells little.
const LENGTHS: [usize; 5] = [256, 512, 1024, 2048, LONGEST];
/// Ends the message in the last record; zeros follow.
const END: u8 = 2;

/// Encrypts a message to a subscriber.
pub(super) fn encrypt(message: &[u8], to: &Subscription) -> Result<Vec<u8>, SendError> {
    let filled = LENGTHS.iter().find(|length| message.len() <= **length);
    let Some(filled) = filled else {
        let words = format!(
            "the message has {} bytes, and {LONGEST} are allowed",
            message.len()
        );
        return Err(SendError::Permanent(words));
    };
    let failed = |_| SendError::Permanent("the keys of the subscription cannot be used".to_owned());
    let ours = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).map_err(failed)?;
    let public = ours.compute_public_key().map_err(failed)?;
    let public: [u8; POINT] = public.as_ref().try_into().map_err(|_| failed(Unspecified))?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, to.key);
    let seal = |shared: &[u8]| {
        let exchange = Exchange {
            shared,
            ours: &public,
            theirs: &to.key,
            secret: &to.secret,
            salt: &random::bytes(),
        };
        exchange.seal(message, filled - message.len())
    };
    agree_ephemeral(ours, &theirs, seal).flatten().map_err(failed)
}

/// What both sides know, and what is made for this message.
struct Exchange<'a> {
    /// What the agreement gave.
    shared: &'a [u8],
    ours: &'a [u8; POINT],
    theirs: &'a [u8; POINT],
    /// The subscription's.
    secret: &'a [u8],
    salt: &'a [u8; SALT],
}

impl Exchange<'_> {
    fn seal(&self, message: &[u8], padding: usize) -> Result<Vec<u8>, Unspecified> {
        let keyed = expand::<32>(
            self.secret,
            self.shared,
            &[b"WebPush: info\0", self.theirs, self.ours],
        )?;
        let key = expand::<16>(self.salt, &keyed, &[b"Content-Encoding: aes128gcm\0"])?;
        let nonce = expand::<12>(self.salt, &keyed, &[b"Content-Encoding: nonce\0"])?;

        let mut record = [message, &[END]].concat();
        record.resize(record.len() + padding, 0);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
        // The only record: its number, 0, changes nothing of the nonce.
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record)?;

        let mut body = Vec::with_capacity(HEAD + record.len());
        body.extend_from_slice(self.salt);
        body.extend_from_slice(&4096_u32.to_be_bytes());
        body.push(65);
        body.extend_from_slice(self.ours);
        body.append(&mut record);
        Ok(body)
    }
}

/// HKDF with SHA-256.
fn expand<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> Result<[u8; N], Unspecified> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = [0; N];
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Length(N))?
        .fill(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    /// Bytes that authenticate a record.
    const TAG: usize = 16;

    fn decode(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// The example of RFC 8291, appendix A.
    #[test]
    fn the_example_of_the_standard_comes_out() {
        let point = |text: &str| -> [u8; POINT] { decode(text).try_into().unwrap() };
        let exchange = Exchange {
            shared: &decode("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs"),
            ours: &point(
                "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
            ),
            theirs: &point(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            secret: &decode("BTBZMqHH6r4Tts7J_aSIgg"),
            salt: &decode("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap(),
        };
        let body = exchange
            .seal(b"When I grow up, I want to be a watermelon", 0)
            .unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(body), expected);
    }

    fn subscription() -> Subscription {
        let public =
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        let text = serde_json::json!({ "endpoint": "https://push.example/1", "p256dh": public, "auth": "BTBZMqHH6r4Tts7J_aSIgg" });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn messages_have_one_of_few_lengths_and_none_is_too_long() {
        let to = subscription();
        for (message, body) in [
            (0, 256),
            (1, 256),
            (256, 256),
            (257, 512),
            (2049, LONGEST),
            (LONGEST, LONGEST),
        ] {
            let encrypted = encrypt(&vec![b'a'; message], &to).unwrap();
            assert_eq!(encrypted.len(), HEAD + body + 1 + TAG, "{message}");
        }
        assert!(encrypt(&vec![b'a'; LONGEST], &to).unwrap().len() <= 3070);
        assert!(matches!(
            encrypt(&vec![b'a'; LONGEST + 1], &to),
            Err(SendError::Permanent(_))
        ));
        assert_ne!(encrypt(b"a", &to).unwrap(), encrypt(b"a", &to).unwrap());
    }

    #[test]
    fn a_key_that_is_no_point_is_refused() {
        let mut to = subscription();
        to.key[64] ^= 1;
        assert!(matches!(encrypt(b"a", &to), Err(SendError::Permanent(_))));
    }
}
