//! Whether a JPEG is all there: decoders fill what is missing with grey.

const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// Whether the file goes on until its mark of the end. Follows the segments, for a picture within the picture has an end as well.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some((marker, after)) = next_marker(rest) {
        rest = match marker {
            END_OF_IMAGE => return true,
            // Those without a length.
            0x01 | 0xd0..=0xd7 => after,
            _ => {
                let Some((length, _)) = after.split_first_chunk::<2>() else {
                    return false;
                };
                let length = usize::from(u16::from_be_bytes(*length));
                let after = after.get(length..).unwrap_or_default();
                if marker == START_OF_SCAN {
                    scanned(after)
                } else {
                    after
                }
            }
        };
    }
    false
}

/// The next marker, and what follows it. Some writers leave bytes before it.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let at = bytes
        .windows(2)
        .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xff))?;
    Some((bytes[at + 1], &bytes[at + 2..]))
}

/// What follows a scan: the next marker that is none of those which stand within.
fn scanned(bytes: &[u8]) -> &[u8] {
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xff | 0xd0..=0xd7);
    let end = bytes.windows(2).position(ends).unwrap_or(bytes.len());
    &bytes[end..]
}
