#!/usr/bin/env bash
# The packages below web/packages: types and tests, with Node's own test runner.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in web/packages/*/; do
    (cd "$package" && npm ci --no-audit --no-fund --silent && npm test --silent)
done
