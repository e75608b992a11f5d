"""Whether variables are settings: Stoa does not start with one that it does not know."""

import tomllib

from say import ROOT

# Settings that hold one list for each service.
MAPS = ("gateway.upstreams.", "rpc.upstreams.")
# Flags of commands.
OTHERS = {"STOA_ADMIN_URL"}


def known():
    """All keys of stoa.default.toml, `a.b.c`."""

    def walk(table, path):
        for key, value in table.items():
            if isinstance(value, dict):
                yield from walk(value, f"{path}{key}.")
            else:
                yield f"{path}{key}"

    return set(walk(tomllib.loads((ROOT / "stoa.default.toml").read_text()), ""))


KNOWN = known()


def look(expect, where, variables):
    for variable in variables:
        if variable in OTHERS:
            continue
        key = variable.removeprefix("STOA_").replace("__", ".").lower()
        per_service = key.endswith(".database.url") or key.startswith(MAPS)
        expect(variable.startswith("STOA_") and (key in KNOWN or per_service), f"{where} sets {variable}, which is no setting")
