//! One suite for every bus: inside the process, NATS JetStream, RabbitMQ; on SQLite, and where replicas matter on PostgreSQL.

#[macro_use]
mod fixture;

mod away;
mod first_start;
mod lost_queue;
mod order;
mod poison;
mod redelivery;
mod replicas;
mod settings;
mod slow;
