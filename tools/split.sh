#!/usr/bin/env bash
# `make split`: the split shape on this machine, with every engine. Installs the engines that are missing.
#   tools/split.sh [OPTIONS]     `make split ARGS=--help` tells them
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh

for package in postgresql nats-server rabbitmq-server redis-server haproxy python3-venv; do
    has_package "$package" || install_package "$package"
done
cargo build --release --locked --package stoa --package stoa-split
exec target/release/stoa-split "$@"
