//! RabbitMQ.

use std::ffi::OsString;

use tempfile::TempDir;

use crate::{
    folder,
    process::{Process, Spec, free_port, program},
};

/// A RabbitMQ node with an Erlang port mapper of its own.
#[derive(Debug)]
pub struct Rabbit {
    process: Process,
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
                "listeners.tcp.1 = 127.0.0.1:{port}\ndisk_free_limit.absolute = 50MB\nlog.console = true\nlog.console.level = warning\n"
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
        let environment: [(&str, OsString); 11] = [
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
        ];
        let server = program(&["/usr/lib/rabbitmq/bin/rabbitmq-server"], "rabbitmq-server");
        let process = Process::start(Spec {
            name: "rabbitmq-server",
            package: "rabbitmq-server",
            command: vec![server.into()],
            environment: environment.map(|(name, value)| (name.to_owned(), value)).into(),
            log: path.join("log"),
            port,
            stop_signal: "TERM",
            not_root: false,
        });
        Self {
            process,
            _epmd: epmd,
            _folder: folder,
        }
    }

    /// `amqp://guest:guest@127.0.0.1:port/%2f`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.process.port())
    }
}

crate::process::delegate!(Rabbit);
