//! One connection, of either kind.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisResult, aio::MultiplexedConnection,
    cluster::ClusterClientBuilder, cluster_async::ClusterConnection,
};

use super::{PATIENCE, address::Address};

/// How long connecting may take, to all nodes of a cluster together.
const CONNECT: Duration = Duration::from_secs(3);
/// Commands that may wait to be written, before those who send more wait themselves.
const QUEUE: usize = 1024;

/// A connection, whose clones send their commands over the same one.
#[derive(Clone)]
pub(super) struct Link {
    number: u64,
    connection: Connection,
}

#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// Connects, and sees that the server takes what it is given: one that is full, still loads or follows another
    /// is as good as none.
    pub(super) async fn open(address: &Address, prefix: &str) -> Result<Self, String> {
        let opened = tokio::time::timeout(CONNECT, async {
            let mut link = Self::connect(address).await?;
            link.send::<()>(&probe(prefix)).await?;
            RedisResult::Ok(link)
        });
        match opened.await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {CONNECT:?}")),
        }
    }

    async fn connect(address: &Address) -> RedisResult<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let connection = match address {
            Address::Single(node) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(PATIENCE))
                    .set_response_timeout(Some(PATIENCE))
                    .set_pipeline_buffer_size(QUEUE);
                let client = Client::open(node.info.clone())?;
                Connection::Single(
                    client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await?,
                )
            }
            Address::Cluster(nodes) => {
                let client = ClusterClientBuilder::new(nodes.iter().map(|node| node.info.clone()))
                    .connection_timeout(PATIENCE)
                    .response_timeout(PATIENCE)
                    .retries(3)
                    .min_retry_wait(10)
                    .max_retry_wait(200)
                    .build()?;
                Connection::Cluster(client.get_async_connection().await?)
            }
        };
        Ok(Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            connection,
        })
    }

    /// Which connection of this process it is.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) async fn send<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match &mut self.connection {
            Connection::Single(connection) => command.query_async(connection).await,
            Connection::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

/// Writes one small value, which is soon gone.
pub(super) fn probe(prefix: &str) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(format!("{prefix}:probe")).arg(1).arg("PX").arg(1000);
    command
}
