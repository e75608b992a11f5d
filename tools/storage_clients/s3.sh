#!/usr/bin/env bash
# The SDKs of AWS for JavaScript and Python against a fresh server.
#   tools/storage_clients/s3.sh PROGRAM DATA_FOLDER FOLDER_OF_THE_CLIENTS
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/common.sh

stoa=${1:?name the program}
data=${2:?name a folder for its data}
place=${3:?name the folder of the clients}
port=${PORT:-$(free_port)}
url=http://127.0.0.1:$port
STOA_GATEWAY__RATE_LIMIT__PER_ADDRESS=off STOA_GATEWAY__RATE_LIMIT__PER_USER=off STOA_GATEWAY__ACCESS_LOG=false \
STOA_AUTH__PASSWORD__MEMORY_KIB=64 STOA_AUTH__PASSWORD__ITERATIONS=1 \
    "$stoa" --data-dir "$data" serve --listen 127.0.0.1:"$port" >"$data.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null || true' EXIT
for _ in $(seq 100); do
    curl --silent --fail "$url/health/ready" >/dev/null && break
    kill -0 $server 2>/dev/null || { cat "$data.log"; fail "the server did not start"; }
    sleep 0.1
done

field() {
    python3 -c 'import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1:]: value = value[name]
print(value)' "$@"
}
# person NAME: registers somebody and prints their access token.
person() {
    local body='{"email":"'$1'@example.com","password":"tin roof rusted"}'
    curl --silent --fail "$url/api/v1/auth/register" --json "$body" | field access_token
}
# access_key TOKEN BODY: makes an access key and prints what a client needs of it.
access_key() {
    local made
    made=$(curl --silent --fail "$url/api/v1/storage/access-keys" --header "authorization: Bearer $1" --json "$2")
    printf '{"id":"%s","secret":"%s"}' "$(field access_key access_key_id <<<"$made")" "$(field secret_access_key <<<"$made")"
}
owner=$(person owner)
other=$(person other)
STOA_KEYS=$(printf '{"owner":%s,"reader":%s,"other":%s}' \
    "$(access_key "$owner" '{"name":"all"}')" \
    "$(access_key "$owner" '{"name":"reads","read_only":true}')" \
    "$(access_key "$other" '{"name":"of another"}')")
export STOA_KEYS STOA_URL=$url STOA_TOKEN=$owner

"$place/venv/bin/python" tools/storage_clients/s3.py
node "$place/s3.mjs"
kill -0 $server || { cat "$data.log"; fail "the server died"; }
