#!/usr/bin/env bash
# Forwards to one upstream until it is stopped. Needs nginx.
#   UPSTREAM=127.0.0.1:3100 PORT=3200 bench/peers/nginx/start.sh
set -euo pipefail
cd "$(dirname "$0")"
source ../proxy.sh

folder=$(mktemp -d)
fill nginx.conf.template "$folder/nginx.conf"
trap 'kill -QUIT "$server" 2>/dev/null; wait "$server" || true; rm -rf "$folder"' EXIT
trap exit INT TERM
# Debian keeps it where only root looks.
PATH=$PATH:/usr/sbin nginx -p "$folder" -c "$folder/nginx.conf" &
server=$!
wait "$server"
