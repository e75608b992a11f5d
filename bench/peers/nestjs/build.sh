#!/usr/bin/env bash
# Installs by the lock file and builds, unless that has been done since something changed. Needs node and npm.
set -euo pipefail
cd "$(dirname "$0")"

if [ ! -f dist/main.js ] || [ -n "$(find src prisma package-lock.json -newer dist/main.js -not -path 'src/generated*' | head -1)" ]; then
    # No scripts of packages: Prisma's would download an engine that nothing here uses.
    npm ci --ignore-scripts --silent >&2
    # `prisma generate` asks for the engine of its migrations without needing it; any file that is there will do.
    PRISMA_SCHEMA_ENGINE_BINARY=$(type -P true) CHECKPOINT_DISABLE=1 npx --no-install prisma generate >/dev/null
    npx --no-install tsc --project tsconfig.json
fi
