"""The program of fixes, run as it is on a box, over a journal of its own."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hang import LIMIT

MAIN = "gpubox.remote.fixes.main"
Row = dict[str, Any]
Tree = dict[str, tuple[str, int]]
"""Content and permission bits by path; folders have no content."""


class Refusal(Exception):
    """The program refused."""

    def __init__(self, row: Row) -> None:
        super().__init__(f"{row['title']}: {row['text']} ({row['hint']})")
        self.row = row


@dataclass
class FixesProgram:
    """The program in a folder, and its journal."""

    folder: Path
    journal: Path
    python: str = sys.executable
    environment: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def command(self) -> list[str]:
        return [self.python, "-I", "-S", str(self.folder / "run.py"), MAIN]

    def variables(self) -> dict[str, str]:
        return {**os.environ, "GPUBOX_FIXES_DIR": str(self.journal), **self.environment}

    def ask(self, verb: str, **request: object) -> Row:
        """Return the answer to a request; raises Refusal."""
        done = subprocess.run(
            [*self.command, verb],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=LIMIT,
            env=self.variables(),
        )
        assert done.stdout, done.stderr.decode()
        assert done.stderr == b""
        answer = json.loads(done.stdout)
        assert (done.returncode == 1) == ("error" in answer)
        if "error" in answer:
            raise Refusal(answer["error"])
        return answer

    def apply(self, name: str = "some-fix", **request: object) -> Row:
        """Plan a request, and apply it as planned."""
        asked = {"id": name, "check": "group.check", "title": f"Make {name}", **request}
        return self.ask("apply", **asked, token=self.ask("plan", **asked)["token"])

    def entry(self, name: str = "some-fix") -> Row:
        """Return an entry of the journal, as it is on the disk."""
        return json.loads((self.journal / name / "entry.json").read_text())

    def state(self, name: str = "some-fix") -> str:
        """Return the state of an entry as it is on the disk."""
        return str(self.entry(name)["state"])


def tree(folder: Path) -> Tree:
    """Return everything in a folder, the folder too, without what goes away while this looks."""
    found: Tree = {}
    for top, folders, names in os.walk(folder):  # unlike rglob, it bears a folder that goes away
        for path in (Path(top), *(Path(top, name) for name in (*folders, *names))):
            with suppress(FileNotFoundError):
                mode = path.lstat().st_mode
                text = path.read_text() if stat.S_ISREG(mode) else ""
                found[str(path.relative_to(folder))] = text, mode & 0o7777
    return found


def edit(path: Path, text: str | None = None, mode: int | None = None, *, remove: bool = False) -> Row:
    """Return the request for a change of a file."""
    return {"path": str(path), "text": text, "mode": mode, "remove": remove}
