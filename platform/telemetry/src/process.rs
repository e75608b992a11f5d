//! What Linux tells of this process, under the names that Prometheus' own clients use.

use std::{fmt::Write, fs};

/// Linux counts processor time in hundredths of a second towards programs, on every machine.
const TICKS: f64 = 100.0;

/// Appends to `text` what can be read; what cannot is left out.
pub(crate) fn render(text: &mut String) {
    for (name, kind, help, value) in [
        (
            "process_resident_memory_bytes",
            "gauge",
            "Memory held, in bytes.",
            status_kib("VmRSS").map(|kib| kib * 1024.0),
        ),
        (
            "process_virtual_memory_bytes",
            "gauge",
            "Memory reserved, in bytes.",
            status_kib("VmSize").map(|kib| kib * 1024.0),
        ),
        ("process_threads", "gauge", "Threads.", status_kib("Threads")),
        (
            "process_cpu_seconds_total",
            "counter",
            "Processor time used, in seconds.",
            cpu_seconds(),
        ),
        (
            "process_open_fds",
            "gauge",
            "Files and sockets open.",
            open_files(),
        ),
        (
            "process_max_fds",
            "gauge",
            "Files and sockets that may be open.",
            max_files(),
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "When the process started, in seconds since 1970.",
            started(),
        ),
    ] {
        if let Some(value) = value {
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n"
            );
        }
    }
}

/// A number of /proc/self/status; sizes are in KiB there.
fn status_kib(name: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The fields of /proc/self/stat after the program's name, which may itself contain blanks. The first is the third.
fn stat(field: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(field.checked_sub(3)?)?
        .parse()
        .ok()
}

fn cpu_seconds() -> Option<f64> {
    Some((stat(14)? + stat(15)?) / TICKS)
}

fn started() -> Option<f64> {
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 = machine
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .parse()
        .ok()?;
    Some(booted + stat(22)? / TICKS)
}

#[expect(clippy::cast_precision_loss, reason = "a process has no 2^52 files open")]
fn open_files() -> Option<f64> {
    // One of them is the folder being read.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

fn max_files() -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a process has no 2^52 files open")]
    max_open_files().map(|files| files as f64)
}

/// How many files this process may have open at once; none if there is no limit, or none that can be found.
#[must_use]
pub fn max_open_files() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, name: &str) -> f64 {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
            .parse()
            .unwrap()
    }

    #[test]
    fn the_process_is_told_of() {
        let files: Vec<_> = (0..20)
            .map(|_| fs::File::open("/proc/self/stat").unwrap())
            .collect();
        let mut text = String::new();
        render(&mut text);
        assert!(value(&text, "process_resident_memory_bytes") > 1e6);
        assert!(
            value(&text, "process_virtual_memory_bytes") >= value(&text, "process_resident_memory_bytes")
        );
        assert!(value(&text, "process_threads") >= 1.0);
        assert!(value(&text, "process_cpu_seconds_total") >= 0.0);
        assert!(value(&text, "process_open_fds") >= files.len() as f64);
        assert!(value(&text, "process_max_fds") > 20.0);
        let now = stoa_kernel::Clock::system().now().as_second() as f64;
        let age = now - value(&text, "process_start_time_seconds");
        assert!((-2.0..3600.0).contains(&age), "started {age} s ago");
    }
}
