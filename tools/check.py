#!/usr/bin/env python3
"""`make check`: what can be checked without any engine, before a commit: formatting, lints, unit tests, and the tests on SQLite of
the crates whose tests start no engine. `make test` has the rest.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
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
    libraries = subprocess.run(["rustc", "--print", "target-libdir"], stdout=subprocess.PIPE, text=True, check=True)
    binaries = []
    for message in map(json.loads, built.stdout.splitlines()):
        if message.get("reason") != "compiler-artifact" or not message["profile"]["test"] or not message["executable"]:
            continue
        crate = Path(message["manifest_path"]).parent
        is_unit = "test" not in message["target"]["kind"]
        if is_unit or ENGINES not in (crate / "Cargo.toml").read_text():
            binaries.append((is_unit, crate, message["executable"]))
    # Two at a time: many tests wait for a time rather than for a processor. Those of whole crates first, for they take longest.
    with ThreadPoolExecutor(max_workers=2) as pool:
        done = list(pool.map(lambda one: test(*one, libraries.stdout.strip()), sorted(binaries)))
    failed = [name for name, ok in done if not ok]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return not failed


def test(is_unit, crate, executable, libraries):
    """Runs one test binary as cargo does, and prints what it said in one piece."""
    name = f"{crate.relative_to(ROOT)} ({'unit' if is_unit else 'integration'})"
    started = time.monotonic()
    command = [executable, "--quiet", "--skip", "::postgres"]
    done = subprocess.run(
        command,
        cwd=crate,
        env=environment(LD_LIBRARY_PATH=libraries),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(f"\n{name}, {time.monotonic() - started:.0f} s\n{done.stdout.strip()}", flush=True)
    return name, done.returncode == 0


def run(command):
    return subprocess.run(command, cwd=ROOT, env=environment()).returncode == 0


def environment(**more):
    return {name: value for name, value in os.environ.items() if name != "STOA_TEST_POSTGRES_URL"} | more


if __name__ == "__main__":
    main()
