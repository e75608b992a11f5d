# Sourced by the start scripts of the proxies.

: "${UPSTREAM:?names the host and port to forward to, such as 127.0.0.1:3100}" "${PORT:?names the port to serve on}"

# fill TEMPLATE FILE: the template with its places filled in.
fill() {
    sed -e "s|@PORT@|$PORT|g" -e "s|@UPSTREAM@|$UPSTREAM|g" -e "s|@FOLDER@|$(dirname "$2")|g" "$1" >"$2"
}
