#!/usr/bin/env bash
# `make test`: everything that must hold. Installs what it needs, starts its own PostgreSQL, and stops it.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh
source tools/engines.sh
source tools/postgres.sh
source tools/parts.sh

scratch=$(mktemp -d)
chmod 755 "$scratch"
finish() {
    stop_postgres
    rm -rf "$scratch"
}
trap finish EXIT

# What tests leave in temporary folders goes with the rest; engines that do not run as root have to get there.
export TMPDIR="$scratch/tmp"
install --directory --mode=1777 "$TMPDIR"
PARTS_LOG="$scratch/part.log"

host=$(rustc --version --verbose | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${host}_RUNNER=$PWD/tools/test_threads.sh"

# The whole workspace, in which stoa alone has such tests: for one package dependencies would be built again, with fewer features.
on_shape() {
    STOA_TEST_SHAPE=$1 cargo test --workspace --locked --test it -- system:: crash::
}

part "formatting and lints" make --no-print-directory lint
part "engines of the split shape" install_engines
part "deployment" tools/deploy.sh
part "description of the API" tools/openapi.sh
part "packages for browsers" tools/web.sh

step "PostgreSQL"
start_postgres "$scratch/postgres"
echo "serving at $STOA_TEST_POSTGRES_URL"

# A broker that stops in the middle of a load is away for as long as a restart of a real one may take.
part "tests on SQLite and PostgreSQL" env STOA_TEST_BROKER_PAUSE=30 STOA_TEST_TRANSCRIPT="$scratch/realtime" cargo test --workspace --locked --no-fail-fast
part "description of realtime" tools/asyncapi.sh "$scratch/realtime"
part "the whole system split, on NATS" on_shape nats
part "the whole system split, on RabbitMQ" on_shape rabbitmq
part "WebSockets by Autobahn" tools/autobahn.sh
part "API fuzzing by schemathesis" env STOA=target/debug/stoa tools/schemathesis.sh "$scratch"
part "clients of storage" env STOA=target/debug/stoa tools/storage_clients.sh "$scratch/storage"
# Last: it leaves the program of a copy of the tree in target/debug.
part "a new service" tools/service_test.sh

parts_end
