"""Every metric that dashboards, rules and the adapter name is one that the source registers."""

import json
import re

import yaml

from say import DEPLOY, ROOT, Findings

# What others export, and who.
FOREIGN = {
    "up": "Prometheus",
    "node_filesystem_avail_bytes": "node-exporter",
    "node_filesystem_size_bytes": "node-exporter",
    "kubelet_volume_stats_available_bytes": "the kubelet",
    "kubelet_volume_stats_capacity_bytes": "the kubelet",
}
SOURCES = ("app", "platform", "services")
REGISTERED = re.compile(r'\b(counter|gauge|histogram)!\s*\(\s*"([a-z][a-z0-9_]*)"')
# Those of platform/telemetry/src/process.rs, which writes them itself.
WRITTEN = re.compile(r'"(process_[a-z_]+)"')
NO_METRIC = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"}


def registered():
    """Name to kind."""
    found = {}
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("src/**/*.rs"):
            text = path.read_text()
            found.update({name: kind for kind, name in REGISTERED.findall(text)})
            if path.name == "process.rs" and path.parts[-3] == "telemetry":
                found.update({name: "gauge" for name in WRITTEN.findall(text)})
    return found


def series(metrics):
    """The names that Prometheus sees of them."""
    for name, kind in metrics.items():
        yield from (f"{name}_{part}" for part in ("bucket", "sum", "count")) if kind == "histogram" else (name,)


def named(expr):
    """The metrics in an expression."""
    expr = re.sub(r'"(?:[^"\\]|\\.)*"', "", expr)
    expr = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", expr)
    expr = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", expr)
    for match in re.finditer(r"[A-Za-z_:][A-Za-z0-9_:]*(?!\s*\(|[A-Za-z0-9_:])", expr):
        if match.group() not in NO_METRIC and not expr[: match.start()].endswith("$"):
            yield match.group()


def expressions():
    """Where it stands, and the expression."""
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"]
    for path in sorted((DEPLOY / "prometheus").glob("*.rules.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                yield f"{path.name}: {rule.get('alert') or rule['record']}", rule["expr"]
    for rule in yaml.safe_load((DEPLOY / "helm" / "prometheus-adapter.yaml").read_text())["rules"]["custom"]:
        yield "prometheus-adapter.yaml", rule["seriesQuery"]


def recorded():
    for path in (DEPLOY / "prometheus").glob("*.rules.yml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (rule["record"] for rule in group["rules"] if "record" in rule)


def tested():
    """The alerts that a unit test expects to fire."""
    for path in (DEPLOY / "prometheus" / "tests").glob("*.yml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for one in test.get("alert_rule_test", []):
                if one["exp_alerts"]:
                    yield one["alertname"]


def main():
    found = Findings("metrics")
    source = registered()
    known = {*series(source), *FOREIGN, *recorded()}
    used = set()
    for where, expr in expressions():
        names = set(named(expr))
        found.expect(names, f"{where} names no metric")
        for name in sorted(names):
            found.expect(name in known, f"{where} names {name}, which nothing registers")
        used |= names
    for name in sorted(FOREIGN):
        found.expect(name in used, f"{name} is named nowhere")
    alerts = {
        rule["alert"]
        for path in (DEPLOY / "prometheus").glob("*.rules.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    for alert in sorted(alerts):
        found.expect(alert in set(tested()), f"no test makes {alert} fire")
    found.finish()


if __name__ == "__main__":
    main()
