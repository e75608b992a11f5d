#!/usr/bin/env bash
# Builds the peer if need be, makes its rows, and serves until it is stopped.
#   DATABASE_URL=postgres://… PORT=3100 [WORKERS=2] [TOKEN_FILE=…] bench/peers/nestjs/start.sh
# TOKEN_FILE is where the token to call with is written (default: dist/token).
set -euo pipefail
cd "$(dirname "$0")"
: "${DATABASE_URL:?names the PostgreSQL to use}" "${PORT:?names the port to serve on}"

if [ ! -f dist/main.js ] || [ -n "$(find src prisma package-lock.json -newer dist/main.js -not -path 'src/generated*' | head -1)" ]; then
    # No scripts of packages: Prisma's would download an engine that nothing here uses.
    npm ci --ignore-scripts --silent >&2
    # `prisma generate` asks for the engine of its migrations without needing it; any file that is there will do.
    PRISMA_SCHEMA_ENGINE_BINARY=$(type -P true) CHECKPOINT_DISABLE=1 npx --no-install prisma generate >/dev/null
    npx --no-install tsc --project tsconfig.json
fi
token_file=${TOKEN_FILE:-dist/token}
JWT_PUBLIC_KEY=$(node prepare.mjs "$token_file")
export JWT_PUBLIC_KEY NODE_ENV=production
exec node dist/main.js
