//! Stories of the whole system. They hold in every shape, and nothing in them says which it is: the variable
//! `STOA_TEST_SHAPE` does.
//!
//! - `embedded`, or unset: one process on a data folder;
//! - `nats`: a process for each service and each twice, on PostgreSQL, NATS, Redis and S3;
//! - `rabbitmq`: the same on PostgreSQL, RabbitMQ and Redis.

mod broken;
mod journey;
mod limits;
mod notifications;
mod organizations;
mod people;
mod realtime;
mod replicas;
mod routes;
mod storage;
mod traffic;

use std::{
    ops::Deref,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use stoa_split::{BusKind, ObjectsKind, Plan, Split};
use tempfile::TempDir;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::stoa::{Caller, EASY, Stoa, folder};

/// The installation of one test.
pub(crate) struct System {
    caller: Caller,
    installation: Installation,
}

enum Installation {
    Embedded {
        data_dir: PathBuf,
        /// None only while it starts again.
        stoa: Option<Stoa>,
        _scratch: TempDir,
    },
    /// One installation for all tests, as it takes its time to start.
    Shared {
        alive: RwLockReadGuard<'static, Split>,
    },
    Alone(RwLockWriteGuard<'static, Split>),
}

impl System {
    /// Running, shared with other tests where it takes long to start: nobody restarts it meanwhile.
    pub(crate) async fn start() -> Self {
        match shared() {
            None => Self::embedded(),
            Some(split) => {
                let alive = split.read().await;
                Self {
                    caller: Caller::new(alive.url()),
                    installation: Installation::Shared { alive },
                }
            }
        }
    }

    /// Running, for this test alone: it may be restarted.
    pub(crate) async fn start_alone() -> Self {
        match shared() {
            None => Self::embedded(),
            Some(split) => {
                let alone = split.write().await;
                Self {
                    caller: Caller::new(alone.url()),
                    installation: Installation::Alone(alone),
                }
            }
        }
    }

    fn embedded() -> Self {
        let (scratch, data_dir) = folder();
        let stoa = Stoa::serve(&data_dir);
        Self {
            caller: stoa.deref().clone(),
            installation: Installation::Embedded {
                data_dir,
                stoa: Some(stoa),
                _scratch: scratch,
            },
        }
    }

    /// A gateway without the balancer before it: the mailbox shows itself to nobody whose request was passed on.
    pub(crate) fn mailbox(&self) -> Caller {
        match &self.installation {
            Installation::Embedded { .. } => self.caller.clone(),
            Installation::Shared { alive } => Caller::new(alive.gateway()),
            Installation::Alone(split) => Caller::new(split.gateway()),
        }
    }

    /// The folder that mails are kept in.
    pub(crate) fn mails(&self) -> PathBuf {
        match &self.installation {
            Installation::Embedded { data_dir, .. } => data_dir.join("mail"),
            Installation::Shared { alive } => alive.folder().join("mail"),
            Installation::Alone(split) => split.folder().join("mail"),
        }
    }

    /// Every process is stopped in order and started again.
    pub(crate) fn restart(&mut self) {
        self.again(
            |stoa| assert!(stoa.terminate().success(), "SIGTERM ends with exit code 0"),
            stoa_split::Node::stop,
        );
    }

    /// Every process is killed and started again.
    pub(crate) fn kill(&mut self) {
        self.again(Stoa::kill, stoa_split::Node::kill);
    }

    fn again(&mut self, end_one: impl FnOnce(Stoa), end: impl Fn(&mut stoa_split::Node)) {
        match &mut self.installation {
            Installation::Embedded { data_dir, stoa, .. } => {
                stoa.take().map(end_one);
                let started = Stoa::serve(data_dir);
                self.caller = started.deref().clone();
                *stoa = Some(started);
            }
            Installation::Alone(split) => tokio::task::block_in_place(|| {
                for service in split.services().into_iter().rev() {
                    split.nodes(&service).into_iter().for_each(&end);
                }
                for service in split.services() {
                    for node in split.nodes(&service) {
                        node.start();
                        node.wait();
                    }
                }
                split.wait_until_balanced();
            }),
            Installation::Shared { .. } => panic!("a shared installation is not restarted: start_alone"),
        }
    }
}

impl Deref for System {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

/// An address that no other test has.
pub(crate) fn email(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}@example.com", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The variable that says in which shape the system is tested.
pub(crate) const SHAPE: &str = "STOA_TEST_SHAPE";

/// The broker and the object store of the split shape that is tested; none if it is the embedded one.
fn shape() -> Option<(BusKind, ObjectsKind)> {
    match std::env::var(SHAPE).as_deref() {
        Err(_) | Ok("embedded") => None,
        Ok("nats") => Some((BusKind::Nats, ObjectsKind::S3)),
        Ok("rabbitmq") => Some((BusKind::Rabbit, ObjectsKind::Folder)),
        Ok(other) => panic!("{SHAPE} is {other}; it is one of embedded, nats and rabbitmq"),
    }
}

/// Whether it is the embedded shape that is tested; if not, says what is left out.
pub(crate) fn is_embedded(otherwise: &str) -> bool {
    let embedded = shape().is_none();
    if !embedded {
        println!("{otherwise}: {SHAPE} names a split shape, and this is for embedded");
    }
    embedded
}

/// The split installation of all tests, for this one alone; without one, says what is left out.
pub(crate) async fn split_alone(otherwise: &str) -> Option<RwLockWriteGuard<'static, Split>> {
    let Some(split) = shared() else {
        println!("{otherwise}: for that {SHAPE} is to be nats or rabbitmq");
        return None;
    };
    Some(split.write().await)
}

/// The split installation; none in the embedded shape.
fn shared() -> Option<&'static RwLock<Split>> {
    static SPLIT: OnceLock<RwLock<Split>> = OnceLock::new();
    let (bus, objects) = shape()?;
    let start = || RwLock::new(Split::start(plan(bus, objects)));
    Some(tokio::task::block_in_place(|| SPLIT.get_or_init(start)))
}

/// The split shape of this build's program, two processes of each service, with the settings of tests.
pub(crate) fn plan(bus: BusKind, objects: ObjectsKind) -> Plan {
    // What a killed process had begun is begun again soon.
    let soon = [("STOA_EVENTS__LEASE", "3s")];
    Plan {
        stoa: env!("CARGO_BIN_EXE_stoa").into(),
        bus,
        objects,
        replicas: 2,
        environment: EASY
            .into_iter()
            .chain(soon)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}
