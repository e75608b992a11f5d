#!/usr/bin/env bash
# Builds the peer if need be, makes its rows, and serves until it is stopped.
#   DATABASE_URL=postgres://… PORT=3100 [WORKERS=2] [TOKEN_FILE=…] bench/peers/nestjs/start.sh
# TOKEN_FILE is where the token to call with is written (default: dist/token).
set -euo pipefail
cd "$(dirname "$0")"
: "${DATABASE_URL:?names the PostgreSQL to use}" "${PORT:?names the port to serve on}"

./build.sh
token_file=${TOKEN_FILE:-dist/token}
JWT_PUBLIC_KEY=$(node prepare.mjs "$token_file")
export JWT_PUBLIC_KEY NODE_ENV=production
exec node dist/main.js
