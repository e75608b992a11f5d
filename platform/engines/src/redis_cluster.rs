//! A Redis cluster.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    process::{free_port, program, run},
    redis::Redis,
};

/// Three masters that share the slots, without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts one and waits until all slots are served.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let (mut nodes, mut create) = (Vec::new(), cli());
        create.args(["--cluster", "create", "--cluster-yes"]);
        for _ in 0..3 {
            // Otherwise it is 10,000 above the other port, where it may be a connection's of another program.
            let bus = free_port().to_string();
            let options = [
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "2000",
                "--cluster-port",
                &bus,
            ];
            let node = Redis::start_with(&options);
            create.arg(format!("127.0.0.1:{}@{bus}", node.port()));
            nodes.push(node);
        }
        run(&mut create);
        let cluster = Self { nodes };
        cluster.wait();
        cluster
    }

    /// `redis+cluster://127.0.0.1:port,127.0.0.1:port,127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+cluster://{}", self.addresses().join(","))
    }

    /// Its nodes, to be stopped and started one by one.
    pub fn nodes(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }

    /// Stops all nodes in order.
    pub fn stop(&mut self) {
        self.nodes.iter_mut().for_each(Redis::stop);
    }

    /// Kills all nodes.
    pub fn kill(&mut self) {
        self.nodes.iter_mut().for_each(Redis::kill);
    }

    /// Starts all nodes again and waits until all slots are served.
    pub fn start_again(&mut self) {
        self.nodes.iter_mut().for_each(Redis::start_again);
        self.wait();
    }

    fn addresses(&self) -> Vec<String> {
        let port = |node: &Redis| format!("127.0.0.1:{}", node.port());
        self.nodes.iter().map(port).collect()
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        for node in &self.nodes {
            let port = node.port().to_string();
            while !run(cli().args(["-p", &port, "cluster", "info"])).contains("cluster_state:ok") {
                assert!(Instant::now() < deadline, "the Redis cluster does not come up");
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

fn cli() -> Command {
    Command::new(program(&["/usr/bin/redis-cli"], "redis-tools"))
}
