"""Writes deploy/grafana/dashboards/*.json from what stands here: one line a panel.

    dashboards.py            checks that the files are what this writes, and that Grafana can use them
    dashboards.py --write    writes them
"""

import json
import sys

from say import DEPLOY, Findings

FOLDER = DEPLOY / "grafana" / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# The processes chosen above the panels; health pages and metrics are no work.
P = 'process=~"$process"'
WORK = P + ',route!~"/health.*|/metrics"'
RATE = "[$__rate_interval]"
REQUESTS = "http_request_duration_seconds"


def quantiles(histogram, by, matchers=P):
    """The median, p95 and p99 of a histogram."""
    return [
        (f"histogram_quantile({q}, sum by ({by}, le) (rate({histogram}_bucket{{{matchers}}}{RATE})))", f"p{q * 100:.0f} {{{{{by}}}}}")
        for q in (0.5, 0.95, 0.99)
    ]


def rate(counter, by, matchers=P):
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return [(f"sum by ({by}) (rate({counter}{{{matchers}}}{RATE}))", legend)]


def gauge(name, by, matchers=P, how="sum"):
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return [(f"{how} by ({by}) ({name}{{{matchers}}})", legend)]


def share(part, whole, by):
    return [(f"sum by ({by}) (rate({part}{RATE})) / sum by ({by}) (rate({whole}{RATE}))", f"{{{{{by}}}}}")]


# name: (title, [(panel's title, unit, width of 24, queries, what it tells)])
DASHBOARDS = {
    "requests": (
        "Requests",
        [
            ("Requests a second", "reqps", 12, rate(f"{REQUESTS}_count", "process", WORK), "Work, without probes and scrapes."),
            ("In flight", "short", 12, gauge("http_requests_in_flight", "process"), "Requests that are being answered."),
            ("Requests a second by route", "reqps", 24, rate(f"{REQUESTS}_count", "method, route", WORK), "Where the load is."),
            ("Processor", "percentunit", 12, rate("process_cpu_seconds_total", "process, instance"), "1 is one core."),
            ("Memory", "bytes", 12, gauge("process_resident_memory_bytes", "process, instance"), "Held by each process."),
            ("Files and sockets", "percentunit", 12, [(f"process_open_fds{{{P}}} / process_max_fds{{{P}}}", "{{process}} {{instance}}")], "Open, of those allowed."),
            ("Threads", "short", 12, gauge("process_threads", "process, instance"), "Of each process."),
        ],
    ),
    "errors": (
        "Errors",
        [
            ("Budget burnt, 1 h", "percentunit", 12, [(f"process:stoa_http_errors:ratio_rate1h{{{P}}}", "{{process}}")], "The objective is 0.1 %; 1.44 % pages."),
            ("Budget burnt, 3 d", "percentunit", 12, [(f"process:stoa_http_errors:ratio_rate3d{{{P}}}", "{{process}}")], "Above 0.1 % the month's budget does not last."),
            ("5xx a second by route", "reqps", 24, rate(f"{REQUESTS}_count", "method, route", WORK + ',status="5xx"'), "Ours to mend."),
            ("4xx a second by route", "reqps", 24, rate(f"{REQUESTS}_count", "method, route", WORK + ',status="4xx"'), "The callers' to mend; a jump may be ours."),
            ("Answers by class", "reqps", 24, rate(f"{REQUESTS}_count", "status", WORK), "1xx to 5xx."),
        ],
    ),
    "latency": (
        "Latency",
        [
            ("Duration", "s", 24, quantiles(REQUESTS, "process", WORK), "Median, p95 and p99 of each process."),
            ("Slower than 250 ms, 1 h", "percentunit", 12, [(f"process:stoa_http_slow:ratio_rate1h{{{P}}}", "{{process}}")], "The objective is 1 %; 14.4 % pages."),
            ("Slower than 250 ms, 3 d", "percentunit", 12, [(f"process:stoa_http_slow:ratio_rate3d{{{P}}}", "{{process}}")], "Above 1 % the month's budget does not last."),
            ("p99 by route", "s", 24, [(f"topk(15, histogram_quantile(0.99, sum by (method, route, le) (rate({REQUESTS}_bucket{{{WORK}}}{RATE}))))", "{{method}} {{route}}")], "The fifteen slowest."),
        ],
    ),
    "jobs": (
        "Queues and jobs",
        [
            ("Jobs a second by outcome", "ops", 12, rate("stoa_jobs_total", "outcome"), "done; failed: tried again; dead: given up; refused: by whom it was for; lost: taken by another."),
            ("Jobs a second by queue", "ops", 12, rate("stoa_jobs_total", "queue"), "All attempts."),
            ("Duration by queue, p99", "s", 12, quantiles("stoa_job_seconds", "queue")[2:], "One attempt."),
            ("Given up", "short", 12, [(f'sum by (queue) (increase(stoa_jobs_total{{{P},outcome="dead"}}[$__range]))', "{{queue}}")], "Dead letters within the time shown."),
            ("Waiting", "short", 8, gauge("stoa_jobs_ready", "service", how="max"), "Jobs to be done, now or later."),
            ("Dead letters kept", "short", 8, gauge("stoa_jobs_dead", "service", how="max"), "Until somebody replays or drops them with stoa jobs, for 90 days at most."),
            ("Outbox", "short", 8, gauge("stoa_outbox_events", "service", how="max"), "Events not yet with the bus."),
            ("Oldest in the outbox", "s", 24, gauge("stoa_outbox_lag_seconds", "service", how="max"), "How far effects lag behind commits."),
            ("Audit entries unsealed", "short", 12, gauge("stoa_audit_unsealed", "service", how="max"), "Not in the hash chain yet, counted up to 100,000."),
            ("Oldest unsealed audit entry", "s", 12, gauge("stoa_audit_unsealed_age_seconds", "service", how="max"), "Above a second or two sealing does not keep up."),
        ],
    ),
    "database": (
        "Database",
        [
            ("Wait for a connection", "s", 24, quantiles("stoa_db_pool_wait_seconds", "service"), "Above 100 ms the pool is too small, or statements too slow."),
            ("Waits a second", "ops", 12, rate("stoa_db_pool_wait_seconds_count", "service"), "Transactions that asked for a connection."),
            ("Disk free", "percentunit", 12, [('node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"} / node_filesystem_size_bytes', "{{instance}} {{mountpoint}}")], "At 10 % somebody is woken."),
        ],
    ),
    "bus": (
        "Bus",
        [
            ("Published a second", "ops", 12, rate("stoa_bus_published_total", "process, bus"), "Events handed over by the relays."),
            ("Received a second", "ops", 12, rate("stoa_bus_received_total", "service, outcome"), "Events that came to subscribers."),
            ("Time to publish", "s", 24, quantiles("stoa_bus_publish_seconds", "bus"), "Until the bus has said that it keeps them."),
        ],
    ),
    "cache": (
        "Cache",
        [
            ("Failures a second", "ops", 12, rate("stoa_cache_errors_total", "process, operation"), "Served without the cache."),
            ("On its own", "short", 12, gauge("stoa_cache_fallback", "process, instance", how="max"), "1: limits are counted by this process alone."),
        ],
    ),
    "upstreams": (
        "Upstreams",
        [
            ("Healthy replicas", "short", 12, gauge("stoa_upstream_healthy", "instance, service"), "As each gateway sees them."),
            ("Requests a second", "reqps", 12, rate("stoa_upstream_requests_total", "service, outcome"), "By how they ended."),
            ("By replica", "reqps", 12, rate("stoa_upstream_requests_total", "service, upstream"), "Whether the load is spread."),
            ("Duration, p99", "s", 12, quantiles("stoa_upstream_request_seconds", "service")[2:], "From the gateway to the service and back."),
            ("Retries a second", "ops", 8, rate("stoa_upstream_retries_total", "service"), "Sent once more, to another replica."),
            ("Breakers open", "short", 8, gauge("stoa_upstream_breaker_open", "service", how="max"), "1: callers are refused at once."),
            ("Tunnels", "short", 8, gauge("stoa_upstream_tunnels", "service"), "Sockets held open."),
        ],
    ),
    "sign-in": (
        "Sign-in",
        [
            ("Sign-ins a second", "ops", 12, rate("stoa_auth_logins_total", "outcome"), "By how they ended."),
            ("Held back a second", "ops", 12, [(f"sum(rate(stoa_auth_limited_total{{{P}}}{RATE}))", "limited")], "Attempts beyond a limit."),
            ("Passwords a second", "ops", 12, rate("stoa_auth_passwords_total", "what"), "Hashed and checked: the most costly thing that auth does."),
        ],
    ),
}


def panel(number, place, title, unit, width, queries, tells):
    return {
        "id": number,
        "type": "timeseries",
        "title": title,
        "description": tells,
        "datasource": SOURCE,
        "gridPos": {**place, "w": width, "h": 8},
        "fieldConfig": {
            "defaults": {"unit": unit, "min": 0, "custom": {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never"}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for index, (expr, legend) in enumerate(queries)
        ],
    }


def lay(panels):
    """Left to right, then the next row."""
    x = y = 0
    for number, (title, unit, width, queries, tells) in enumerate(panels, 1):
        if x + width > 24:
            x, y = 0, y + 8
        yield panel(number, {"x": x, "y": y}, title, unit, width, queries, tells)
        x += width


def dashboard(name, title, panels):
    return {
        "uid": f"stoa-{name}",
        "title": f"Stoa: {title}",
        "tags": ["stoa"],
        "editable": False,
        "schemaVersion": 41,
        "version": 1,
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "timezone": "browser",
        "graphTooltip": 1,
        "links": [{"type": "dashboards", "title": "Stoa", "tags": ["stoa"], "asDropdown": False, "keepTime": True, "includeVars": True}],
        "annotations": {"list": []},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source", "current": {}},
                {
                    "name": "process",
                    "type": "query",
                    "label": "Process",
                    "datasource": SOURCE,
                    "query": {"query": 'label_values(up{job="stoa"}, process)', "refId": "process"},
                    "includeAll": True,
                    # Also the processes without the label: there is one in the embedded shape.
                    "allValue": ".*",
                    "multi": True,
                    "refresh": 2,
                    "sort": 1,
                    "current": {"text": ["All"], "value": ["$__all"]},
                },
            ]
        },
        "panels": list(lay(panels)),
    }


def look(found, name, board):
    """What Grafana needs of a dashboard, whoever wrote it."""
    for key in ("uid", "title", "panels", "schemaVersion", "templating", "time"):
        found.expect(key in board, f"{name} has no {key}")
    variables = {variable["name"] for variable in board["templating"]["list"]}
    found.expect("datasource" in variables, f"{name} lets nobody choose the source")
    numbers = [one["id"] for one in board["panels"]]
    found.expect(len(numbers) == len(set(numbers)), f"{name} has two panels of one id")
    taken = set()
    for one in board["panels"]:
        place = one["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        where = f"{name}: {one['title']}"
        found.expect(not cells & taken, f"{where} overlaps another panel")
        found.expect(place["x"] + place["w"] <= 24, f"{where} is wider than the page")
        taken |= cells
        found.expect(one["datasource"]["uid"] == "${datasource}", f"{where} has a source of its own")
        found.expect(one["targets"] and one["description"] and one["fieldConfig"]["defaults"]["unit"], f"{where} tells too little")
        letters = [target["refId"] for target in one["targets"]]
        found.expect(len(letters) == len(set(letters)), f"{where} has two queries of one name")


def main():
    made = {name: dashboard(name, *parts) for name, parts in DASHBOARDS.items()}
    texts = {FOLDER / f"{name}.json": json.dumps(board, indent=2) + "\n" for name, board in made.items()}
    if sys.argv[1:] == ["--write"]:
        for path in FOLDER.glob("*.json"):
            path.unlink()
        for path, text in texts.items():
            path.write_text(text)
        return
    found = Findings("dashboards")
    paths = set(FOLDER.glob("*.json"))
    found.expect(paths == set(texts), f"the files are {sorted(path.name for path in paths)}")
    for path in sorted(paths):
        found.expect(path.read_text() == texts.get(path), f"{path.name} is not what tools/deploy/dashboards.py --write writes")
        look(found, path.name, json.loads(path.read_text()))
    identities = [json.loads(path.read_text())["uid"] for path in paths]
    found.expect(len(identities) == len(set(identities)), "two dashboards have one uid")
    found.finish()


if __name__ == "__main__":
    main()
