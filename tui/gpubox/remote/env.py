"""The environments program: runs one verb on the box, and answers with one JSON object.

Verbs: `scan` (request: {"folders"}), `packages` and `size` ({"prefix"}), `text` ({"path"}: a file that an
export left in a job's folder), `hook SHELL` and `shell PREFIX KIND [COMMAND]` (see envshell.py).
Requests are JSON on stdin; errors are {"error": {"title", "text", "hint"}}, with exit status 1.
"""

from __future__ import annotations

import json
import os
import sys

from gpubox.remote.json_answer import encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    Row = Dict[str, Any]

LARGEST = 4 << 20
"""Most bytes of an exported file that are returned."""


def answer(verb: str, asked: Row) -> Row:
    """Run a verb and return its answer; raises OSError, ValueError and KeyError."""
    if verb == "scan":
        folders = [str(folder) for folder in asked.get("folders") or ()]
        from gpubox.remote import envscan

        return envscan.scan(folders)
    if verb == "text":
        return {"text": exported(str(asked["path"]))}
    prefix = str(asked["prefix"])
    if not os.path.isdir(prefix):
        raise FileNotFoundError(2, "It is not there any more", prefix)
    from gpubox.remote import envmeta

    return {"packages": envmeta.packages(prefix)} if verb == "packages" else {"size": envmeta.size(prefix)}


def exported(path: str) -> str:
    """Return a text file in the folder of a job; raises ValueError for any other place."""
    from gpubox.remote import state

    jobs = os.path.realpath(state.folder("jobs"))
    real = os.path.realpath(path)
    if not real.startswith(jobs + "/"):
        raise ValueError("It does not lie in a job's folder")
    with open(real, "rb") as file:
        return file.read(LARGEST).decode("utf-8", "replace")


def main(words: List[str]) -> int:
    """Answer one request, and return the exit status."""
    verb = words[0] if words else ""
    if verb in ("shell", "hook"):
        from gpubox.remote import envshell

        return envshell.main(words)
    try:
        if verb not in ("scan", "packages", "size", "text"):
            raise ValueError("No such verb: %s" % verb)
        text = sys.stdin.buffer.read().decode("utf-8", "replace").strip()
        asked = json.loads(text) if text else {}
        reply, status = answer(verb, asked if isinstance(asked, dict) else {}), 0
    except (OSError, ValueError, KeyError) as error:
        words_of = getattr(error, "strerror", None) or str(error)
        reply, status = {"error": {"title": "Environments cannot be read", "text": words_of, "hint": ""}}, 1
    sys.stdout.buffer.write(encoded(reply) + b"\n")
    sys.stdout.flush()
    os._exit(status)  # threads that wait for a dead disk are abandoned
