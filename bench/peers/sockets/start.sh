#!/usr/bin/env bash
# Installs by the lock file if need be, and serves until it is stopped. Needs node and npm.
#   PEER=socketio PORT=3100 bench/peers/sockets/start.sh
set -euo pipefail
cd "$(dirname "$0")"
: "${PEER:?names the peer: socketio or ws}" "${PORT:?names the port to serve on}"

[ node_modules -nt package-lock.json ] || npm ci --ignore-scripts --silent >&2
exec node server.mjs
