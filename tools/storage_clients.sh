#!/usr/bin/env bash
# Clients that people use, against the storage of a real server: tus-js-client, while the server is killed, and the SDKs of AWS.
#   tools/storage_clients.sh SCRATCH_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh

scratch=${1:?name a scratch folder}
mkdir -p "$scratch"
kept=$(cat tools/storage_clients/{package-lock.json,requirements.txt,.npmrc} | sha256sum | cut -c1-12)
place=target/storage-clients-$kept
if [ ! -e "$place/done" ]; then
    command -v npm >/dev/null || { install_package nodejs && install_package npm; }
    mkdir -p "$place"
    cp tools/storage_clients/{package.json,package-lock.json,.npmrc} "$place"
    npm ci --prefix "$place" --omit=dev --no-audit --no-fund --silent
    python3 -m venv "$place/venv"
    "$place/venv/bin/pip" install --quiet --disable-pip-version-check --requirement tools/storage_clients/requirements.txt
    touch "$place/done"
fi
# `make test` has built it already, and another build would not share its features.
stoa=${STOA:-}
if [ -z "$stoa" ]; then
    cargo build --quiet --locked --package stoa
    stoa=target/debug/stoa
fi
stoa=$(realpath "$stoa")
cp tools/storage_clients/*.mjs "$place"

node "$place/tus.mjs" "$stoa" "$scratch/tus" "$(free_port)"
tools/storage_clients/s3.sh "$stoa" "$scratch/s3" "$place"
node "$place/webhooks.mjs" "$stoa" "$scratch/webhooks" "$(free_port)"
realtime=web/packages/realtime
[ -e $realtime/dist/src/index.js ] || (cd $realtime && npm ci --no-audit --no-fund --silent && npm run --silent build)
node "$place/realtime.mjs" "$stoa" "$scratch/realtime" "$(free_port)" $realtime/dist/src/index.js
