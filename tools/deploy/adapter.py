"""Turns the query of prometheus-adapter into a recording rule for promtool, with a test of what a pod is said to serve.

    adapter.py FOLDER    writes adapter.rules.yml and adapter.yml there
"""

import sys
from pathlib import Path

import yaml

from say import DEPLOY


def main():
    folder = Path(sys.argv[1])
    (rule,) = yaml.safe_load((DEPLOY / "helm" / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    name = rule["name"]["as"]
    # As the adapter does for a HorizontalPodAutoscaler's pods.
    query = (
        rule["metricsQuery"]
        .replace("<<.Series>>", rule["seriesQuery"].split("{")[0])
        .replace("<<.LabelMatchers>>", 'namespace="shop",pod=~"stoa-auth-1|stoa-auth-2"')
        .replace("<<.GroupBy>>", "pod")
    )
    groups = {"groups": [{"name": "adapter", "rules": [{"record": name, "expr": query}]}]}
    (folder / "adapter.rules.yml").write_text(yaml.safe_dump(groups))
    # A pod each: 1,200 requests a second, and 600 of which 200 are probes.
    series = {
        'pod="stoa-auth-1",namespace="shop",route="/a",status="2xx"': 18000,
        'pod="stoa-auth-2",namespace="shop",route="/a",status="2xx"': 6000,
        'pod="stoa-auth-2",namespace="shop",route="/health/ready",status="2xx"': 3000,
        'pod="stoa-users-1",namespace="shop",route="/a",status="2xx"': 900,
    }
    test = {
        "interval": "15s",
        "input_series": [
            {"series": f"http_request_duration_seconds_count{{{labels}}}", "values": f"0+{step}x20"}
            for labels, step in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": name,
                "eval_time": "4m",
                "exp_samples": [
                    {"labels": f'{name}{{pod="stoa-auth-1"}}', "value": 1200},
                    {"labels": f'{name}{{pod="stoa-auth-2"}}', "value": 400},
                ],
            }
        ],
    }
    (folder / "adapter.yml").write_text(yaml.safe_dump({"rule_files": ["adapter.rules.yml"], "evaluation_interval": "15s", "tests": [test]}))


if __name__ == "__main__":
    main()
