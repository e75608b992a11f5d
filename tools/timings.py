#!/usr/bin/env python3
"""`make timings`: builds what `make run` builds, from nothing, and writes how long each crate took to docs/build-times.md."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "target" / "timings"
TABLE = ROOT / "docs" / "build-times.md"
LISTED = 25

BEFORE = """# Build times

Written by `make timings`: `cargo build --release --package stoa` from an empty target, on {processors} processors. It took
**{minutes}** in all. A crate's seconds are those from its start to its end, while other crates were built beside it.

| crate | seconds | of it machine code |
|---|---:|---:|
"""


def main() -> None:
    shutil.rmtree(TARGET, ignore_errors=True)
    build = ["cargo", "build", "--release", "--locked", "--package", "stoa", "--timings"]
    done = subprocess.run(build, cwd=ROOT, env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)})
    if done.returncode:
        sys.exit(done.returncode)
    report = (TARGET / "cargo-timings" / "cargo-timing.html").read_text()
    units = json.loads(re.search(r"UNIT_DATA = (\[.*?\]);", report, re.DOTALL)[1])
    total = max(unit["start"] + unit["duration"] for unit in units)
    table = text(units, total)
    TABLE.write_text(table)
    print(table)
    print(f"written to {TABLE.relative_to(ROOT)}")
    shutil.rmtree(TARGET)


def text(units: list[dict], total: float) -> str:
    crates: dict[str, tuple[float, float]] = {}
    for unit in units:
        seconds, generated = crates.get(unit["name"], (0.0, 0.0))
        crates[unit["name"]] = (seconds + unit["duration"], generated + codegen(unit))
    ours = [name for name in crates if name == "stoa" or name.startswith("stoa-")]
    slowest = sorted(crates, key=lambda name: -crates[name][0])
    listed = [name for name in slowest[:LISTED] if name not in ours]
    others = [name for name in slowest if name not in ours and name not in listed]

    lines = [row(f"`{name}`", crates[name]) for name in slowest if name in ours]
    lines.append(row("**all of this workspace**", add(crates, ours)))
    lines += [row(name, crates[name]) for name in listed]
    lines.append(row(f"{len(others)} others", add(crates, others)))
    lines.append(row("**all dependencies**", add(crates, listed + others)))
    minutes = f"{int(total // 60)} min {int(total % 60)} s"
    return BEFORE.format(processors=os.cpu_count(), minutes=minutes) + "\n".join(lines) + "\n"


def codegen(unit: dict) -> float:
    sections = {name: span["end"] - span["start"] for name, span in unit["sections"] or []}
    return sections.get("codegen", 0.0)


def add(crates: dict[str, tuple[float, float]], names: list[str]) -> tuple[float, float]:
    return sum(crates[name][0] for name in names), sum(crates[name][1] for name in names)


def row(name: str, times: tuple[float, float]) -> str:
    return f"| {name} | {times[0]:.1f} | {times[1]:.1f} |"


if __name__ == "__main__":
    main()
