"""A rehearsal: a copy of sshd's configuration with a change in it, and a login through a pipe to prove it."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import secrets
import shutil
import signal
import time

from gpubox.remote.checks.sshd_config import FOLDER, split
from gpubox.remote.fixes import changes, disk, drop_in, restore, sshd
from gpubox.remote.fixes.asked import name as plain_name
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional

    from gpubox.remote.fixes.asked import AskedFix
    from gpubox.remote.fixes.journal import FixJournal, FixRecord

    Row = Dict[str, Any]

CANDIDATES = ".candidates"
"""The folder of candidates in the journal."""
AGE = 600.0
"""Seconds after which a candidate is forgotten."""
FILES = 256
"""Most files of one configuration."""
DEEPEST = 16
"""Most files that include one another; sshd's own limit."""
MAIN = "sshd_config"


def rehearse(journal: FixJournal, asked: AskedFix) -> Row:
    """Write a candidate of a fix, and return its name. Refuses what sshd refuses."""
    if asked.sshd is None:
        raise nothing()
    found = changes.work_out(asked)
    texts = {one.path: one.data for one in found.files if one.part != "mode"}
    return written(journal, asked.sshd.config, texts)


def rehearse_undo(journal: FixJournal, entry: FixRecord) -> Row:
    """Write a candidate of what undoing a fix leads to, and return its name. Refuses what sshd refuses."""
    if not entry.row.get("sshd"):
        raise nothing()
    return written(journal, str(entry.row["sshd"]["config"]), restore.sshd_files(journal, entry))


def nothing() -> Refused:
    """Return the error of a request that is not about sshd."""
    return Refused("Nothing to rehearse", "The request changes nothing of sshd")


def written(journal: FixJournal, config: str, texts: Dict[str, Optional[bytes]]) -> Row:
    """Write a candidate in which some files have other texts, and None is no file; return its name."""
    name = secrets.token_hex(8)
    folder = os.path.join(journal.folder, CANDIDATES, name)
    disk.make_folder(os.path.dirname(folder), 0o700)
    disk.make_folder(folder, 0o700)
    candidate = Candidate(folder, texts)
    config = os.path.realpath(config)
    candidate.write(MAIN, candidate.copied(config, 0))
    objection = sshd.test(os.path.join(folder, MAIN))
    if objection:
        shutil.rmtree(folder, ignore_errors=True)
        candidate.names[MAIN] = config
        raise Refused("sshd refuses the change", candidate.real(objection), "Everything is as it was")
    return {"candidate": name}


class Candidate:
    """The files of a candidate; the copy of each included file has a number."""

    def __init__(self, folder: str, texts: Dict[str, Optional[bytes]]) -> None:
        self.folder = folder
        self.names: Dict[str, str] = {}
        """Which file each copy is of."""
        self._texts = texts

    def copied(self, path: str, depth: int) -> str:
        """Return a file with copies of what it includes, in the same lines."""
        if depth > DEEPEST or len(self.names) > FILES:
            raise Refused("Too many files", "The configuration of sshd has too many included files")
        data = self._texts.get(path)
        text = (disk.content(path) if data is None else data).decode("utf-8", "surrogateescape")
        return "\n".join(self._line(line, depth) for line in text.split("\n"))

    def _line(self, line: str, depth: int) -> str:
        words = split(line)
        if not words or words[0].lower() != "include":
            return line
        copies: List[str] = []
        for pattern in words[1:]:
            copies += [self._copy(path, depth) for path in self.matching(pattern)]
        return "Include " + " ".join('"%s"' % one for one in copies) if copies else "# " + line

    def _copy(self, path: str, depth: int) -> str:
        name = "%d.conf" % (len(self.names) + 1)
        self.names[name] = path
        self.write(name, self.copied(path, depth + 1))
        return os.path.join(self.folder, name)

    def matching(self, pattern: str) -> List[str]:
        """Return the files of an Include, with those that the change makes, and without those it removes."""
        pattern = pattern if pattern.startswith("/") else os.path.join(FOLDER, pattern)
        there = {os.path.realpath(path): path for path in glob.glob(pattern)}
        for path, data in self._texts.items():
            if data is None:
                there.pop(path, None)
            elif path not in there and os.path.realpath(os.path.dirname(pattern)) == os.path.dirname(path):
                whole = os.path.join(os.path.dirname(pattern), os.path.basename(path))
                if drop_in.covers(pattern, whole):
                    there[path] = whole
        return [real for real, _ in sorted(there.items(), key=lambda pair: pair[1])]

    def write(self, name: str, text: str) -> None:
        """Write a file of the candidate."""
        data = text.encode("utf-8", "surrogateescape")
        disk.write(
            os.path.join(self.folder, name), data, disk.FileAccess(0o600), os.path.join(self.folder, ".new")
        )

    def real(self, text: str) -> str:
        """Return words of sshd with the names of the real files."""
        found = re.compile(re.escape(self.folder) + r"/([\w.]+)")
        return found.sub(lambda match: self.names.get(match.group(1), match.group(0)), text)


def folder_of(journal: FixJournal, name: object) -> str:
    """Return the folder of a candidate."""
    folder = os.path.join(journal.folder, CANDIDATES, plain_name(name))
    if os.path.islink(folder) or not os.path.isfile(os.path.join(folder, MAIN)):
        raise Refused("No such candidate", "It was forgotten after %.0f minutes" % (AGE / 60), "Try again")
    return folder


def serve(folder: str) -> None:
    """Become an sshd that serves one login on stdin and stdout, with a candidate; does not return."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    program = sshd.program()
    words = ["-i", "-f", os.path.join(folder, MAIN), "-E", os.path.join(folder, "log")]
    os.execv(program, [program, *words])


def forget(journal: FixJournal, name: object) -> Row:
    """Remove a candidate; one that is gone is no error."""
    shutil.rmtree(os.path.join(journal.folder, CANDIDATES, plain_name(name)), ignore_errors=True)
    return {}


def sweep(journal: FixJournal) -> None:
    """Remove old candidates."""
    folder = os.path.join(journal.folder, CANDIDATES)
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if os.lstat(path).st_mtime < time.time() - AGE:
                shutil.rmtree(path, ignore_errors=True)
