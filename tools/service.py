#!/usr/bin/env python3
"""Writes a new service from tools/service/template and registers it: `make service NAME=vendors`.

    service.py NAME [--about "offers, prices and stock"] [--port 3010]

It has one table, two endpoints, one event, one job and one story, and passes its tests. What it keeps are items, until you name them:
`item` is their name in paths, schemas, permissions, codes, the event and the audit log. What was written and changed is listed; the
rest follows by `make generate`.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ABOUT = "items of people and organizations, kept for a time"
TEMPLATE = ROOT / "tools" / "service" / "template"
NAME = re.compile(r"[a-z][a-z0-9]{1,30}")
# Files that were changed, in order.
CHANGED = {}


def main():
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("name", help="of a-z and 0-9, such as vendors")
    wanted.add_argument("--about", default=ABOUT, help="what it is for, in a line, as the other rows of the table in README.md [default: %(default)s]")
    wanted.add_argument("--port", type=int, help="the port of its requests when it runs apart [default: the next]")
    given = wanted.parse_args()
    folder = ROOT / "services" / given.name
    if not NAME.fullmatch(given.name):
        sys.exit(f"'{given.name}' is no name of a service: write it of a-z and 0-9, beginning with a letter, such as vendors")
    if folder.exists():
        sys.exit(f"services/{given.name} is there already")
    # Names of events, permissions and codes are unique among services.
    for path in ROOT.glob("services/*/src/events.rs"):
        if '"item.created"' in path.read_text():
            sys.exit(f"services/{path.parent.parent.name} has items still: give them a name of their own first")
    ports = {int(port) for path in ROOT.glob("services/*/src/lib.rs") for port in re.findall(r"\bport: (\d+)", path.read_text())}
    port = given.port or max(ports) + 1
    if port in ports:
        sys.exit(f"port {port} is taken by another service")
    about = given.about.strip().rstrip(".")
    names = {
        "__name__": given.name,
        "__Name__": given.name.capitalize(),
        "__about__": about,
        "__About__": about[:1].upper() + about[1:],
        "__port__": str(port),
    }
    for path in sorted(path for path in TEMPLATE.rglob("*") if path.is_file()):
        text = path.read_text()
        for placeholder, value in names.items():
            text = text.replace(placeholder, value)
        target = folder / str(path.relative_to(TEMPLATE)).removesuffix(".in")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        print(f"wrote    {target.relative_to(ROOT)}")
    register(given.name)


def register(name):
    change("Cargo.toml", r"(stoa-users = [^\n]*\n)", rf'\1stoa-{name} = {{ path = "services/{name}" }}\n')
    change("app/Cargo.toml", r"(stoa-users\.workspace = true\n)", rf"\1stoa-{name}.workspace = true\n")
    change("app/src/services.rs", r"(    &stoa_users::SERVICE,\n)", rf"\1    &stoa_{name}::SERVICE,\n")
    change("deploy/helm/stoa/values.yaml", r"(  users:\n(?:    [^\n]*\n|      [^\n]*\n)+)", rf"\1  {name}: {{}}\n")
    for path in CHANGED:
        print(f"changed  {path}")


def change(path, pattern, replacement):
    """Changes one place of a file."""
    file = ROOT / path
    changed, count = re.subn(pattern, replacement, file.read_text(), count=1)
    if count != 1:
        sys.exit(f"{path} is not as it was: nothing matches {pattern}")
    file.write_text(changed)
    CHANGED[path] = True


if __name__ == "__main__":
    main()
