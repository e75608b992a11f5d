#!/usr/bin/env bash
# Whether docs/openapi.json is a sound OpenAPI 3.1 document, by tools that its readers use: openapi-spec-validator, Redocly, and
# openapi-typescript, against whose types a client is compiled.
#   tools/openapi.sh
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh

document=$PWD/docs/openapi.json
source tools/openapi/install.sh

"$place/venv/bin/openapi-spec-validator" --schema 3.1.0 "$document" || fail "openapi-spec-validator does not take it"

redocly "$document"

tool openapi-typescript "$document" --output "$place/schema.d.ts" >"$place/typescript.log" 2>&1 \
    || { cat "$place/typescript.log"; fail "openapi-typescript does not take it"; }
cp tools/openapi/{client.ts,tsconfig.json} "$place"
tool tsc --project "$place/tsconfig.json" || fail "a client does not compile against it"
echo "docs/openapi.json: valid, without complaints, and a client compiles against it"
