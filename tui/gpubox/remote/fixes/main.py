"""The program of fixes: takes a verb as argument and a request as JSON on stdin, and answers with JSON.

It runs on the box, as the user for the user's own files, and as root for those of the system. A refused
request is answered with {"error": {"title", "text", "hint"}} and exit code 1. Verbs:

plan      what a request would change; changes nothing
apply     make the change; one of sshd is `guarded`: a process takes it back unless it is kept in time
keep      a guarded change stays
undo      restore what a fix changed
list      the journal, newest first
rehearse  write a candidate of sshd's configuration: with a change, or with that of `undo` taken back
serve     serve one login on stdin and stdout with the candidate named by the next word
forget    remove that candidate
"""

from __future__ import annotations

import contextlib
import signal

from gpubox.remote import json_io
from gpubox.remote.fixes import apply, programs, rehearsal
from gpubox.remote.fixes.asked import AskedFix
from gpubox.remote.fixes.asked import name as plain_name
from gpubox.remote.fixes.journal import FixJournal, FixRecord
from gpubox.remote.fixes.recovery import recover, seconds_left
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Callable, Dict, List

    Row = Dict[str, Any]
    Verb = Callable[[FixJournal, Row, Dict[str, str]], Row]


def say(value: Row) -> None:
    """Write an answer as one line; nobody may be there to read it."""
    with contextlib.suppress(BrokenPipeError):
        json_io.emit(value)


def listing(journal: FixJournal, _: Row, failed: Dict[str, str]) -> Row:
    """Return all entries, newest first, without what was in the files."""
    return {"entries": [row_of(entry, failed.get(entry.id, "")) for entry in journal.entries()]}


def row_of(entry: FixRecord, trouble: str) -> Row:
    """Return what `list` says of an entry; a reload that leaves nothing to undo is `done`."""
    commands = entry.row.get("commands") or ()
    undoable = entry.row.get("files") or entry.row.get("sshd") or any(one["undo"] for one in commands)
    state = entry.row.get("state") or ""
    return {
        **{key: entry.row.get(key) or "" for key in ("check", "title", "user", "why")},
        "id": entry.id,
        "state": "done" if state == "applied" and not undoable else state,
        "time": entry.row.get("time") or 0,
        "paths": entry.paths(),
        "commands": [command["do"] for command in commands],
        "seconds_left": seconds_left(entry),
        "sshd": bool(entry.row.get("sshd")),
        "left": entry.row.get("left") or [],
        "trouble": trouble,
    }


VERBS: Dict[str, Verb] = {
    "plan": lambda _, asked, __: apply.plan(AskedFix(asked)),
    "apply": lambda journal, asked, _: apply.apply(journal, AskedFix(asked)),
    "keep": lambda journal, asked, _: apply.keep(journal.entry(plain_name(asked.get("id")))),
    "undo": lambda journal, asked, _: apply.undo(
        journal, journal.entry(plain_name(asked.get("id"))), force=asked.get("force") is True
    ),
    "list": listing,
    "rehearse": lambda journal, asked, _: (
        rehearsal.rehearse_undo(journal, journal.entry(plain_name(asked["undo"])))
        if "undo" in asked
        else rehearsal.rehearse(journal, AskedFix(asked))
    ),
    "forget": lambda journal, asked, _: rehearsal.forget(journal, asked.get("candidate")),
}
CREATES = ("apply", "rehearse")
"""Verbs that make the journal where there is none."""
UNINTERRUPTED = ("apply", "undo")
"""Verbs that go on when the login ends."""


def serve(words: List[str]) -> int:
    """Serve one request; returns the exit code."""
    verb = words[0] if words else ""
    if verb == "serve" and len(words) == 2:
        with FixJournal(create=False) as journal:
            recover(journal)
            folder = rehearsal.folder_of(journal, words[1])
        rehearsal.serve(folder)
    if verb not in VERBS or len(words) > (2 if verb == "forget" else 1):
        raise Refused("Not understood", "There is no verb %s" % ascii(" ".join(words))[:200])
    asked: Row = {"candidate": words[1]} if len(words) == 2 else json_io.request()
    if verb in UNINTERRUPTED:
        programs.endure(signal.SIGHUP, signal.SIGTERM)
    with FixJournal(create=verb in CREATES) as journal:
        failed = recover(journal)
        rehearsal.sweep(journal)
        answer = VERBS[verb](journal, asked, failed)
    say(answer)
    return 0


def main(words: List[str]) -> int:
    """Serve one request, or answer why not; returns the exit code."""
    return json_io.serve("Fixes failed on the box", lambda: serve(words))
