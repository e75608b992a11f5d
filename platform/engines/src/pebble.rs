//! Pebble, an ACME authority for tests, with a resolver to which every name is 127.0.0.1.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::{
    folder,
    process::{Process, Spec, free_port, program},
};

/// Where Pebble looks for whoever claims a name, and how long its certificates are good.
#[derive(Clone, Copy, Debug)]
pub struct PebbleOptions {
    /// Port that it asks by TLS-ALPN-01.
    pub tls_port: u16,
    /// Port that it asks by HTTP-01.
    pub http_port: u16,
    /// Seconds that its certificates are good.
    pub validity: u64,
}

/// An ACME authority. It forgets everything when it stops.
#[derive(Debug)]
pub struct Pebble {
    process: Process,
    /// Stopped after the authority.
    _names: Process,
    management: u16,
    folder: TempDir,
}

impl Pebble {
    /// Starts one, and its resolver.
    ///
    /// # Panics
    /// When one of them does not start.
    #[must_use]
    pub fn start(options: PebbleOptions) -> Self {
        let folder = folder::temporary("pebble");
        let (names, resolver) = names(&folder);
        let (port, management) = (free_port(), free_port());
        folder::certificate(&folder);
        let file = |name: &str| folder.path().join(name).display().to_string();
        let PebbleOptions {
            tls_port,
            http_port,
            validity,
        } = options;
        let config = format!(
            r#"{{"pebble": {{"listenAddress": "127.0.0.1:{port}", "managementListenAddress": "127.0.0.1:{management}",
            "certificate": "{certificate}", "privateKey": "{key}", "httpPort": {http_port}, "tlsPort": {tls_port},
            "ocspResponderURL": "", "externalAccountBindingRequired": false, "certificateValidityPeriod": {validity}}}}}"#,
            certificate = file("own.crt"),
            key = file("own.key"),
        );
        folder::write(folder.path(), "config.json", &config);
        let process = Process::start(Spec {
            name: "pebble",
            package: "pebble",
            command: vec![
                program(&["/usr/bin/pebble"], "pebble").into(),
                "-config".into(),
                folder.path().join("config.json").into(),
                "-dnsserver".into(),
                format!("127.0.0.1:{resolver}").into(),
            ],
            environment: vec![("PEBBLE_VA_NOSLEEP".to_owned(), "1".into())],
            log: folder.path().join("log"),
            port,
            stop_signal: "TERM",
            not_root: false,
        });
        Self {
            process,
            _names: names,
            management,
            folder,
        }
    }

    /// `https://127.0.0.1:port/dir`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.process.port())
    }

    /// The file with the certificate of the directory itself.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("own.crt")
    }

    /// Where the root of the certificates that it issues can be read.
    #[must_use]
    pub fn root_url(&self) -> String {
        format!("https://127.0.0.1:{}/roots/0", self.management)
    }
}

/// To the resolver every name is 127.0.0.1; its port.
fn names(folder: &TempDir) -> (Process, u16) {
    let (management, resolver) = (free_port(), free_port());
    let mut command = vec![program(&["/usr/bin/pebble-challtestsrv"], "pebble").into()];
    for (flag, value) in [
        ("-management", format!("127.0.0.1:{management}")),
        ("-dns01", format!("127.0.0.1:{resolver}")),
        ("-defaultIPv4", "127.0.0.1".to_owned()),
        ("-defaultIPv6", String::new()),
        ("-http01", String::new()),
        ("-https01", String::new()),
        ("-tlsalpn01", String::new()),
    ] {
        command.extend([flag.into(), value.into()]);
    }
    let process = Process::start(Spec {
        name: "pebble-challtestsrv",
        package: "pebble",
        command,
        environment: Vec::new(),
        log: folder.path().join("names.log"),
        port: management,
        stop_signal: "TERM",
        not_root: false,
    });
    (process, resolver)
}

crate::process::delegate!(Pebble);
