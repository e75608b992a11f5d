#!/usr/bin/env bash
# Whether docs/asyncapi.yaml is a sound AsyncAPI 3.0 document, and says what realtime does, by what was said in realtime's tests.
#   tools/asyncapi.sh              runs them, on SQLite
#   tools/asyncapi.sh TRANSCRIPT   they have run, with STOA_TEST_TRANSCRIPT naming this file
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh
source tools/openapi/install.sh

transcript=${1:-}
if [ -z "$transcript" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    transcript=$scratch/realtime
    STOA_TEST_TRANSCRIPT=$transcript cargo test --package stoa-realtime --locked --quiet --test it -- --skip ::postgres --skip autobahn::
fi
redocly docs/asyncapi.yaml
"$place/venv/bin/python" tools/openapi/asyncapi.py "$transcript" || fail "docs/asyncapi.yaml is not what realtime does"
