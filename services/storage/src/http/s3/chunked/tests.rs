//! Bodies in chunks, as AWS publishes them and as they must not be.

use futures::stream;

use super::*;
use crate::http::s3::signature::{Scope, SigningKey};

/// The secret and the time of the examples in the S3 API Reference.
const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TIME: &str = "20130524T000000Z";
const TRAILER: &str = "x-amz-checksum-crc32c";

fn signer(seed: &str) -> ChunkSigner {
    let scope = Scope {
        date: TIME[..8].to_owned(),
        region: "us-east-1".to_owned(),
    };
    let key = SigningKey::new(SECRET, &scope);
    ChunkSigner::new(key, TIME.to_owned(), scope, digest_of(seed).unwrap())
}

/// What comes out of a body that arrives in pieces of this length.
async fn decode(
    payload: impl Fn() -> Payload,
    trailer: Option<&str>,
    body: &[u8],
    length: usize,
) -> Result<Vec<u8>> {
    let pieces: Vec<_> = body
        .chunks(length)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let announced = trailer.map(|name| (name.to_owned(), String::new()));
    let running = trailer.map(|name| Running::of(name).unwrap());
    let trailer = trailer.map(str::to_owned);
    let mut decoder = Decoder::new(
        stream::iter(pieces).boxed(),
        payload(),
        (announced, trailer),
        running,
    );
    let mut out = Vec::new();
    while let Some(piece) = decoder.next().await? {
        out.extend_from_slice(&piece);
    }
    assert!(decoder.next().await?.is_none(), "it stays at its end");
    Ok(out)
}

/// The published examples: 65 KiB in three chunks.
fn published(signatures: [&str; 3], end: &str) -> Vec<u8> {
    let [first, second, last] = signatures;
    [
        format!("10000;chunk-signature={first}\r\n").into_bytes(),
        vec![b'a'; 65536],
        format!("\r\n400;chunk-signature={second}\r\n").into_bytes(),
        vec![b'a'; 1024],
        format!("\r\n0;chunk-signature={last}\r\n{end}\r\n").into_bytes(),
    ]
    .concat()
}

fn without_trailer() -> Vec<u8> {
    published(
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ],
        "",
    )
}

fn with_trailer() -> Vec<u8> {
    published(
        [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ],
        "x-amz-checksum-crc32c:sOO8/Q==\r\n\
         x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
    )
}

fn signed() -> Payload {
    Payload::Chunked {
        signer: Some(signer(
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        )),
        has_trailer: false,
    }
}

fn signed_with_trailer() -> Payload {
    Payload::Chunked {
        signer: Some(signer(
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        )),
        has_trailer: true,
    }
}

fn unsigned() -> Payload {
    Payload::Chunked {
        signer: None,
        has_trailer: true,
    }
}

#[tokio::test]
async fn the_published_bodies_are_taken_however_they_arrive() {
    for length in [1, 7, 1024, 70_000] {
        let plain = decode(signed, None, &without_trailer(), length).await.unwrap();
        let checked = decode(signed_with_trailer, Some(TRAILER), &with_trailer(), length)
            .await
            .unwrap();
        assert!(plain == vec![b'a'; 66560] && checked == plain, "{length}");
    }
}

#[tokio::test]
async fn a_byte_that_was_changed_anywhere_is_found() {
    for (payload, trailer, body) in [
        (signed as fn() -> Payload, None, without_trailer()),
        (signed_with_trailer, Some(TRAILER), with_trailer()),
    ] {
        let end = body.len();
        let places = (0..90).chain([60_000, 65_620, 66_000]).chain(end - 220..end);
        // What is around a line says nothing.
        for at in places.filter(|at| !body[*at].is_ascii_whitespace()) {
            let mut changed = body.clone();
            changed[at] ^= 1;
            assert!(decode(payload, trailer, &changed, 70_000).await.is_err(), "{at}");
        }
        // A body may lack its last line.
        for missing in [3, 10, 200, 1500] {
            let cut = &body[..end - missing];
            assert!(decode(payload, trailer, cut, 70_000).await.is_err(), "{missing}");
        }
        let longer = [&body, &b"x"[..]].concat();
        assert!(decode(payload, trailer, &longer, 70_000).await.is_err());
    }
}

#[tokio::test]
async fn chunks_without_signatures_are_held_to_their_checksum() {
    const CRC32: &str = "x-amz-checksum-crc32";
    let good = "5\r\n12345\r\n4;x=y\r\n6789\r\n0\r\n";
    for end in [
        "x-amz-checksum-crc32:y/Q5Jg==\r\n\r\n",
        "x-amz-checksum-crc32:y/Q5Jg==\r\n",
        "X-Amz-Checksum-Crc32: y/Q5Jg== \r\n\r\n",
        "\r\nx-amz-checksum-crc32:y/Q5Jg==\n\r\n\r\n",
    ] {
        let body = format!("{good}{end}");
        let taken = decode(unsigned, Some(CRC32), body.as_bytes(), 3).await;
        assert_eq!(taken.unwrap(), b"123456789", "{end:?}");
    }
    for (end, code) in [
        ("x-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest"),
        ("x-amz-checksum-crc32:\r\n\r\n", "BadDigest"),
        ("\r\n", "MalformedTrailerError"),
        ("", "MalformedTrailerError"),
        ("x-amz-checksum-sha1:AAAA\r\n\r\n", "MalformedTrailerError"),
        ("nonsense\r\n\r\n", "MalformedTrailerError"),
    ] {
        let body = format!("{good}{end}");
        let refused = decode(unsigned, Some(CRC32), body.as_bytes(), 100)
            .await
            .unwrap_err();
        assert_eq!(refused.code, code, "{end:?}");
    }
    for body in [
        "",
        "5",
        "5\r\n123",
        "5\r\n12345x\r\n0\r\n\r\n",
        "-5\r\n",
        "+5\r\n12345\r\n0\r\n\r\n",
        "\r\n",
        "fffffffffffffffff\r\n",
    ] {
        assert!(
            decode(unsigned, None, body.as_bytes(), 100).await.is_err(),
            "{body:?}"
        );
    }
    let endless = "1".repeat(5000);
    assert!(decode(unsigned, None, endless.as_bytes(), 100).await.is_err());
}
