"""Looks at what the image is made of: rights, health, and that all which cargo needs is let in."""

import re
import tomllib

import environment
from say import DEPLOY, ROOT, Findings


def main():
    found = Findings("image")
    text = (DEPLOY / "docker" / "Dockerfile").read_text()
    last = text[text.rindex("\nFROM ") :]
    user = re.search(r"^USER (\S+)", last, re.M)
    found.expect(user and re.fullmatch(r"[1-9]\d*:[1-9]\d*", user[1]), "it does not run by a number that is not root's")
    found.expect('HEALTHCHECK' in last and '"stoa", "health"' in last, "nobody asks it whether it is well")
    found.expect(re.search(r"^ENTRYPOINT \[", last, re.M), "its entry point needs a shell")
    for label in ("title", "description", "licenses", "version", "revision", "created"):
        found.expect(f"org.opencontainers.image.{label}=" in last, f"it has no label {label}")
    environment.look(found.expect, "the image", re.findall(r"\b(STOA_[A-Z_]+)=", last))
    rust = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    found.expect(f"RUST_VERSION={rust}" in text, f"it is not built by Rust {rust}")
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    found.expect(f"VERSION={version}\n" in last, f"it does not say that it is {version}")

    let_in = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    members = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]
    for path in ["Cargo.toml", "Cargo.lock", "stoa.default.toml", *members]:
        top = path.split("/")[0]
        found.expect(f"!{top}" in let_in, f"cargo needs {top}, which the build is not given")
    found.finish()


if __name__ == "__main__":
    main()
