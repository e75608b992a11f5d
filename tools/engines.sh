# What tests start beside Stoa, from the distribution's packages.
install_engines() {
    local package
    for package in postgresql pgbouncer nats-server rabbitmq-server redis-server haproxy pebble faketime curl openssl python3-venv; do
        has_package "$package" || install_package "$package"
    done
}
