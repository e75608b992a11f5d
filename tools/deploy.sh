#!/usr/bin/env bash
# Everything under deploy/ that can be checked without an engine to run it on: image, compose files, chart, rules, dashboards.
#   tools/deploy.sh
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

requirements=tools/deploy/requirements.txt
venv=target/deploy-$(sha256sum $requirements | cut -c1-12)
if [ ! -e "$venv/done" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement $requirements
    touch "$venv/done"
fi
command -v promtool >/dev/null || install_package prometheus
check() {
    PYTHONPATH=tools/deploy PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "tools/deploy/$1.py" "${@:2}"
}

# The services, of which all of it must tell.
export STOA_SERVICES=$scratch/services.json
cargo run --quiet --locked --package stoa -- services --json >"$STOA_SERVICES"

# The image: hadolint knows the rules.
"$venv/bin/hadolint" --failure-threshold info deploy/docker/Dockerfile
check image

# Compose files, as docker compose reads them.
for bus in nats rabbitmq; do
    BUS=$bus STOA_COMPOSE_ENV=$scratch/$bus.env DOCKER_COMPOSE=$PWD/$venv/bin/docker-compose \
        deploy/compose.sh config --format json >"$scratch/$bus.json" 2>"$scratch/$bus.log" \
        || { cat "$scratch/$bus.log"; fail "docker compose does not take deploy/compose.yaml with $bus"; }
    sed -n '/^{/,$p' "$scratch/$bus.json" | check compose $bus
done
"$venv/bin/docker-compose" --file deploy/compose.single.yaml config --format json | check compose single

# The chart.
check chart

# Prometheus: what it reads, what it alerts on, and what pods are scaled by.
cp -r deploy/prometheus "$scratch/prometheus"
sed -i "s|/etc/prometheus|$scratch/prometheus|" "$scratch/prometheus/prometheus.yml"
promtool check config --lint-fatal "$scratch/prometheus/prometheus.yml" >"$scratch/promtool.log" \
    || { cat "$scratch/promtool.log"; fail "promtool does not take deploy/prometheus"; }
check adapter "$scratch"
promtool test rules deploy/prometheus/tests/*.yml "$scratch/adapter.yml" >"$scratch/promtool.log" \
    || { cat "$scratch/promtool.log"; fail "an alert does not do what its test says"; }
echo "prometheus: configuration, rules and their tests hold"

# Grafana.
check dashboards
check measures
