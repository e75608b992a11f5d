#!/usr/bin/env bash
# Forwards to one upstream until it is stopped. Needs haproxy.
#   UPSTREAM=127.0.0.1:3100 PORT=3200 bench/peers/haproxy/start.sh
set -euo pipefail
cd "$(dirname "$0")"
source ../proxy.sh

folder=$(mktemp -d)
fill haproxy.cfg.template "$folder/haproxy.cfg"
trap 'kill "$server" 2>/dev/null; wait "$server" || true; rm -rf "$folder"' EXIT
trap exit INT TERM
# Debian keeps it where only root looks.
PATH=$PATH:/usr/sbin haproxy -db -f "$folder/haproxy.cfg" &
server=$!
wait "$server"
