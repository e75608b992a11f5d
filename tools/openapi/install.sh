# Sourced by openapi.sh and asyncapi.sh, in the root: installs what they check with, once, into the folder `place`.

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

# redocly DOCUMENT
redocly() {
    REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true \
        tool redocly lint --config tools/openapi/redocly.yaml "$1" >"$place/redocly.log" 2>&1 \
        || { cat "$place/redocly.log"; fail "Redocly does not take $1"; }
}
