#!/usr/bin/env python3
"""Writes what documents and deployment files say of the services: `make generate`.

    stoa services --json | generate.py            fails, and names the files that are not what this writes
    stoa services --json | generate.py --write    writes them

What is written stands between two comments, `generated: NAME` and `end`; the rest of a file is kept by hand. Endpoints are read from
docs/openapi.json, settings from each service's defaults.toml.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGION = re.compile(r"(?m)^(?P<begin> *(?:#|<!--) generated: (?P<name>\w+).*\n)(?P<text>(?:.*\n)*?)(?P<end> *(?:#|<!--) end\b.*)$")


def table(head, rows):
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|").replace("<", "&lt;") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(words):
    return ", ".join(f"`{word}`" for word in words)


def who(operation):
    """Who may call it."""
    if permission := operation.get("x-permission"):
        return f"`{permission}`"
    if owned := operation.get("x-owned"):
        return f"signed in, an organization's {code(owned['organization_roles'])}; an API key with `{owned['scope']}`"
    if scope := operation.get("x-scope"):
        return f"signed in; an API key with `{scope}`"
    if operation.get("x-person"):
        return "signed in, no API key"
    return "anybody" if {} in operation["security"] else "signed in"


def endpoints(service, paths):
    rows = []
    for route in service["routes"]:
        operation = paths[route["path"]][route["method"].lower()]
        rows.append([f"`{route['method']} {route['path']}`", who(operation), operation["summary"].rstrip(".")])
    return table(["Endpoint", "Who", "What"], rows)


def codes(service):
    return table(["Code", "Status", "Title"], ([f"`{one['code']}`", str(one["status"]), one["title"]] for one in service["codes"]))


def events(service):
    rows = ([f"`{one['name']}`", one["about"].rstrip("."), f"`{one['key']}`", code(one["fields"])] for one in service["emits"])
    emitted = table(["Emits", "When", "Key", "Data"], rows) if service["emits"] else "Emits no events.\n"
    return f"{emitted}\nFollows {code(service['wants']) or 'no events'}.\n"


def settings(service):
    """A row for each comment of defaults.toml and the keys below it."""
    text = (ROOT / "services" / service["name"] / "defaults.toml").read_text()
    section, values = "", tomllib.loads(text)[service["name"]]
    rows, about = [], []
    for line in text.splitlines():
        if header := re.fullmatch(r"\[\w+\.?(.*)\]", line):
            section, about = header[1] and f"{header[1]}.", []
        elif line == "# {services}":
            rows.append([f"`{section}*`", "", " ".join(about)])
        elif line.startswith("#"):
            about = [line.removeprefix("#").strip()] if line_before_was_key else [*about, line.removeprefix("#").strip()]
        elif key := re.match(r"(\w+) =", line):
            value = values
            for part in f"{section}{key[1]}".split("."):
                value = value[part]
            keys, defaults = f"`{section}{key[1]}`", f"`{json.dumps(value, ensure_ascii=False)}`"
            if line_before_was_key:
                keys, defaults = f"{rows[-1][0]}, {keys}", f"{rows[-1][1]}, {defaults}"
                rows.pop()
            rows.append([keys, defaults, " ".join(about)])
        line_before_was_key = bool(re.match(r"\w+ =", line))
    return table(["Key", "Default", "What"], rows)


def list_of(services):
    return table(["Service", "What"], ([f"[{one['name']}](services/{one['name']})", one["about"]] for one in services))


def compose_names(services):
    """How the processes of deploy/compose.yaml reach one another."""
    behind = [one["name"] for one in services if one["name"] != "gateway"]
    lines = ["x-calls: &calls"]
    lines += [f"""  STOA_RPC__UPSTREAMS__{name.upper()}: '["http://{name}:3001"]'""" for name in behind]
    lines += ["x-upstreams: &upstreams"]
    lines += [f"""  STOA_GATEWAY__UPSTREAMS__{name.upper()}: '["http://{name}.services:3000"]'""" for name in behind]
    lines += ["x-healthy: &all-healthy"]
    lines += [f"  {name}: {{condition: service_healthy}}" for name in behind]
    return "".join(f"{line}\n" for line in lines)


def compose_processes(services, text):
    blocks = []
    for name in (one["name"] for one in services if one["name"] != "gateway"):
        given = f"{{<<: [*behind, *{name}]}}" if f"&{name}\n" in text else "*behind"
        blocks.append(
            f"  {name}:\n"
            "    <<: *process\n"
            f"    command: [--config, /etc/stoa/databases.toml, serve, --only, {name}]\n"
            f"    environment: {given}\n"
            f"    networks: {{default: {{}}, services: {{aliases: [{name}.services]}}}}\n"
        )
    return "\n".join(blocks)


def written(services):
    """Each file, and what makes its regions."""
    paths = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    yield "README.md", {"services": lambda _: list_of(services)}
    yield "deploy/compose.yaml", {
        "names": lambda _: compose_names(services),
        "processes": lambda text: compose_processes(services, text),
    }
    yield "deploy/prometheus/prometheus.yml", {
        "names": lambda _: f"      - names: [{', '.join(one['name'] for one in services)}]\n",
    }
    for one in services:
        regions = {"settings": lambda _, one=one: settings(one)}
        if one["routes"]:
            regions["endpoints"] = lambda _, one=one: endpoints(one, paths)
        if one["codes"]:
            regions["codes"] = lambda _, one=one: codes(one)
        if one["emits"] or one["wants"]:
            regions["events"] = lambda _, one=one: events(one)
        yield f"services/{one['name']}/README.md", regions


def main():
    services, wrong = json.load(sys.stdin), []
    for path, regions in written(services):
        text = (ROOT / path).read_text()
        found = {match["name"] for match in REGION.finditer(text)}
        if found != set(regions):
            sys.exit(f"{path} has the generated parts {sorted(found)}, and should have {sorted(regions)}")
        blank = "\n" if path.endswith(".md") else ""
        new = REGION.sub(lambda match: f"{match['begin']}{blank}{regions[match['name']](text)}{blank}{match['end']}", text)
        if new != text:
            wrong.append(path)
            if "--write" in sys.argv[1:]:
                (ROOT / path).write_text(new)
    if wrong and "--write" not in sys.argv[1:]:
        sys.exit(f"out of date: {', '.join(wrong)}; run `make generate` and look at what changed")


if __name__ == "__main__":
    main()
