# Sourced by test.sh: a PostgreSQL of our own, from the distribution's packages, on a free port and in a folder of its own.

# start_postgres FOLDER: starts it and exports STOA_TEST_POSTGRES_URL.
start_postgres() {
    local folder=$1 bin port
    bin=$(postgres_bin) || {
        install_package postgresql
        bin=$(postgres_bin) || fail "PostgreSQL's initdb was not found after installing the package postgresql"
    }
    port=$(free_port)
    mkdir -p "$folder"
    # initdb refuses to run as root.
    POSTGRES_AS=()
    if [ "$(id -u)" = 0 ]; then
        chown nobody "$folder"
        POSTGRES_AS=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
    fi
    "${POSTGRES_AS[@]}" "$bin/initdb" --pgdata="$folder/data" --username=stoa --auth=trust --encoding=UTF8 --locale=C.UTF-8 >"$folder/initdb.log" 2>&1 \
        || { cat "$folder/initdb.log"; fail "initdb failed"; }
    "${POSTGRES_AS[@]}" "$bin/pg_ctl" --pgdata="$folder/data" --log="$folder/log" --wait \
        --options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c fsync=off -c max_connections=400" \
        start >/dev/null || { cat "$folder/log"; fail "PostgreSQL did not start"; }
    POSTGRES_STOP=("${POSTGRES_AS[@]}" "$bin/pg_ctl" --pgdata="$folder/data" --mode=immediate stop)
    export STOA_TEST_POSTGRES_URL="postgres://stoa@127.0.0.1:$port/postgres"
}

stop_postgres() {
    [ -z "${POSTGRES_STOP+x}" ] || "${POSTGRES_STOP[@]}" >/dev/null 2>&1 || true
}

postgres_bin() {
    local found
    found=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -1)
    [ -n "$found" ] || found=$(command -v initdb) || return 1
    dirname "$found"
}
