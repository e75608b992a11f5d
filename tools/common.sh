# Sourced by the scripts beside it.

fail() {
    echo "$0: $*" >&2
    exit 1
}

step() {
    printf '\n== %s\n' "$*"
}

# has_package NAME: whether the distribution's package is there.
has_package() {
    dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

# install_package NAME: from the distribution, as root or by sudo.
install_package() {
    command -v apt-get >/dev/null || fail "the package '$1' is needed; install it with your package manager"
    local as=()
    [ "$(id -u)" = 0 ] || as=(sudo)
    echo "installing $1 from the distribution's packages"
    DEBIAN_FRONTEND=noninteractive "${as[@]}" apt-get install --yes --quiet "$1" >/dev/null 2>&1 && return
    "${as[@]}" apt-get update --quiet >/dev/null
    DEBIAN_FRONTEND=noninteractive "${as[@]}" apt-get install --yes --quiet "$1" >/dev/null || fail "could not install $1"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
