"""The journal: a folder for each fix, with what it changed and the files from before; readable with `cat`.

A fix's folder has entry.json and the files from before as N.before. One lock keeps all others out.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time

from gpubox.remote import state
from gpubox.remote.fixes import disk
from gpubox.remote.fixes.asked import ID
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional

    Row = Dict[str, Any]

ROOT = "/var/lib/gpubox/fixes"
"""The journal of root, where no user can write."""
PATIENCE = 20.0
"""Seconds that one request waits for another."""
PACE = 0.05
"""Seconds between two tries for the lock."""
OVER = ("undone", "rolled-back")
"""The states of a fix of which nothing is left; the others are prepared, undoing, applied, guarded, kept."""
HALF = ("prepared", "undoing")
"""The states of a fix on which a request is at work, or has died."""
MOST = 300
"""Fixes of which nothing is left are forgotten beyond this number."""


def location() -> str:
    """Return the folder of the journal of the user who runs this."""
    given = os.environ.get("GPUBOX_FIXES_DIR", "")
    if given:
        return os.path.abspath(given)
    return ROOT if os.geteuid() == 0 else os.path.join(state.root(), "fixes")


def folder_mode() -> int:
    """Return the permission bits of our folders: what root changed may be read, but for the backups."""
    return 0o755 if os.geteuid() == 0 else 0o700


def load(folder: str) -> Optional[Row]:
    """Return the entry in a folder, or None when it has none."""
    try:
        with open(os.path.join(folder, "entry.json"), "rb") as file:
            found = json.loads(file.read().decode())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


class FixRecord:
    """The entry of one fix."""

    def __init__(self, folder: str, row: Row) -> None:
        self.folder = folder
        self.row = row

    @property
    def id(self) -> str:
        """Its id."""
        return os.path.basename(self.folder)

    @property
    def state(self) -> str:
        """Its state."""
        return str(self.row.get("state"))

    @property
    def number(self) -> int:
        """Its place in the order of all fixes."""
        return int(self.row.get("number") or 0)

    def save(self, **changed: object) -> None:
        """Write the entry, durably. Raises OSError."""
        self.row.update(changed)
        data = (json.dumps(self.row, indent=2) + "\n").encode()
        access = disk.FileAccess(0o644 if os.geteuid() == 0 else 0o600)
        temporary = os.path.join(self.folder, ".entry.json")
        disk.write(os.path.join(self.folder, "entry.json"), data, access, temporary)

    def keep(self, name: str, data: bytes) -> str:
        """Store a file from before, durably; return its name. Raises OSError."""
        temporary = os.path.join(self.folder, "." + name)
        disk.write(os.path.join(self.folder, name), data, disk.FileAccess(0o600), temporary)
        return name

    def backup(self, name: str) -> bytes:
        """Return a file from before. Raises OSError."""
        return disk.content(os.path.join(self.folder, name))

    def paths(self) -> List[str]:
        """Return the files that it changed."""
        return [str(file["path"]) for file in self.row.get("files", ())]


class FixJournal:
    """The journal, locked while the block lasts; without `create`, one that does not exist stays so."""

    def __init__(self, *, create: bool, folder: str = "", patience: float = PATIENCE) -> None:
        self.folder = folder or location()
        self._create = create
        self._patience = patience
        self._lock = -1

    def __enter__(self) -> FixJournal:
        if self._create:
            make(self.folder)
        elif not os.path.isdir(self.folder):
            return self
        check(self.folder)
        self._lock = os.open(
            os.path.join(self.folder, ".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        end = time.monotonic() + self._patience
        while not locked(self._lock):
            if time.monotonic() >= end:
                self.__exit__()
                raise Refused("Another change is in progress", "It has not ended yet", "Try again later")
            time.sleep(PACE)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def entries(self) -> List[FixRecord]:
        """Return all entries, newest first."""
        found: List[FixRecord] = []
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.folder):
                folder = os.path.join(self.folder, name)
                row = load(folder) if ID.fullmatch(name) else None
                if row is not None:
                    found.append(FixRecord(folder, row))
        return sorted(found, key=lambda entry: entry.number, reverse=True)

    def active(self, but: str = "") -> List[FixRecord]:
        """Return the fixes of which something may be left, oldest first, but for one."""
        return [one for one in reversed(self.entries()) if one.state not in OVER and one.id != but]

    def entry(self, name: str) -> FixRecord:
        """Return the entry with an id."""
        folder = os.path.join(self.folder, name)
        row = load(folder)
        if row is None:
            raise Refused("No such fix", "The journal %s has no entry %s" % (self.folder, name))
        return FixRecord(folder, row)

    def start(self, name: str) -> FixRecord:
        """Make the folder of a new entry; it counts from its first `save` on. Raises OSError."""
        folder = os.path.join(self.folder, name)
        if os.path.lexists(folder):
            raise Refused("This fix was made before", "The journal has an entry %s" % name, "Look again")
        entries = self.entries()
        for old in [one for one in entries if one.state in OVER][MOST:]:
            discard(old.folder)
        disk.make_folder(folder, folder_mode())
        number = entries[0].number + 1 if entries else 1
        return FixRecord(folder, {"id": name, "number": number, "time": time.time()})

    def sweep(self) -> None:
        """Remove folders whose request died before it changed anything."""
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.folder):
                folder = os.path.join(self.folder, name)
                if ID.fullmatch(name) and not os.path.lexists(os.path.join(folder, "entry.json")):
                    shutil.rmtree(folder, ignore_errors=True)


def discard(folder: str) -> None:
    """Forget an entry; the entry itself goes first, so that a rest of it counts for nothing."""
    with contextlib.suppress(OSError):
        disk.remove(os.path.join(folder, "entry.json"))
        shutil.rmtree(folder, ignore_errors=True)


def make(folder: str) -> None:
    """Make the folder of the journal."""
    try:
        for one in [*disk.missing_folders(os.path.join(folder, "x"))]:
            disk.make_folder(one, folder_mode())
    except OSError as error:
        raise Refused(
            "No place for the journal", "%s: %s" % (folder, error.strerror), "Make room there"
        ) from None


def check(folder: str) -> None:
    """Refuse a journal that another user could have written."""
    found = os.lstat(folder)
    if found.st_uid != os.geteuid() or not os.path.isdir(folder) or os.path.islink(folder):
        raise Refused(
            "The journal is not yours",
            "%s belongs to user number %d, or is no folder" % (folder, found.st_uid),
            "Remove it, or move it away",
        )
    if found.st_mode & 0o022:
        raise Refused(
            "The journal is open to others",
            "Others may have written into %s" % folder,
            "Look at it, then run `chmod go-w %s`" % folder,
        )
    if os.geteuid() == 0:
        disk.trusted(folder)


def locked(handle: int) -> bool:
    """Return whether the lock was free, and is ours now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
