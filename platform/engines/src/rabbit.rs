//! RabbitMQ.

use std::{ffi::OsString, process::Command, time::Duration};

use tempfile::TempDir;

use crate::{
    folder,
    process::{Process, Spec, free_port, program, run},
};

/// A RabbitMQ node with an Erlang port mapper of its own.
#[derive(Debug)]
pub struct Rabbit {
    process: Process,
    environment: Vec<(String, OsString)>,
    /// Of ours, for one that the node starts outlives it.
    _epmd: Process,
    _folder: TempDir,
}

impl Rabbit {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let (folder, port, epmd_port) = (folder::temporary("rabbitmq"), free_port(), free_port());
        let path = folder.path();
        folder::write(path, "enabled_plugins", "[].\n");
        folder::write(
            path,
            "rabbitmq.conf",
            &format!(
                "listeners.tcp.1 = 127.0.0.1:{port}\ndisk_free_limit.absolute = 50MB\nmax_message_size = 2097152\nlog.console = true\nlog.console.level = warning\n"
            ),
        );
        let text = |value: String| OsString::from(value);
        let epmd = Process::start(Spec {
            name: "epmd",
            package: "erlang-base",
            command: ["epmd", "-address", "127.0.0.1", "-port", &epmd_port.to_string()]
                .map(OsString::from)
                .into(),
            environment: vec![],
            log: path.join("epmd.log"),
            port: epmd_port,
            stop_signal: "TERM",
            not_root: false,
        });
        let environment: Vec<_> = [
            ("HOME", path.into()),
            ("RABBITMQ_NODENAME", text(format!("stoa{port}@localhost"))),
            ("RABBITMQ_DIST_PORT", text(free_port().to_string())),
            ("RABBITMQ_MNESIA_BASE", path.join("mnesia").into()),
            ("RABBITMQ_LOG_BASE", path.join("logs").into()),
            ("RABBITMQ_CONFIG_FILE", path.join("rabbitmq.conf").into()),
            (
                "RABBITMQ_ENABLED_PLUGINS_FILE",
                path.join("enabled_plugins").into(),
            ),
            // One scheduler that does not spin: the machine has others to serve.
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                text(
                    "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
                        .to_owned(),
                ),
            ),
            // Makes the start script become the node instead of watching over it, so that a kill hits the node.
            ("RUNNING_UNDER_SYSTEMD", "true".into()),
            ("ERL_EPMD_PORT", text(epmd_port.to_string())),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
        ]
        .map(|(name, value): (&str, OsString)| (name.to_owned(), value))
        .into();
        let server = program(&["/usr/lib/rabbitmq/bin/rabbitmq-server"], "rabbitmq-server");
        let process = Process::start(Spec {
            name: "rabbitmq-server",
            package: "rabbitmq-server",
            command: vec![server.into()],
            environment: environment.clone(),
            log: path.join("log"),
            port,
            stop_signal: "TERM",
            not_root: false,
        });
        Self {
            process,
            environment,
            _epmd: epmd,
            _folder: folder,
        }
    }

    /// `amqp://guest:guest@127.0.0.1:port/%2f`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.process.port())
    }

    /// Closes every client's connection in order, so many times, with a pause after each.
    ///
    /// # Panics
    /// When the node does not do it.
    pub fn close_connections(&self, times: u32, pause: Duration) {
        let close = "rabbit_networking:close_connection(Connection, \"closed by an operator\")";
        let all = format!("[{close} || Connection <- rabbit_networking:connections()]");
        let pause = pause.as_millis();
        let expression =
            format!("[begin {all}, timer:sleep({pause}) end || _ <- lists:seq(1, {times})], ok.");
        let control = program(&["/usr/lib/rabbitmq/bin/rabbitmqctl"], "rabbitmqctl");
        run(Command::new(control)
            .args(["--quiet", "--timeout", "60", "eval", &expression])
            .envs(self.environment.iter().map(|(name, value)| (name, value))));
    }
}

crate::process::delegate!(Rabbit);
