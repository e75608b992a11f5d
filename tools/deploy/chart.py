"""Renders deploy/helm/stoa in many ways and looks at what comes out: by Kubernetes' schemas, and by what we promise."""

import json

import helm_python as helm
import kubernetes_validate
import yaml

import chart_facts
from say import DEPLOY, Findings

CHART = DEPLOY / "helm" / "stoa"
# The oldest that the chart says it runs on, and the newest that there is.
VERSIONS = ["1.30", "1.37"]
# Definitions that clusters install beside Kubernetes': its schemas do not have them.
FOREIGN = {"ServiceMonitor", "HTTPRoute"}
DIGEST = "sha256:" + "0" * 64

# Each switch of values.yaml both ways, or with and without a value; {} is the defaults.
VARIANTS = {
    "defaults": {},
    "secrets of the chart": {"secrets": {"existingSecret": "", "values": {"STOA_BUS__URL": "nats://bus:4222"}}},
    "provision": {"provision": {"enabled": True}},
    "provision with the chart's secrets": {"provision": {"enabled": True}, "secrets": {"existingSecret": ""}},
    "no migration": {"migrate": {"enabled": False}},
    "provision alone": {"provision": {"enabled": True}, "migrate": {"enabled": False}},
    "no autoscaling": {"autoscaling": {"enabled": False}},
    "no budgets": {"podDisruptionBudget": {"enabled": False}},
    "no spread": {"topologySpread": {"enabled": False}},
    "hard spread": {"topologySpread": {"whenUnsatisfiable": "DoNotSchedule"}},
    "no network policy": {"networkPolicy": {"enabled": False}, "rpc": {"tlsSecret": "rpc-tls"}},
    "a narrow network": {
        "networkPolicy": {
            "edgeFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
            "prometheusFrom": [],
            "engines": [{"name": "postgres", "ports": [6432], "for": "services", "to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}],
        }
    },
    "mail for all services": {"networkPolicy": {"engines": [{"name": "mail", "ports": [587], "for": "services"}]}},
    "ingress": {"ingress": {"enabled": True}},
    "ingress with TLS": {
        "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "cert", "annotations": {"a": "b"}}
    },
    "gateway api": {"httpRoute": {"enabled": True}},
    "service monitor": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "mutual TLS": {"rpc": {"tlsSecret": "rpc-tls"}},
    "no account": {"serviceAccount": {"create": False}},
    "an account by name": {"serviceAccount": {"name": "shop", "annotations": {"a": "b"}}},
    "an image by digest": {"image": {"digest": DIGEST}, "imagePullSecrets": [{"name": "pull"}]},
    "load balancer": {"service": {"type": "LoadBalancer", "annotations": {"a": "b"}}, "publicUrl": "https://x.example"},
    "an S3 elsewhere": {"objects": {"endpoint": "https://s3.example"}},
    "settings": {"settings": {"STOA_TELEMETRY__LOG": "debug"}, "services": {"users": {"settings": {"STOA_USERS__AVATAR_SIZE": 128}}}},
    "one service more": {
        "services": {"data_rooms": {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}], "podAnnotations": {"a": "b"}}}
    },
    "one service less": {"services": {"users": None}},
}

# Values that must be refused, and a word of why.
REFUSED = {
    "autoscalling": {"autoscalling": {"enabled": True}},
    "minReplica": {"services": {"auth": {"autoscaling": {"minReplica": 3}}}},
    "minReplicas is above": {"services": {"auth": {"autoscaling": {"minReplicas": 11}}}},
    "publicUrl": {"publicUrl": "stoa.example.com"},
    "rpc.tlsSecret": {"networkPolicy": {"enabled": False}},
    "LOG_LEVEL": {"settings": {"LOG_LEVEL": "debug"}},
}


def render(chart, values):
    """The manifests in one list; each is one document."""
    texts = chart.render(values, name="stoa", namespace="shop")
    manifests = [
        document
        for path, text in texts.items()
        if not path.endswith("NOTES.txt")
        for document in yaml.safe_load_all(text)
        if document
    ]
    return manifests, next(text for path, text in texts.items() if path.endswith("NOTES.txt"))


def lint(found):
    report = helm.lint(str(CHART), strict=True)
    for message in report["messages"]:
        # 2 is a warning, 3 an error.
        found.expect(message["severity"] < 2, f"lint: {message['path']}: {message['error']}")
    found.expect(not report["errors"], f"lint: {report['errors']}")


def by_schema(found, variant, manifests, seen):
    """Checks each manifest against Kubernetes' schemas; what was seen in another variant is not checked again."""
    for manifest in manifests:
        text = json.dumps(manifest, sort_keys=True)
        if manifest["kind"] in FOREIGN or text in seen:
            continue
        seen.add(text)
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
                found.expect(True, "")
            except kubernetes_validate.ValidationError as error:
                where = f"{manifest['kind']} {manifest['metadata']['name']}"
                found.expect(False, f"{variant}: {where} by Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}")


def switches(values, path=()):
    """Every key that says `enabled`, `create` or nothing ("") by default: each must be turned in some variant."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from switches(value, (*path, key))
        elif isinstance(value, bool) or value == "":
            yield (*path, key)


def turned(path):
    for values in VARIANTS.values():
        for key in path:
            values = values.get(key) if isinstance(values, dict) else None
        if values is not None:
            return True
    return False


def main():
    found = Findings("chart")
    lint(found)
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    for path in switches(defaults):
        if path[0] not in ("services", "serviceDefaults"):
            found.expect(turned(path) or path == ("image", "tag"), f"no variant turns {'.'.join(path)}")
    seen = set()
    explained = (CHART / "README.md").read_text()
    for key, value in defaults.items():
        words = [f"{key}.{inner}" for inner in value] if isinstance(value, dict) and value and key not in ("services", "serviceDefaults") else [key]
        for word in words:
            found.expect(f"`{word}" in explained, f"README.md does not explain {word}")
    with helm.Chart.load(str(CHART)) as chart:
        for variant, values in VARIANTS.items():
            manifests, notes = render(chart, values)
            merged = chart.merge_values(values)
            by_schema(found, variant, manifests, seen)
            chart_facts.look(found, variant, merged, manifests)
            found.expect("<no value>" not in json.dumps(manifests) + notes, f"{variant}: something has no value")
        for word, values in REFUSED.items():
            try:
                render(chart, values)
                found.expect(False, f"values are taken that should be refused: {values}")
            except helm.HelmError as error:
                found.expect(word in str(error), f"{values} is refused without the word '{word}': {error}")
    found.finish()


if __name__ == "__main__":
    main()
