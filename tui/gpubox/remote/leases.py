"""GPU leases and places in the queue, which all users of a box see: no daemon, no root, no shared file.

Users of a box do not trust each other, so nothing here can be taken from them, made in their name, or kept
from them by somebody else:

* Each user has a folder of their own, `gpubox-queue-UID`, in places that anybody may write to and that root
  keeps sticky, /dev/shm and /tmp. Others read it and cannot change, replace or remove it. Where somebody else
  took that name, it gets an ending; readers look into every folder of that pattern and believe it only when
  its owner is the user in its name. So no one name decides where the queue is: making and removing folders
  splits nothing. A note is written in both places: a logout may clear the one (RemoveIPC of systemd), the
  other may be full or another one for each user.
* A note counts while its writer has it locked for writing. Such a lock needs a file open for writing, which
  only its owner can have; it is taken before the note gets its name, and who looks asks for it with the
  F_OFD_GETLK of a reader, which no lock of another reader answers. flock would not do: whoever may read a
  file may hold its flock, for ever. The kernel drops the lock with its process, so no crash leaves a note
  that counts, unless it names a process that still runs: a job whose supervisor was killed keeps its GPUs.
* Nothing is locked between users, because whoever can take such a lock, also of a device file that nobody
  can remove, can keep it. A lease is taken as in Lamport's bakery: first publish it, then look at
  all others, and withdraw it when another names one of the GPUs. Of two that try at the same time at least
  the later one sees the other, so both may withdraw and try again a little later, but never both stay.
* Who is first in the queue follows from the time at which the kernel saw a ticket get its name, which no user
  can set back. A wrong order would cost fairness, never a GPU given twice.

What is left to a hostile user is what an honest one can do too: to hold GPUs and a place in the queue as long
as a process of theirs lives. Everybody sees their name with it, and `--now` does not wait for it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import json
import os
import re
import stat
import struct
import time

from gpubox.remote import process_tree, records, users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Tuple

    Row = Dict[str, Any]

PLACES = ("/dev/shm", "/tmp")
FOLDER = re.compile(r"gpubox-queue-([0-9]{1,10})(?:\.[0-9a-f]+)?")
NOTE = re.compile(r"[a-z]+-(?:[0-9]{8,12}-)?[A-Za-z0-9_-]{1,80}")
SIZE = 65536
"""Bytes that a note may have."""
FOLDERS = 8
"""Folders of one user that count."""
NOTES = 1024
"""Notes of another user that count, of each kind in each folder."""
STALE = 60.0
"""Seconds after which an unfinished note was left behind by a crash."""
_LOCK = struct.Struct("hhqqi4x")
"""struct flock of fcntl(2): type, whence, start, length, pid."""
_GETLK, _SETLK, _SETLKW = 36, 37, 38
"""F_OFD_GETLK and its kin of <linux/fcntl.h>; Python has names for them from 3.9 on."""


def _shared(place: str) -> bool:
    """Return whether nobody but root can take away what is ours in a folder."""
    try:
        found = os.lstat(place)
    except OSError:
        return False
    sticky = found.st_mode & stat.S_ISVTX or not found.st_mode & 0o022
    return stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.getuid()) and bool(sticky)


def places() -> List[str]:
    """Return the folders in which the folders of all users lie; raises Refused when there is none."""
    own = os.environ.get("GPUBOX_QUEUE_DIR", "")
    if own:
        own = os.path.abspath(own)
        return [own if _shared(own) else records.private(own)]
    found = [place for place in PLACES if _shared(place)]
    if not any(os.access(place, os.W_OK | os.X_OK) for place in found):
        found.append(records.private(os.path.join(os.path.dirname(records.jobs_folder()), "queue")))
    return found


def _folders(place: str) -> List[Tuple[int, str]]:
    """Return the folders of users in a place, with the user number of each; some may have an old mode."""
    found: Dict[int, List[str]] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(place):
            match = FOLDER.fullmatch(name)
            path = os.path.join(place, name)
            if match:
                with contextlib.suppress(OSError):
                    what = os.lstat(path)
                    if (
                        stat.S_ISDIR(what.st_mode)
                        and what.st_uid == int(match[1])
                        and not what.st_mode & 0o022
                    ):
                        found.setdefault(what.st_uid, []).append(path)
    return [(uid, path) for uid, paths in found.items() for path in sorted(paths)[:FOLDERS]]


def _own_folder(place: str) -> str:
    """Return our folder in a place, made if need be; raises OSError."""
    uid = os.getuid()
    folder = next((path for owner, path in _folders(place) if owner == uid), "")
    if not folder:
        folder = os.path.join(place, "gpubox-queue-%d" % uid)
        try:
            os.mkdir(folder, 0o755)
        except FileExistsError:  # somebody else has the name
            folder += "." + os.urandom(6).hex()
            os.mkdir(folder, 0o755)
    if os.stat(folder).st_mode & 0o777 != 0o755:  # the mask of a launch lets nobody else in
        os.chmod(folder, 0o755)
    return folder


def own_folders() -> List[str]:
    """Return our folders, one in each place that takes one; raises Refused when none does."""
    found: List[str] = []
    failed = [_failure(place, lambda place: found.append(_own_folder(place))) for place in places()]
    if not found:
        raise records.Refused("No place for the queue on the box", failed[-1], "Make room there")
    return found


def _failure(folder: str, action: Callable[[str], None]) -> str:
    """Do something in a folder; returns in words why that failed, or nothing."""
    try:
        action(folder)
        return ""
    except OSError as error:
        return "%s: %s" % (folder, error.strerror)


def _lock(handle: int, command: int, kind: int) -> int:
    """Call fcntl for a lock of the whole file; returns the kind of lock that it answers. Raises OSError."""
    return int(_LOCK.unpack(fcntl.fcntl(handle, command, _LOCK.pack(kind, os.SEEK_SET, 0, 0, 0)))[0])


def wait(handle: int) -> None:
    """Sleep until the writer of an open note is gone."""
    _lock(handle, _SETLKW, fcntl.F_RDLCK)


def locked(handle: int) -> bool:
    """Return whether the writer of an open note is there, as far as the kernel can tell."""
    try:
        return _lock(handle, _GETLK, fcntl.F_RDLCK) != fcntl.F_UNLCK
    except OSError:
        return False


class Note:
    """A note of ours that others read; it counts until it is withdrawn, or this process ends."""

    def __init__(self, name: str, value: Row) -> None:
        """Publish a note; raises Refused when no place takes it."""
        self.name = name
        self._lines: List[Row] = [dict(value, process=process_tree.identity(os.getpid()))]
        self._files: Dict[str, int] = {}
        """Where it lies, and the handles that have it locked."""
        failed = [_failure(folder, self._write) for folder in own_folders()]
        if not self._files:
            raise records.Refused("No place for the queue on the box", failed[-1], "Make room there")

    @property
    def path(self) -> str:
        """One of the files; whoever waits for us sleeps on it."""
        return next(iter(self._files), "")

    def _write(self, folder: str) -> None:
        path = os.path.join(folder, self.name)
        fresh = os.path.join(folder, ".%s.%d" % (self.name, os.getpid()))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        handle = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with contextlib.suppress(OSError):  # a kernel without such locks: then its process is looked for
                _lock(handle, _SETLK, fcntl.F_WRLCK)
            for line in self._lines:
                self._append(handle, line)
            os.fchmod(handle, 0o644)
            os.rename(fresh, path)
        except BaseException:
            os.close(handle)
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise
        self._files[path] = handle

    @staticmethod
    def _append(handle: int, line: Row) -> None:
        data = json.dumps(line).encode() + b"\n"
        if os.write(handle, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def add(self, value: Row) -> None:
        """Add fields; the note keeps its place, or who reads the folder this moment might miss it."""
        self._lines.append(value)
        for handle in self._files.values():
            with contextlib.suppress(OSError):
                self._append(handle, value)

    def mend(self) -> None:
        """Write again what was tidied away: a logout may clear /dev/shm under the feet of a running job."""
        for path, handle in list(self._files.items()):
            with contextlib.suppress(OSError, records.Refused):
                if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(handle)):
                    continue
                place = os.path.dirname(os.path.dirname(path))
                self._write(_own_folder(place))
                os.close(handle)
                if self._files[path] == handle:  # it lies in another folder now
                    del self._files[path]

    def withdraw(self) -> None:
        """Take the note back; who sleeps on it wakes."""
        for path, handle in self._files.items():
            with contextlib.suppress(OSError):
                os.unlink(path)
            os.close(handle)
        self._files.clear()


def _of(process: object, uid: int) -> bool:
    """Return whether a process that a note names still runs, and is its writer's."""
    if not isinstance(process, dict) or not isinstance(process.get("pid"), int):
        return False
    try:
        return os.stat("/proc/%d" % process["pid"]).st_uid == uid and process_tree.alive(process)
    except (OSError, OverflowError, ValueError):
        return False


def _read(path: str, uid: int) -> Row:
    """Return a note that counts, with `at`, when it got its name; empty for any other. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        what = os.fstat(handle)
        if not stat.S_ISREG(what.st_mode) or what.st_uid != uid:
            return {}
        lines = os.read(handle, SIZE).split(b"\n")[:-1]  # what ends without a line feed is not whole yet
        note: Row = {}
        for line in lines:
            found = json.loads(line.decode("utf-8", "replace"))
            note.update(found if isinstance(found, dict) else {})
        if not locked(handle) and not any(_of(note.get(name), uid) for name in ("process", "main")):
            return {}
        return dict(note, at=what.st_ctime_ns)
    except (ValueError, RecursionError):
        return {}
    finally:
        os.close(handle)


def notes(kind: str) -> List[Row]:
    """Return the notes of a kind, such as `lease`, that count: those of all users, each once.

    Besides what its writer wrote, a note has `name`, `job`, `uid`, `path` and `at`, in nanoseconds. What
    somebody else wrote has any form. Ours that do not count are removed.
    """
    found: Dict[Tuple[int, str], Row] = {}
    for place in places():
        for uid, folder in _folders(place):
            for name, path in _names(folder, uid, kind + "-"):
                note: Row = {}
                with contextlib.suppress(OSError):
                    note = _read(path, uid)
                    if not note and uid == os.getuid():
                        os.unlink(path)
                if note:
                    first = found.get((uid, name), note)
                    note.update(name=name, job=job_of(name), uid=uid, path=path)
                    found[uid, name] = dict(note, at=min(first["at"], note["at"]))
    return list(found.values())


def _names(folder: str, uid: int, begin: str) -> Iterator[Tuple[str, str]]:
    """Return names and paths of notes, sorted; removes what crashes left of ours."""
    ours = uid == os.getuid()
    try:
        with os.scandir(folder) as entries:
            every = [entry.name for entry in itertools.islice(entries, None if ours else 8 * NOTES)]
    except OSError:
        return
    fitting = sorted(name for name in every if name.startswith(begin) and NOTE.fullmatch(name))
    for name in fitting[: None if ours else NOTES]:
        yield name, os.path.join(folder, name)
    for name in every if ours else ():
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):
            if name.startswith(".") and time.time() - os.lstat(path).st_ctime > STALE:
                os.unlink(path)


def job_of(name: str) -> str:
    """Return the job in the name of a note."""
    return re.sub(r"[a-z]+-(?:[0-9]{8,12}-(?=[0-9]{8}-))?", "", name, count=1)


def user_name(uid: int) -> str:
    """Return the name of a user, or the number where the box knows no name."""
    name = users.name(uid)
    return "user %d" % uid if name == str(uid) else name
