"""How the checks of deploy/ tell what is wrong: all of it, then exit code 1."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


class Findings:
    """What was found wrong, and how much was looked at."""

    def __init__(self, what):
        self.what = what
        self.looked = 0
        self.wrong = []

    def expect(self, holds, words):
        """Counts one look; keeps the words if it does not hold."""
        self.looked += 1
        if not holds:
            self.wrong.append(words)
        return holds

    def finish(self):
        for words in self.wrong:
            print(f"{self.what}: {words}", file=sys.stderr)
        if self.wrong:
            sys.exit(f"{self.what}: {len(self.wrong)} of {self.looked} expectations do not hold")
        print(f"{self.what}: {self.looked} expectations hold")
