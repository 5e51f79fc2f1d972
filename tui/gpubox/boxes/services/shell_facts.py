"""Parses the lines of services.sh, which replaces remote/services.py on a box without Python."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gpubox.boxes.services.facts import ServiceFacts
from gpubox.common.listeners import WORDS, listeners
from gpubox.core.bounds import whole
from gpubox.core.json_bytes import Unreadable, decode_json

_FILE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FACTS = msgspec.json.Decoder(ServiceFacts)
_SEPARATOR = "\x1f"
_MOST = 2000
"""Most lines of one kind."""


class _Lines:
    """The facts of one answer, in the shape of remote/services.py."""

    def __init__(self) -> None:
        self.uid = -1
        self.proc = True
        self.listeners: list[dict[str, object]] = []
        self.inodes: dict[str, dict[str, object]] = {}
        self.processes: dict[str, dict[str, object]] = {}
        self.files: dict[str, list[dict[str, object]]] = {"j": [], "b": []}
        self._each: dict[str, Callable[[str], None]] = {
            "u": self._user,
            "n": self._none,
            "t": self._table,
            "h": self._holder,
            "p": self._process,
            "w": self._words,
            "f": self._folder,
            "j": lambda rest: self._file("j", rest),
            "b": lambda rest: self._file("b", rest),
        }

    def take(self, line: str) -> None:
        """Parse a line; a malformed one is skipped."""
        kind, _, rest = line.partition(" ")
        if kind in self._each:
            self._each[kind](rest)

    def _user(self, rest: str) -> None:
        uid = whole(rest)
        self.uid = -1 if uid is None else uid

    def _none(self, _: str) -> None:
        self.proc = False

    def _table(self, rest: str) -> None:
        if len(self.listeners) < _MOST:
            for row in listeners(rest):
                self.inodes[str(row.pop("inode"))] = row
                self.listeners.append(row)

    def _holder(self, rest: str) -> None:
        pid, _, inode = rest.partition(" ")
        row, number = self.inodes.get(inode.strip()), whole(pid)
        if row is not None and "pid" not in row and number is not None:
            row["pid"] = number

    def _process(self, rest: str) -> None:
        pid, uid, user, name = [*rest.split(" ", 3), "", "", ""][:4]
        number = whole(uid)
        if whole(pid) is not None and number is not None and len(self.processes) < _MOST:
            self.processes[pid] = {"name": name, "uid": number, "user": user}

    def _words(self, rest: str) -> None:
        pid, _, text = rest.partition(" ")
        words = text.rstrip(_SEPARATOR).split(_SEPARATOR)
        if pid in self.processes:
            self.processes[pid]["words"] = words[:WORDS]

    def _folder(self, rest: str) -> None:
        pid, _, folder = rest.partition(" ")
        if pid in self.processes:
            self.processes[pid]["folder"] = folder

    def _file(self, kind: str, rest: str) -> None:
        owner, _, text = rest.partition(" ")
        number = whole(owner)
        try:
            value = decode_json(text, _FILE)
        except Unreadable:
            return
        if number is not None and len(self.files[kind]) < _MOST:
            self.files[kind].append({**value, "owner": number})


def read(answer: bytes) -> ServiceFacts | None:
    """Return the facts of an answer, or None when there is none; malformed lines are skipped."""
    if not answer:
        return None
    lines = _Lines()
    for line in answer.decode("utf-8", "replace").split("\n"):
        lines.take(line)
    processes = lines.processes.values()
    users = {process["uid"]: process["user"] for process in processes if process["user"]}
    for row in (*processes, *lines.listeners):  # one that ended just then has no name of its user
        row["user"] = users.get(row["uid"], f"{row['uid']}")
    document = {
        "v": 1,
        "uid": lines.uid,
        "proc": lines.proc,
        "listeners": lines.listeners,
        "processes": lines.processes,
        "jupyter": lines.files["j"],
        "tensorboard": lines.files["b"],
    }
    try:
        return decode_json(msgspec.json.encode(document), _FACTS)
    except (Unreadable, OverflowError):
        return None
