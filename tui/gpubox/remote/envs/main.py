"""The environments program: runs one verb on the box, and answers with one JSON object.

Verbs: `scan` (request: {"folders"}), `packages` and `size` ({"prefix"}), `text` ({"path"}: a file that an
export left in a job's folder), `hook SHELL` and `shell PREFIX KIND [COMMAND]` (see shell.py).
Requests are JSON on stdin; errors are {"error": {"title", "text", "hint"}}, with exit status 1.
"""

from __future__ import annotations

import os

from gpubox.remote import json_io
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    Row = Dict[str, Any]

TITLE = "Environments cannot be read"
LARGEST = 4 << 20
"""Most bytes of an exported file that are returned."""


def answer(verb: str, asked: Row) -> Row:
    """Run a verb and return its answer; raises Refused, OSError and KeyError."""
    if verb == "scan":
        folders = [str(folder) for folder in asked.get("folders") or ()]
        from gpubox.remote.envs import scan

        return scan.scan(folders)
    if verb == "text":
        return {"text": exported(str(asked["path"]))}
    prefix = str(asked["prefix"])
    if not os.path.isdir(prefix):
        raise Refused(TITLE, "%s is not there any more" % prefix)
    from gpubox.remote.envs import metadata

    return {"packages": metadata.packages(prefix)} if verb == "packages" else {"size": metadata.size(prefix)}


def exported(path: str) -> str:
    """Return a text file in the folder of a job; raises Refused for any other place."""
    from gpubox.remote import state

    jobs = os.path.realpath(state.folder("jobs"))
    real = os.path.realpath(path)
    if not real.startswith(jobs + "/"):
        raise Refused(TITLE, "%s does not lie in a job's folder" % path)
    try:
        with open(real, "rb") as file:
            return file.read(LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise Refused(TITLE, "%s: %s" % (path, error.strerror)) from None


def main(words: List[str]) -> int:
    """Answer one request, and return the exit status."""
    verb = words[0] if words else ""
    if verb in ("shell", "hook"):
        from gpubox.remote.envs import shell

        return shell.main(words)

    def work() -> int:
        if verb not in ("scan", "packages", "size", "text"):
            raise Refused("Not understood", "There is no verb %s" % ascii(verb))
        json_io.emit(answer(verb, json_io.request()))
        return 0

    os._exit(json_io.serve(TITLE, work))  # threads that wait for a dead disk are abandoned
