#!/usr/bin/env bash
# Makes a service in a copy of the tree, as CONTRIBUTING.md says, and looks whether it holds: its own tests, what is deployed, and
# its routes in one process and behind a gateway. Prints which files outside of its folder were touched, and fails when more than
# five of them are kept by hand.
#   tools/service_test.sh
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh

name=trinkets
tree=$PWD/target/new-service
log=$tree.log
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

rm -rf "$tree"
mkdir -p "$tree"
tar --create --exclude=./target --exclude=./.git --exclude=node_modules . | tar --extract --directory "$tree"
cd "$tree"
git init --quiet
git add --all
make --no-print-directory service NAME=$name ARGS='--about "small things"' | tee "$log"
# What was compiled from the tree itself goes by the settings there.
grep --recursive --files-with-matches --include='*.rs' 'include_str!.*stoa\.default\.toml' app platform services | xargs touch
cargo fmt --all --check
cargo clippy --workspace --lib --locked -- --deny warnings

sed -n 's/^changed *//p' "$log" | sort >"$log.kept"
echo "touched outside of services/$name, kept by hand:"
sed 's/^/    /' "$log.kept"
echo "and generated:"
git diff --name-only | sort | comm -13 "$log.kept" - | sed 's/^/    /'
[ "$(wc -l <"$log.kept")" -le 5 ] || fail "a new service touches more than five files that are kept by hand"
echo "written: $(find services/$name -type f | wc -l) files, $(find services/$name -name '*.rs' -path '*/src/*' | xargs cat | wc -l) lines under src"

cargo test --workspace --locked --test it -- items:: system::routes architecture:: openapi::
STOA_TEST_SHAPE=nats cargo test --workspace --locked --test it -- system::routes
tools/deploy.sh
