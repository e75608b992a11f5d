//! What goes wrong between a service and the bus.

/// Words for whoever runs the program. No password is ever in them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// `bus.url` is not one.
    #[error("bus.url: {0}")]
    Url(String),
    /// Another key of the section.
    #[error("{0}")]
    Config(String),
    /// Nobody answers there, or does not let us in.
    #[error("bus.url: {broker} at {address} cannot be reached: {reason}")]
    Unreachable {
        /// NATS or RabbitMQ.
        broker: &'static str,
        /// Host and port.
        address: String,
        /// What stands in the way.
        reason: String,
    },
    /// The connection is lost and being made again.
    #[error("{0} is away")]
    Away(&'static str),
    /// The broker, or its client, says no.
    #[error("{broker}: {reason}")]
    Broker {
        /// NATS or RabbitMQ.
        broker: &'static str,
        /// What it says.
        reason: String,
    },
    /// A service's own database.
    #[error(transparent)]
    Db(#[from] stoa_db::Error),
}
