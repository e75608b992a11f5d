#!/usr/bin/env bash
# Runs a test binary for cargo, with as many threads as its tests bear: most wait more than they compute. Those of the whole program
# and of databases measure rates and times, and those of events stop and start brokers: they get no more than cargo gives them.
case "${CARGO_PKG_NAME:-}" in
    stoa | stoa-db | stoa-events) ;;
    *) export RUST_TEST_THREADS=${RUST_TEST_THREADS:-6} ;;
esac
exec "$@"
