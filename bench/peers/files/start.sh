#!/usr/bin/env bash
# Serves a folder of its own, to which files are put by PUT, until it is stopped. Needs nginx.
#   PORT=3200 bench/peers/files/start.sh
set -euo pipefail
cd "$(dirname "$0")"
: "${PORT:?names the port to serve on}"

folder=$(mktemp -d)
mkdir "$folder/files"
# Its workers are not root.
chmod 755 "$folder"
chmod 777 "$folder/files"
sed -e "s|@PORT@|$PORT|g" -e "s|@FOLDER@|$folder|g" nginx.conf.template >"$folder/nginx.conf"
trap 'kill -QUIT "$server" 2>/dev/null; wait "$server" || true; rm -rf "$folder"' EXIT
trap exit INT TERM
# Debian keeps it where only root looks.
PATH=$PATH:/usr/sbin nginx -p "$folder" -c "$folder/nginx.conf" &
server=$!
wait "$server"
