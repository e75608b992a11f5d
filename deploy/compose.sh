#!/usr/bin/env bash
# The split shape by one command. Makes deploy/.env with fresh secrets if there is none, then hands over to docker compose.
#   deploy/compose.sh                     everything up, on NATS, and wait until it serves
#   BUS=rabbitmq deploy/compose.sh        the same on RabbitMQ; counts when deploy/.env is made
#   deploy/compose.sh logs --follow auth  any other command of docker compose
set -euo pipefail
cd "$(dirname "$0")"

env_file=${STOA_COMPOSE_ENV:-.env}

# 24 random bytes as 48 hexadecimal digits: nothing that a URL would have to escape.
secret() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

make_env() {
    local bus=${BUS:-nats} password url
    password=$(secret)
    case $bus in
        nats) url=nats://stoa:$password@nats:4222 ;;
        rabbitmq) url=amqp://stoa:$password@rabbitmq:5672 ;;
        *) echo "compose.sh: BUS is nats or rabbitmq, not '$bus'" >&2; exit 1 ;;
    esac
    umask 077
    cat >"$env_file" <<ENV
# Made by deploy/compose.sh. Keep it: the volumes know these passwords.
COMPOSE_PROFILES=$bus
STOA_BUS_URL=$url
BUS_PASSWORD=$password
POSTGRES_PASSWORD=$(secret)
REDIS_PASSWORD=$(secret)
S3_PASSWORD=$(secret)
GRAFANA_PASSWORD=$(secret)
STOA_AUTH_SECRET=$(head -c 32 /dev/urandom | base64)
STOA_AUDIT_SECRET=$(head -c 32 /dev/urandom | base64)
ENV
    echo "made deploy/.env with the secrets; Grafana's password for 'admin' is in it"
}

[ -f "$env_file" ] || make_env
# Not in files that were made before it was needed.
grep -q '^STOA_AUDIT_SECRET=' "$env_file" || echo "STOA_AUDIT_SECRET=$(head -c 32 /dev/urandom | base64)" >>"$env_file"
[ $# -gt 0 ] || set -- up --build --wait
exec ${DOCKER_COMPOSE:-docker compose} --env-file "$env_file" --file compose.yaml "$@"
