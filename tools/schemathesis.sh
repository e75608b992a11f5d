#!/usr/bin/env bash
# Fuzzes every endpoint of a fresh server from its own OpenAPI document: no 5xx, no answer outside its schema.
#   tools/schemathesis.sh SCRATCH_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh

scratch=${1:?name a scratch folder}
mkdir -p "$scratch"
examples=${EXAMPLES:-25}
venv=target/schemathesis-4.32
if [ ! -x $venv/bin/st ]; then
    python3 -m venv $venv
    $venv/bin/pip install --quiet 'schemathesis~=4.32.5'
fi
# `make test` has built it already, and another build would not share its features.
stoa=${STOA:-}
if [ -z "$stoa" ]; then
    cargo build --quiet --locked --package stoa
    stoa=target/debug/stoa
fi

port=$(free_port)
# Limits and costs off: here the answers are looked at, not the pace.
STOA_GATEWAY__RATE_LIMIT__PER_ADDRESS=off STOA_GATEWAY__RATE_LIMIT__PER_USER=off STOA_GATEWAY__RATE_LIMIT__PER_ROUTE='[]' \
STOA_AUTH__RATE_LIMIT__REGISTER_PER_ADDRESS=off STOA_AUTH__RATE_LIMIT__LOGIN_PER_ADDRESS=off STOA_AUTH__RATE_LIMIT__LOGIN_PER_ACCOUNT=off \
STOA_AUTH__PASSWORD__MEMORY_KIB=64 STOA_AUTH__PASSWORD__ITERATIONS=1 STOA_GATEWAY__ACCESS_LOG=false \
    "$stoa" --data-dir "$scratch/fuzzed" serve --listen 127.0.0.1:$port >"$scratch/fuzzed.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null || true' EXIT
for _ in $(seq 100); do
    curl --silent --fail "http://127.0.0.1:$port/health/ready" >/dev/null && break
    kill -0 $server 2>/dev/null || { cat "$scratch/fuzzed.log"; fail "the server did not start"; }
    sleep 0.1
done

export FUZZ_URL=http://127.0.0.1:$port FUZZ_EMAIL=admin@example.com FUZZ_PASSWORD=fuzzing-is-no-secret FUZZ_SHUT=$scratch/fuzz-shut
"$stoa" --data-dir "$scratch/fuzzed" admin create --email $FUZZ_EMAIL <<<"$FUZZ_PASSWORD"
SCHEMATHESIS_HOOKS=tools/openapi/fuzzing.py $venv/bin/st run "$FUZZ_URL/api/openapi.json" --no-color --suppress-health-check all \
    --continue-on-failure --max-examples "$examples" --seed "${SEED:-1}" --generation-deterministic \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance
[ ! -s "$FUZZ_SHUT" ] || fail "these never let the fuzzer in: $(paste --serial --delimiters=, "$FUZZ_SHUT")"
kill -0 $server || fail "the server died while it was fuzzed"
