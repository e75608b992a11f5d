//! Ready-made lines to standard output, by a thread of their own.
//!
//! Whoever writes a line copies it to the end of a buffer and goes on. The thread takes the buffer, leaving an empty one
//! in its place, and writes all of it at once. When lines come faster than they can be written, those that find the
//! buffer full are dropped and counted.

use std::{
    io::{self, Write},
    mem,
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use stoa_kernel::Clock;

/// Bytes that may wait.
const CAPACITY: usize = 4 << 20;
/// How long the thread waits for further lines before it writes the first, so that a busy server makes few writes.
const GATHER: Duration = Duration::from_millis(5);
/// How long the end of the process waits for the last lines, should nobody read them.
const LAST: Duration = Duration::from_secs(2);

/// The access log. Cheap to clone; what was written is flushed when the last clone is dropped.
#[derive(Clone)]
pub struct AccessLog(Arc<Owner>);

struct Owner(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Lines have come, or the end has.
    news: Condvar,
    /// The thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    stopping: bool,
    has_ended: bool,
}

impl AccessLog {
    /// Lines go to standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }

    /// Lines go to `out`.
    #[must_use]
    pub fn to(out: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            news: Condvar::new(),
            ended: Condvar::new(),
        });
        let theirs = shared.clone();
        let started = thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(&theirs, out));
        if let Err(error) = started {
            tracing::error!(%error, "no thread for the access log; requests are not logged");
            let mut state = shared.state.lock();
            (state.stopping, state.has_ended) = (true, true);
            drop(state);
        }
        Self(Arc::new(Owner(shared)))
    }

    /// Writes a line, which must end in a line feed. Never waits; if too many lines are waiting, it is dropped.
    pub fn write(&self, line: impl AsRef<[u8]>) {
        let line = line.as_ref();
        let shared = &self.0.0;
        let mut state = shared.state.lock();
        if state.stopping || state.lines.len() + line.len() > CAPACITY {
            state.dropped += 1;
            return;
        }
        let first = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        drop(state);
        if first {
            shared.news.notify_one();
        }
    }

    /// Writes what is left, waiting for it a short while at most. Later lines are dropped.
    pub fn stop(&self) {
        self.0.stop();
    }
}

impl Owner {
    fn stop(&self) {
        let mut state = self.0.state.lock();
        state.stopping = true;
        self.0.news.notify_one();
        if !state.has_ended {
            self.0
                .ended
                .wait_while_for(&mut state, |state| !state.has_ended, LAST);
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop();
    }
}

fn write_all(shared: &Shared, mut out: impl Write) {
    let mut batch = Vec::new();
    loop {
        let mut state = shared.state.lock();
        shared
            .news
            .wait_while(&mut state, |state| state.lines.is_empty() && !state.stopping);
        // Further lines do not wake this thread; the end does.
        shared
            .news
            .wait_while_for(&mut state, |state| !state.stopping, GATHER);
        mem::swap(&mut batch, &mut state.lines);
        let (dropped, stopping) = (mem::take(&mut state.dropped), state.stopping);
        drop(state);

        if dropped > 0 {
            add_notice(&mut batch, dropped);
        }
        // Where nobody reads any more there is nobody to tell.
        let _ = out.write_all(&batch).and_then(|()| out.flush());
        batch.clear();
        if stopping {
            break;
        }
    }
    shared.state.lock().has_ended = true;
    shared.ended.notify_all();
}

fn add_notice(batch: &mut Vec<u8>, dropped: u64) {
    let time = Clock::system().now();
    // Writing to a vector does not fail.
    let _ = writeln!(
        batch,
        r#"{{"time":"{time}","level":"WARN","target":"access","message":"access log dropped lines","dropped":{dropped}}}"#
    );
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Remembers what is written, but writes nothing while the gate is held.
    #[derive(Clone, Default)]
    struct Gated {
        gate: Arc<Mutex<()>>,
        text: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _open = self.gate.lock();
            self.text.lock().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Gated {
        fn text(&self) -> String {
            String::from_utf8(self.text.lock().clone()).unwrap()
        }
    }

    #[test]
    fn all_lines_of_all_threads_are_written_whole() {
        let out = Gated::default();
        let log = AccessLog::to(out.clone());
        thread::scope(|scope| {
            for thread in 0..4 {
                let log = log.clone();
                scope.spawn(move || (0..1000).for_each(|n| log.write(format!("{thread}:{n}\n"))));
            }
        });
        log.stop();
        let text = out.text();
        assert_eq!(text.lines().count(), 4000);
        for thread in 0..4 {
            let mine: Vec<_> = text
                .lines()
                .filter_map(|line| line.strip_prefix(&format!("{thread}:")))
                .collect();
            assert!(
                mine.iter().enumerate().all(|(n, line)| *line == n.to_string()),
                "in order: {mine:?}"
            );
        }
    }

    #[test]
    fn lines_come_out_while_the_server_runs() {
        let out = Gated::default();
        let log = AccessLog::to(out.clone());
        log.write("one\n");
        let start = Instant::now();
        while out.text().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(10), "nothing was written");
            thread::yield_now();
        }
    }

    #[test]
    fn dropping_the_last_clone_flushes() {
        let out = Gated::default();
        let log = AccessLog::to(out.clone());
        log.write("one\n");
        drop(log.clone());
        log.write("two\n");
        drop(log);
        assert_eq!(out.text(), "one\ntwo\n");
    }

    #[test]
    fn writers_never_wait_and_dropped_lines_are_told_of() {
        let out = Gated::default();
        let log = AccessLog::to(out.clone());
        let closed = out.gate.lock();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        let start = Instant::now();
        let sent = 3 * CAPACITY / line.len();
        for _ in 0..sent {
            log.write(&line);
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        drop(closed);
        log.stop();
        let text = out.text();
        let written = text.lines().filter(|line| line.starts_with('x')).count();
        let dropped: u64 = text
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| {
                let notice: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(
                    (&notice["level"], &notice["message"]),
                    (&"WARN".into(), &"access log dropped lines".into())
                );
                notice["dropped"].as_u64().unwrap()
            })
            .sum();
        assert!(dropped > 0);
        assert_eq!(written as u64 + dropped, sent as u64);
    }

    #[test]
    fn a_reader_who_never_reads_does_not_hold_up_the_end() {
        let out = Gated::default();
        let log = AccessLog::to(out.clone());
        let closed = out.gate.lock();
        log.write("one\n");
        let start = Instant::now();
        log.stop();
        assert!(start.elapsed() < LAST * 3);
        drop(closed);
    }
}
