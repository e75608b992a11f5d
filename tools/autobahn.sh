#!/usr/bin/env bash
# Autobahn's test suite against the WebSockets of realtime. It is written for Python 2.7: where there is none, it is left out and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(command -v "$HOME"/.pyenv/versions/2.7.*/bin/python2.7 python2.7 2>/dev/null | head -1 || true)
if [ -z "$python" ] || ! "$python" -m pip --version >/dev/null 2>&1; then
    echo "left out: there is no Python 2.7 with pip"
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" autobahntestsuite==0.8.2 2>/dev/null
# A package of namespaces, which pip leaves without this where it installs into a folder.
touch "$folder/zope/__init__.py"
export PYTHONPATH="$folder"
STOA_TEST_AUTOBAHN="$python $folder/bin/wstest" cargo test --workspace --locked --test it -- autobahn:: --nocapture
