//! Stories of the whole system. They hold in every shape, and nothing in them says which it is: the variable
//! `STOA_TEST_SHAPE` does.
//!
//! - `embedded`, or unset: one process on a data folder;
//! - `nats`: a process for each service and each twice, on PostgreSQL, NATS, Redis and S3;
//! - `rabbitmq`: the same on PostgreSQL, RabbitMQ and Redis.

mod journey;
mod people;
mod routes;

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
    place: Place,
}

enum Place {
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
                    place: Place::Shared { alive },
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
                    place: Place::Alone(alone),
                }
            }
        }
    }

    fn embedded() -> Self {
        let (scratch, data_dir) = folder();
        let stoa = Stoa::serve(&data_dir);
        Self {
            caller: stoa.deref().clone(),
            place: Place::Embedded {
                data_dir,
                stoa: Some(stoa),
                _scratch: scratch,
            },
        }
    }

    /// A gateway without the balancer before it: the mailbox shows itself to nobody whose request was passed on.
    pub(crate) fn mailbox(&self) -> Caller {
        match &self.place {
            Place::Embedded { .. } => self.caller.clone(),
            Place::Shared { alive } => Caller::new(alive.gateway()),
            Place::Alone(split) => Caller::new(split.gateway()),
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
        match &mut self.place {
            Place::Embedded { data_dir, stoa, .. } => {
                stoa.take().map(end_one);
                let started = Stoa::serve(data_dir);
                self.caller = started.deref().clone();
                *stoa = Some(started);
            }
            Place::Alone(split) => tokio::task::block_in_place(|| {
                for service in stoa_split::SERVICES.into_iter().rev() {
                    split.nodes(service).into_iter().for_each(&end);
                }
                for service in stoa_split::SERVICES {
                    for node in split.nodes(service) {
                        node.start();
                        node.wait();
                    }
                }
                split.wait_until_balanced();
            }),
            Place::Shared { .. } => panic!("a shared installation is not restarted: start_alone"),
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

/// The split installation; none in the embedded shape.
fn shared() -> Option<&'static RwLock<Split>> {
    static SPLIT: OnceLock<Option<RwLock<Split>>> = OnceLock::new();
    let start = || {
        let (bus, objects) = match std::env::var("STOA_TEST_SHAPE").as_deref() {
            Err(_) | Ok("embedded") => return None,
            Ok("nats") => (BusKind::Nats, ObjectsKind::S3),
            Ok("rabbitmq") => (BusKind::Rabbit, ObjectsKind::Folder),
            Ok(other) => panic!("STOA_TEST_SHAPE is {other}; it is one of embedded, nats and rabbitmq"),
        };
        Some(RwLock::new(Split::start(plan(bus, objects))))
    };
    tokio::task::block_in_place(|| SPLIT.get_or_init(start)).as_ref()
}

/// The split shape of this build's program, two processes of each service, with the settings of tests.
pub(crate) fn plan(bus: BusKind, objects: ObjectsKind) -> Plan {
    Plan {
        stoa: env!("CARGO_BIN_EXE_stoa").into(),
        bus,
        objects,
        replicas: 2,
        environment: EASY
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    }
}
