#!/usr/bin/env bash
# Whether docs/openapi.json is a sound OpenAPI 3.1 document, by tools that its readers use: openapi-spec-validator, Redocly, and
# openapi-typescript, against whose types a client is compiled.
#   tools/openapi.sh
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh

document=$PWD/docs/openapi.json
kept=$(cat tools/openapi/{package-lock.json,requirements.txt,.npmrc} | sha256sum | cut -c1-12)
place=target/openapi-$kept
if [ ! -e "$place/done" ]; then
    command -v npm >/dev/null || { install_package nodejs && install_package npm; }
    mkdir -p "$place"
    python3 -m venv "$place/venv"
    "$place/venv/bin/pip" install --quiet --disable-pip-version-check --requirement tools/openapi/requirements.txt
    cp tools/openapi/{package.json,package-lock.json,.npmrc} "$place"
    npm ci --prefix "$place" --omit=optional --no-audit --no-fund --silent
    touch "$place/done"
fi
tool() {
    "$place/node_modules/.bin/$1" "${@:2}"
}

"$place/venv/bin/openapi-spec-validator" --schema 3.1.0 "$document" || fail "openapi-spec-validator does not take it"

REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true \
    tool redocly lint --config tools/openapi/redocly.yaml "$document" >"$place/redocly.log" 2>&1 \
    || { cat "$place/redocly.log"; fail "Redocly does not take it"; }

tool openapi-typescript "$document" --output "$place/schema.d.ts" >"$place/typescript.log" 2>&1 \
    || { cat "$place/typescript.log"; fail "openapi-typescript does not take it"; }
cp tools/openapi/{client.ts,tsconfig.json} "$place"
tool tsc --project "$place/tsconfig.json" || fail "a client does not compile against it"
echo "docs/openapi.json: valid, without complaints, and a client compiles against it"
