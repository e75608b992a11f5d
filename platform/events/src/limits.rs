//! How long the parts of an event or job may be. A key stands in an index, and an index takes 2,704 bytes at most on PostgreSQL; a
//! name is a routing key of a broker, which takes 255.

use stoa_db::Error;

/// Bytes of a key.
const KEY: usize = 512;
/// Bytes of a name, of a source and of a `traceparent`, which has 55 today.
const NAME: usize = 128;

/// The parts that are bounded.
pub(crate) struct Parts<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) source: &'a str,
    pub(crate) traceparent: Option<&'a str>,
}

impl Parts<'_> {
    /// Says which is too long.
    pub(crate) fn check(&self) -> Result<(), String> {
        let parts = [
            ("name", Some(self.name), NAME),
            ("key", self.key, KEY),
            ("source", Some(self.source), NAME),
            ("traceparent", self.traceparent, NAME),
        ];
        for (what, text, most) in parts {
            let length = text.map_or(0, str::len);
            if length > most {
                return Err(format!("its {what} has {length} bytes, and {most} are the most"));
            }
        }
        Ok(())
    }

    /// As [`check`](Self::check), for what is about to be written.
    pub(crate) fn check_new(&self) -> Result<(), Error> {
        let name: String = self.name.chars().take(NAME).collect();
        self.check()
            .map_err(|reason| Error::Data(format!("{name}: {reason}")))
    }
}
