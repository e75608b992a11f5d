#!/usr/bin/env bash
# `make crash`: what breaks under load, for as long as SHAPE, ROUNDS and SEED say, and the loads that are too large for `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh
source tools/engines.sh
source tools/postgres.sh

scratch=$(mktemp -d)
chmod 755 "$scratch"
finish() {
    stop_postgres
    rm -rf "$scratch"
}
trap finish EXIT

install_engines
step "PostgreSQL"
start_postgres "$scratch/postgres"

export STOA_TEST_SHAPE=${SHAPE:-embedded} STOA_TEST_CRASH_ROUNDS=${ROUNDS:-300} STOA_TEST_CRASH_SEED=${SEED:-}
step "crashes, $STOA_TEST_CRASH_ROUNDS rounds, $STOA_TEST_SHAPE"
STOA_TEST_BACKLOG=1000000 cargo test --locked --package stoa --test it -- crash:: --nocapture
step "a role with 100,000 holders"
STOA_TEST_ROLE_HOLDERS=100000 cargo test --locked --package stoa-auth --test it -- role_holders::
