//! What is logged by all tests of this process, to be searched.

use std::{io::Write, sync::Once, time::Duration};

use parking_lot::Mutex;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static BEGUN: Once = Once::new();

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// From now on what is logged is kept.
pub(crate) fn keep() {
    BEGUN.call_once(|| {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(|| Lines)
            .init();
    });
}

/// Waits for a line that has all of these words.
pub(crate) async fn expect(words: &[&str]) {
    let has = || {
        let text = String::from_utf8_lossy(&LINES.lock()).into_owned();
        text.lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
    };
    for _ in 0..200 {
        if has() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "no line has {words:?}:\n{}",
        String::from_utf8_lossy(&LINES.lock())
    );
}
