#!/usr/bin/env python3
"""`make check`: what can be checked without any engine, before a commit: formatting, lints, unit tests, and the tests on SQLite of
the crates whose tests start no engine. `make test` has the rest.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A crate that has it among its dependencies starts PostgreSQL, brokers and the like in its tests.
ENGINES = "stoa-engines"


def main():
    started = time.monotonic()
    parts = [("formatting", formatting), ("lints", lints), ("tests", tests)]
    rows = []
    for name, part in parts:
        print(f"\n== {name}", flush=True)
        begun = time.monotonic()
        rows.append((name, part(), time.monotonic() - begun))
    print("\n== what ran")
    for name, ok, seconds in rows:
        print(f"{name:<12} {'ok' if ok else 'FAILED':<7} {seconds:6.0f} s")
    print(f"{'all':<20} {time.monotonic() - started:6.0f} s")
    if not all(ok for _, ok, _ in rows):
        sys.exit(1)


def formatting():
    return run(["cargo", "fmt", "--all", "--check"])


def lints():
    return run(["cargo", "clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"])


def tests():
    # As `make test` builds them: for single crates dependencies would be built again, with fewer features.
    build = ["cargo", "test", "--workspace", "--locked", "--no-run", "--message-format=json-render-diagnostics"]
    built = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode:
        return False
    failed = []
    for message in map(json.loads, built.stdout.splitlines()):
        if message.get("reason") != "compiler-artifact" or not message["profile"]["test"] or not message["executable"]:
            continue
        crate = Path(message["manifest_path"]).parent
        is_unit = "test" not in message["target"]["kind"]
        if not is_unit and ENGINES in (crate / "Cargo.toml").read_text():
            continue
        print(f"\n{crate.relative_to(ROOT)}: {message['target']['name']}", flush=True)
        if not run([message["executable"], "--quiet", "--skip", "::postgres"], crate):
            failed.append(str(crate.relative_to(ROOT)))
    if failed:
        print(f"failed: {', '.join(failed)}")
    return not failed


def run(command, folder=ROOT):
    environment = {name: value for name, value in os.environ.items() if name != "STOA_TEST_POSTGRES_URL"}
    return subprocess.run(command, cwd=folder, env=environment).returncode == 0


if __name__ == "__main__":
    main()
