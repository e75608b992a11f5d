//! Where the frames of a WebSocket end (RFC 6455, 5.2), so that one of ours can be put between two of them.

use stoa_kernel::random;

/// "Going away": what a server closes with that stops.
const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();
/// Final frame of opcode 8, and its length.
const CLOSE: u8 = 0x88;
const LENGTH: u8 = 2;
const MASKED: u8 = 0x80;
/// Longest head of a frame.
const HEAD: usize = 14;

/// How far a stream of frames has come.
#[derive(Clone, Default)]
pub(super) struct Frames {
    head: [u8; HEAD],
    /// Bytes of the head that have come.
    known: usize,
    /// Bytes of the payload that are still to come.
    left: u64,
}

impl Frames {
    /// Whether the last frame has come to its end.
    pub(super) fn is_between(&self) -> bool {
        self.known == 0 && self.left == 0
    }

    /// Goes past these bytes.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let passed = self.pass_one(bytes);
            bytes = &bytes[passed..];
        }
    }

    /// How many of these bytes belong to the frame that has begun, or begins with them.
    pub(super) fn rest(&self, bytes: &[u8]) -> usize {
        self.clone().pass_one(bytes)
    }

    /// Goes past these bytes, up to the end of one frame; returns how many that are.
    fn pass_one(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while let Some(byte) = bytes.get(passed).filter(|_| self.left == 0) {
            self.head[self.known] = *byte;
            self.known += 1;
            passed += 1;
            if let Some(length) = self.length() {
                (self.known, self.left) = (0, length);
                if length == 0 {
                    return passed;
                }
            }
        }
        let here = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(bytes.len() - passed);
        self.left -= here as u64;
        passed + here
    }

    /// Length of the payload, once all of the head is known.
    fn length(&self) -> Option<u64> {
        let [_, second, extended @ ..] = self.head;
        if self.known < 2 {
            return None;
        }
        let (short, mask) = (second & !MASKED, if second & MASKED == 0 { 0 } else { 4 });
        let (size, length) = match short {
            126 => (2, u64::from(u16::from_be_bytes([extended[0], extended[1]]))),
            127 => {
                let [bytes @ .., _, _, _, _] = extended;
                (8, u64::from_be_bytes(bytes))
            }
            short => (0, u64::from(short)),
        };
        (self.known == 2 + size + mask).then_some(length)
    }
}

/// A server's frame that closes.
pub(super) fn close_of_server() -> Vec<u8> {
    [&[CLOSE, LENGTH][..], &GOING_AWAY].concat()
}

/// A client's frame that closes: masked.
pub(super) fn close_of_client() -> Vec<u8> {
    let mask = random::bytes::<4>();
    let reason = [GOING_AWAY[0] ^ mask[0], GOING_AWAY[1] ^ mask[1]];
    [&[CLOSE, LENGTH | MASKED][..], &mask, &reason].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { MASKED } else { 0 };
        let mut frame = vec![0x82];
        match length {
            0..126 => frame.push(length as u8 | mask),
            126..65536 => {
                frame.push(126 | mask);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(127 | mask);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0x7f, length + if masked { 4 } else { 0 }));
        frame
    }

    #[test]
    fn the_end_of_a_frame_is_found_however_its_bytes_come() {
        for masked in [false, true] {
            for length in [0, 1, 125, 126, 65535, 65536] {
                let (one, mut frames) = (frame(length, masked), Frames::default());
                let two = [one.clone(), frame(3, masked)].concat();
                assert_eq!(frames.rest(&two), one.len());
                for (place, byte) in one.iter().enumerate() {
                    assert_eq!(frames.is_between(), place == 0, "{length} at {place}");
                    frames.pass(&[*byte]);
                }
                assert!(frames.is_between());
                frames.pass(&two[..two.len() - 1]);
                assert!(!frames.is_between());
                assert_eq!(frames.rest(&[1, 2, 3]), 1);
            }
        }
    }
}
