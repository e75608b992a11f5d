#!/usr/bin/env bash
# `make bench`: builds everything in release, installs wrk where it is missing, measures, writes docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh

command -v wrk >/dev/null || install_package wrk
cargo build --release --locked --package stoa --package stoa-bench
cargo build --release --locked --manifest-path bench/peers/sqlx/Cargo.toml --target-dir target/bench-peers
target/release/stoa-bench all --stoa target/release/stoa --sqlx target/bench-peers/release/bench-sqlx \
    --write docs/benchmarks.md "$@"
