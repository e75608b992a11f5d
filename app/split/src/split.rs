//! All of it, running.

use std::{
    fmt::Write,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use stoa_engines::HaProxy;
use tempfile::TempDir;

use crate::{
    engines::Engines,
    node::{self, Node},
    plan::Plan,
};

/// Engines, services and the balancer, running. All of it ends when this is dropped.
#[derive(Debug)]
pub struct Split {
    // In the order in which they end.
    balancer: HaProxy,
    nodes: Vec<Node>,
    engines: Engines,
    plan: Plan,
    services: Vec<String>,
    folder: TempDir,
}

impl Split {
    /// Starts everything and returns once it is ready.
    ///
    /// # Panics
    /// When a part of it does not start, with its words.
    #[must_use]
    pub fn start(plan: Plan) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("stoa-split-")
            .tempdir()
            .unwrap_or_else(|e| panic!("no temporary folder: {e}"));
        let engines = Engines::start(&plan);
        let services = plan.services();
        let mut nodes: Vec<_> = services
            .iter()
            .flat_map(|service| (1..=plan.replicas).map(move |number| (service, number)))
            .map(|(service, number)| Node::new(&plan, folder.path(), service, number))
            .collect();
        let gateways: Vec<_> = of(&nodes, "gateway").map(|node| node.port).collect();
        let settings = settings(&engines, &services, &nodes, folder.path());
        fs::write(folder.path().join("split.toml"), settings)
            .unwrap_or_else(|e| panic!("the settings cannot be written: {e}"));
        provision(&plan, &engines, folder.path());
        for service in &services {
            thread::scope(|scope| {
                for node in nodes.iter_mut().filter(|node| node.service == *service) {
                    scope.spawn(|| {
                        node.start();
                        node.wait();
                    });
                }
            });
        }
        let split = Self {
            balancer: HaProxy::start(&gateways, "/health/ready"),
            services,
            nodes,
            engines,
            plan,
            folder,
        };
        split.wait_until_balanced();
        split
    }

    /// Where people reach it: the balancer.
    #[must_use]
    pub fn url(&self) -> String {
        self.balancer.url()
    }

    /// One gateway, without the balancer before it.
    #[must_use]
    pub fn gateway(&self) -> String {
        of(&self.nodes, "gateway")
            .map(Node::url)
            .next()
            .unwrap_or_default()
    }

    /// The processes of a service.
    pub fn nodes(&mut self, service: &str) -> Vec<&mut Node> {
        self.nodes
            .iter_mut()
            .filter(|node| node.service == service)
            .collect()
    }

    /// The engines.
    pub fn engines(&mut self) -> &mut Engines {
        &mut self.engines
    }

    /// The services, in the order in which they start.
    #[must_use]
    pub fn services(&self) -> Vec<String> {
        self.services.clone()
    }

    /// Where settings, logs and data folders are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program with the settings of this installation, to run a command of it: `audit verify`.
    #[must_use]
    pub fn command(&self) -> Command {
        stoa(&self.plan, self.folder.path())
    }

    /// Waits until the balancer has found the gateways.
    ///
    /// # Panics
    /// When it finds none.
    pub fn wait_until_balanced(&self) {
        node::wait_until_ready(self.balancer.port(), || {
            "the balancer finds no gateway".to_owned()
        });
    }

    /// Stops everything in order, the gateways first.
    pub fn stop(mut self) {
        for service in self.services.iter().rev() {
            thread::scope(|scope| {
                for node in self.nodes.iter_mut().filter(|node| node.service == *service) {
                    scope.spawn(|| node.stop());
                }
            });
        }
    }

    /// What runs where, for people.
    #[must_use]
    pub fn map(&self) -> String {
        let mut map = format!("\n  Stoa is split\n\n  Public   {}\n", self.url());
        // Writing to a string does not fail.
        let mut line = |name: &str, text: &str| {
            let _ = writeln!(map, "  {name:<8} {text}");
        };
        line("Docs", &format!("{}/api/docs", self.url()));
        line("Health", &format!("{}/health", self.url()));
        for node in self.nodes.iter().rev() {
            let id = node.id().map_or_else(String::new, |id| id.to_string());
            line(
                &node.service,
                &format!("{}   rpc {}   pid {id}", node.url(), node.rpc_port),
            );
        }
        line("database", &self.engines.postgres.url());
        line("bus", &self.engines.broker.url());
        line("cache", &self.engines.redis.url());
        if let Some(s3) = &self.engines.s3 {
            line("objects", &format!("{} at {}", s3.url(), s3.endpoint()));
        }
        line("Folder", &self.folder.path().display().to_string());
        map.push_str("\n  Kill a process and watch; to stop all:  Ctrl-C\n");
        map
    }
}

fn of<'a>(nodes: &'a [Node], service: &'a str) -> impl Iterator<Item = &'a Node> {
    nodes.iter().filter(move |node| node.service == service)
}

/// The settings that all processes share.
fn settings(engines: &Engines, services: &[String], nodes: &[Node], folder: &Path) -> String {
    let mut text = engines.settings(folder);
    // The same for all processes of auth; thrown away with the rest.
    let _ = write!(text, "[auth]\nsecret = \"{}\"\n\n", STANDARD.encode(random()));
    // Links in mails lead to a gateway, and tokens name it, whichever process of auth made them.
    for gateway in of(nodes, "gateway").take(1) {
        let _ = writeln!(text, "[server]\npublic_url = \"{}\"", gateway.url());
    }
    let _ = write!(
        text,
        "drain = \"1s\"\n\n[gateway.upstream]\ncheck_every = \"250ms\"\n\n"
    );
    text.push_str("[gateway]\ntrusted_proxies = [\"127.0.0.0/8\"]\nmetrics_from = [\"127.0.0.0/8\"]\n\n");
    for (table, rpc) in [("gateway.upstreams", false), ("rpc.upstreams", true)] {
        // Writing to a string does not fail.
        let _ = writeln!(text, "[{table}]");
        for service in services.iter().filter(|service| *service != "gateway") {
            let urls: Vec<_> = of(nodes, service)
                .map(|node| if rpc { node.rpc_port } else { node.port })
                .map(|port| format!("\"http://127.0.0.1:{port}\""))
                .collect();
            let _ = writeln!(text, "{service} = [{}]", urls.join(", "));
        }
        text.push('\n');
    }
    // One mailbox for all, so that the gateway shows what notifications has sent.
    let _ = writeln!(text, "[mail]\nfolder = \"{}\"", folder.join("mail").display());
    text
}

/// 32 bytes from the operating system.
fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .unwrap_or_else(|e| panic!("no randomness: {e}"));
    bytes
}

/// Makes roles and schemas, then the tables.
fn provision(plan: &Plan, engines: &Engines, folder: &Path) {
    let out: PathBuf = folder.join("provisioned.toml");
    let mut provision = Command::new(&plan.stoa);
    provision
        .args(["provision", "--admin-url"])
        .arg(engines.postgres.url());
    run(provision.arg("--out").arg(out));
    run(stoa(plan, folder).arg("migrate"));
}

fn stoa(plan: &Plan, folder: &Path) -> Command {
    let mut command = Command::new(&plan.stoa);
    for file in ["split.toml", "provisioned.toml"] {
        command.arg("--config").arg(folder.join(file));
    }
    command.arg("--data-dir").arg(folder.join("data"));
    command.envs(plan.environment.iter().map(|(name, value)| (name, value)));
    command
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{} cannot be run: {e}", command.get_program().display()));
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
