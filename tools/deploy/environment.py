"""Whether variables are settings: Stoa does not start with one that it does not know."""

import tomllib

from say import ROOT

# Settings that hold one list for each service.
MAPS = ("gateway.upstreams.", "rpc.upstreams.")
# Flags of commands.
OTHERS = {"STOA_ADMIN_URL"}
# Named by deploy/ and not yet in stoa.default.toml. A line goes when its setting comes: the check then says so.
COMING = {
    "objects.access_key_id",
    "objects.endpoint",
    "objects.region",
    "objects.secret_access_key",
    "objects.url",
}


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
        expect(variable.startswith("STOA_") and (key in KNOWN | COMING or per_service), f"{where} sets {variable}, which is no setting")


def come(found):
    """The list of what is to come has nothing that has come."""
    for key in sorted(COMING & KNOWN):
        found.expect(False, f"{key} is in stoa.default.toml now: take it out of COMING in {__file__}")
