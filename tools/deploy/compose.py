"""Looks at the compose files as docker compose itself understands them.

    compose.py NAME < JSON    NAME is nats, rabbitmq or single; JSON is what `docker compose config --format json` says
"""

import json
import os
import re
import sys
from pathlib import Path

import environment
from say import DEPLOY, Findings

ONCE = {"provision", "migrate", "bucket"}
SERVICES = json.loads(Path(os.environ["STOA_SERVICES"]).read_text())
OURS = {service["name"] for service in SERVICES}
SECRET = re.compile(r"PASS|SECRET|TOKEN")


def main():
    name = sys.argv[1]
    found = Findings(f"compose ({name})")
    config = json.load(sys.stdin)
    services = config["services"]
    if name == "single":
        found.expect(set(services) == {"stoa"}, f"there are {sorted(services)}")
        found.expect(services["stoa"]["volumes"][0]["target"] == "/var/lib/stoa", "the data is not on a volume")
    else:
        split(found, name, services)
    for service, what in services.items():
        everyone(found, service, what, services)
    # Each secret is a hole in the file, filled from deploy/.env.
    for path in DEPLOY.glob("compose*.yaml"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            value = line.partition(":")[2].strip()
            if SECRET.search(line.partition(":")[0]) and value:
                found.expect("${" in value, f"{path.name}:{number} has a secret in clear")
    found.finish()


def split(found, bus, services):
    other = {"nats": "rabbitmq", "rabbitmq": "nats"}[bus]
    found.expect(bus in services and other not in services, f"the bus is not {bus} alone")
    wanted = OURS | ONCE | {bus, "postgres", "redis", "s3", "prometheus", "grafana", "node"}
    found.expect(set(services) == wanted, f"there are {sorted(services)}")
    for service in sorted(OURS):
        what = services[service]
        found.expect(what["deploy"]["replicas"] == 2, f"{service} does not run twice")
        found.expect(what["command"][-3:] == ["serve", "--only", service], f"{service} runs {what['command']}")
        found.expect(what["environment"]["STOA_BUS__URL"].startswith({"nats": "nats:", "rabbitmq": "amqp:"}[bus]), f"{service} is on another bus")
    for service in sorted(service["name"] for service in SERVICES if service["database"]):
        needs = {other: need["condition"] for other, need in services[service]["depends_on"].items()}
        found.expect(needs["migrate"] == "service_completed_successfully", f"{service} does not wait for its tables")
    scrape = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    found.expect(all(service in re.search(r"names: \[(.*)\]", scrape)[1].split(", ") for service in OURS), "Prometheus does not see all services")


def everyone(found, service, what, services):
    limits = what["deploy"]["resources"]["limits"]
    found.expect({"cpus", "memory"} <= set(limits), f"{service} has no bounds")
    image = what["image"]
    found.expect(":" in image and not image.endswith(":latest"), f"{service} runs no version in particular")
    found.expect("no-new-privileges:true" in what.get("security_opt", []) or service in ONCE, f"{service} may gain rights")
    if service not in ONCE:
        test = what.get("healthcheck", {}).get("test")
        found.expect(test, f"nobody asks {service} whether it is well")
        found.expect(what["restart"] == "unless-stopped", f"{service} is not started again")
    if image.startswith("stoa:"):
        found.expect(what["read_only"] and what["cap_drop"] == ["ALL"], f"{service} has more rights than it needs")
        found.expect(what["stop_grace_period"] == "30s", f"{service} is killed before its grace is over")
        environment.look(found.expect, service, what.get("environment") or {})
    for port in what.get("ports", []):
        found.expect(port.get("host_ip") == "127.0.0.1", f"{service} is open to the network")
    for other, need in what.get("depends_on", {}).items():
        if other in services:
            condition = "service_completed_successfully" if other in ONCE else "service_healthy"
            found.expect(need["condition"] == condition, f"{service} does not wait until {other} is ready")


if __name__ == "__main__":
    main()
