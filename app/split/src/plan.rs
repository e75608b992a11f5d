//! What is to be started.

use std::{fmt, path::PathBuf, process::Command, str::FromStr};

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program `stoa`.
    pub stoa: PathBuf,
    /// Which broker carries events.
    pub bus: BusKind,
    /// Where objects are kept.
    pub objects: ObjectsKind,
    /// Processes of each service.
    pub replicas: usize,
    /// Further settings of all processes, as environment variables: `("STOA_AUTH__REGISTRATION", "closed")`.
    pub environment: Vec<(String, String)>,
}

impl Plan {
    /// The services that the program has, in the order in which they start. The gateway comes last: it is ready once the others
    /// are.
    pub(crate) fn services(&self) -> Vec<String> {
        let listed = Command::new(&self.stoa).arg("services").output();
        let listed = listed.unwrap_or_else(|e| panic!("{} cannot be run: {e}", self.stoa.display()));
        let text = String::from_utf8_lossy(&listed.stdout);
        let names = text.lines().filter_map(|line| line.split_whitespace().next());
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        assert!(
            names.len() > 1,
            "{} services lists no services",
            self.stoa.display()
        );
        names.sort_by_key(|name| name == "gateway");
        names
    }
}

/// A broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BusKind {
    /// NATS JetStream.
    #[default]
    Nats,
    /// RabbitMQ.
    Rabbit,
}

/// Where objects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectsKind {
    /// On a server of the S3 protocol.
    S3,
    /// In a folder that all processes share.
    Folder,
}

impl fmt::Display for BusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nats => "nats",
            Self::Rabbit => "rabbitmq",
        })
    }
}

impl FromStr for BusKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "nats" => Ok(Self::Nats),
            "rabbitmq" => Ok(Self::Rabbit),
            _ => Err("the brokers are nats and rabbitmq".to_owned()),
        }
    }
}
