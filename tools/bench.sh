#!/usr/bin/env bash
# `make bench`: builds everything as it is deployed, installs the peers where they are missing, measures, writes docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh

for package in wrk nginx haproxy postgresql nats-server rabbitmq-server nodejs npm; do
    has_package "$package" || command -v "$package" >/dev/null || install_package "$package"
done
bench/peers/nestjs/build.sh
cargo build --profile dist --locked --package stoa --package stoa-bench
cargo build --release --locked --manifest-path bench/peers/sqlx/Cargo.toml --target-dir target/bench-peers
target/dist/stoa-bench all --stoa target/dist/stoa --sqlx target/bench-peers/release/bench-sqlx \
    --write docs/benchmarks.md "$@"
