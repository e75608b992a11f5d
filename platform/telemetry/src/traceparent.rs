//! W3C trace context: `00-<trace id>-<span id>-<flags>`.

use std::{fmt, str::FromStr};

use stoa_kernel::random;

const SAMPLED: u8 = 1;

/// Which trace something belongs to, and which span of it caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

/// The text is no `traceparent`; whoever got it begins a trace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent")]
pub struct TraceParentError;

impl TraceParent {
    /// The beginning of a trace.
    #[must_use]
    pub fn generate(sampled: bool) -> Self {
        // A random id is all zeros, which the standard forbids, once in 2^64 at most.
        Self {
            trace_id: random::bytes(),
            span_id: random::bytes(),
            flags: u8::from(sampled) * SAMPLED,
        }
    }

    /// The same trace with a span of its own, to be passed on.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: random::bytes(),
            ..*self
        }
    }

    /// The trace.
    #[must_use]
    pub const fn trace_id(&self) -> &[u8; 16] {
        &self.trace_id
    }

    /// The span that is the parent of what comes next.
    #[must_use]
    pub const fn span_id(&self) -> &[u8; 8] {
        &self.span_id
    }

    /// Whether the trace's beginner recorded it.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    /// Reads version 00, and of later versions what 00 knows, as the standard says.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (known, rest) = text.split_at_checked(55).ok_or(TraceParentError)?;
        let mut parts = known.split('-');
        let [Some(version), Some(trace), Some(span), Some(flags), None] =
            std::array::from_fn(|_| parts.next())
        else {
            return Err(TraceParentError);
        };
        let [version] = lower_hex(version)?;
        let parent = Self {
            trace_id: lower_hex(trace)?,
            span_id: lower_hex(span)?,
            flags: lower_hex::<1>(flags)?[0],
        };
        let longer = version > 0 && rest.starts_with('-');
        if version == 0xff
            || parent.trace_id == [0; 16]
            || parent.span_id == [0; 8]
            || !(rest.is_empty() || longer)
        {
            return Err(TraceParentError);
        }
        Ok(Self {
            flags: parent.flags & SAMPLED,
            ..parent
        })
    }
}

/// `N` bytes from their hexadecimal digits, which must be small ones.
fn lower_hex<const N: usize>(text: &str) -> Result<[u8; N], TraceParentError> {
    let mut bytes = [0; N];
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(TraceParentError);
    }
    hex::decode_to_slice(text, &mut bytes).map_err(|_| TraceParentError)?;
    Ok(bytes)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Made for every request: digits in place are several times quicker than formatted numbers.
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let digits = [
            (3..35, &self.trace_id[..]),
            (36..52, &self.span_id[..]),
            (53..55, &[self.flags][..]),
        ];
        for (place, bytes) in digits {
            hex::encode_to_slice(bytes, &mut text[place]).map_err(|_| fmt::Error)?;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_the_same() {
        let parent: TraceParent = TEXT.parse().unwrap();
        assert!(parent.is_sampled());
        assert_eq!(parent.to_string(), TEXT);
    }

    #[test]
    fn a_child_belongs_to_the_trace() {
        let parent = TraceParent::generate(true);
        let child = parent.child();
        assert_eq!(child.trace_id(), parent.trace_id());
        assert_ne!(child.span_id(), parent.span_id());
        assert_eq!(child.to_string().parse::<TraceParent>(), Ok(child));
        assert!(!TraceParent::generate(false).is_sampled());
    }

    #[test]
    fn later_versions_are_read_as_far_as_known() {
        let later = TEXT.replacen("00", "cc", 1);
        assert_eq!(later.parse::<TraceParent>().unwrap().to_string(), TEXT);
        assert_eq!(
            format!("{later}-more")
                .parse::<TraceParent>()
                .unwrap()
                .to_string(),
            TEXT
        );
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        for text in [
            "",
            "00",
            &TEXT[..54],
            &format!("{TEXT}-more"),
            &format!("{TEXT} "),
            &TEXT.to_uppercase(),
            &TEXT.replacen("00", "ff", 1),
            &TEXT.replacen('-', "_", 1),
            &TEXT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &TEXT.replace("b7ad6b7169203331", &"0".repeat(16)),
            &TEXT.replace("0af7", "0ag7"),
            &TEXT.replace("0af7", "+af7"),
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "ü0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(TraceParentError), "{text}");
        }
    }
}
