//! The split shape on one machine: PostgreSQL, a broker, Redis and S3, two processes of each service, and a balancer before
//! the gateways. `make split` runs it, and the whole-system tests do.

#![expect(
    clippy::disallowed_methods,
    reason = "it waits by blocking, as its callers expect"
)]

mod engines;
mod node;
mod plan;
mod split;

pub use engines::{Broker, Engines};
pub use node::Node;
pub use plan::{BusKind, ObjectsKind, Plan};
pub use split::Split;
