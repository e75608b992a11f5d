//! The table: a figure a row, with its bound and whether it was met.

use std::{fmt::Write, fs, path::Path};

#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

struct Row {
    what: String,
    figure: String,
    beside: String,
    bound: String,
    met: Option<bool>,
}

impl Report {
    /// A figure with a bound that it meets or misses.
    pub(crate) fn bounded(&mut self, what: &str, figure: String, beside: String, bound: &str, met: bool) {
        self.add(Row {
            what: what.to_owned(),
            figure,
            beside,
            bound: bound.to_owned(),
            met: Some(met),
        });
    }

    /// A figure for comparison alone.
    pub(crate) fn plain(&mut self, what: &str, figure: String, beside: &str) {
        self.add(Row {
            what: what.to_owned(),
            figure,
            beside: beside.to_owned(),
            bound: String::new(),
            met: None,
        });
    }

    #[expect(clippy::print_stderr, reason = "progress, for whoever waits")]
    fn add(&mut self, row: Row) {
        eprintln!("{}: {} {}", row.what, row.figure, row.beside);
        self.0.push(row);
    }

    /// Prints the table and, with a path, writes it with the machine and the date.
    #[expect(clippy::print_stdout, reason = "the result")]
    pub(crate) fn finish(self, path: Option<&Path>) -> Result<(), crate::Error> {
        let mut table = String::from("| what | measured | beside | bound | |\n|---|---|---|---|---|\n");
        for row in &self.0 {
            let met = row.met.map_or("", |met| if met { "met" } else { "**missed**" });
            writeln!(
                table,
                "| {} | {} | {} | {} | {met} |",
                row.what, row.figure, row.beside, row.bound
            )?;
        }
        println!("{table}");
        let Some(path) = path else { return Ok(()) };
        let text = format!(
            "# Benchmarks\n\nWritten by `make bench`; all of it measured in one run, client and server on the same machine.\n\n\
             {}\n\n{table}\nRequests by wrk: 2 threads. What is compared is measured in turn, in five rounds; rates are medians, and so are \
             the ratios within each round. The bare handler is axum serialising the same JSON, and nothing else. `users/me` runs with \
             everything on: token, three rate limits (evaluated, too high to refuse), metrics, security headers, access log. Before \
             another process the gateway does all of that too, while nginx and HAProxy, set up as under `bench/peers`, forward, \
             add the same headers of a proxy and write an access log; all three stand before the bare handler. NestJS does what \
             `bench/peers/nestjs/README.md` says. Writes to SQLite are fsynced before they are acknowledged; PostgreSQL runs without \
             fsync. Messages are published by one WebSocket client and counted by those that follow its channel, all in one client process; \
             socket.io and ws do the same in one Node process each. Files go by one connection over HTTP/1.1. The sources are under `bench/`.\n",
            machine()
        );
        fs::write(path, text)?;
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the date of the measurement")]
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("?", |rest| rest.trim_start_matches(['\t', ' ', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{model}, {cores} cores, Linux {}, {}",
        kernel.trim(),
        jiff::Timestamp::now().strftime("%Y-%m-%d")
    )
}
