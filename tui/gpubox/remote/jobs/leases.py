"""GPU leases and tickets of the queue, readable for all users of a box: no daemon, no root, no shared file.

Users of a box do not trust each other, so no user can remove, forge or block the notes of another one:

* Each user has a folder, `gpubox-queue-UID`, in world-writable places with the sticky bit, /dev/shm and /tmp.
  Others can read it, but cannot change, replace or remove it. If another user took that name, it gets a
  suffix; readers read every folder of that pattern and trust it only if its owner is the user in its name. So
  creating or removing folders cannot split the queue. A note is written in both places: a logout may clear
  one (RemoveIPC of systemd), the other may be full or private to each user.
* A note is valid while its writer holds a write lock on it. Such a lock needs a file open for writing, which
  only its owner can have; it is taken before the note gets its name, and readers test it with F_OFD_GETLK
  for a read lock, which only a write lock blocks. flock would not work: everybody who can read a file can
  hold its flock forever. The kernel drops the lock with its process, so no crash leaves a valid note, unless
  it names a process that still runs: a job whose supervisor was killed keeps its GPUs.
* There are no locks between users, because a user who can take such a lock, even of a device file, can keep
  it. A lease is taken as in Lamport's bakery algorithm: publish it, then read all others, and withdraw it if
  another one names one of the GPUs. Of two concurrent attempts at least the later one sees the other, so both
  may withdraw and retry a little later, but never do both stay.
* The order of the queue follows from the time at which the kernel saw a ticket get its name, which no user
  can set back. A wrong order would cost fairness, but never assign a GPU twice.

A hostile user can only do what an honest one can: hold GPUs and a place in the queue as long as a process
lives. Everybody sees the user's name with it, and `--now` does not wait for it.
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

from gpubox.remote import process_tree, users
from gpubox.remote.jobs import records
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Tuple

    Row = Dict[str, Any]

PLACES = ("/dev/shm", "/tmp")
FOLDER = re.compile(r"gpubox-queue-([0-9]{1,10})(?:\.[0-9a-f]+)?")
NOTE = re.compile(r"[a-z]+-(?:[0-9]{8,12}-)?[A-Za-z0-9_-]{1,80}")
SIZE = 65536
"""Most bytes of a note."""
FOLDERS = 8
"""Most folders of one user that are read."""
NOTES = 1024
"""Most notes of another user that are read, of each kind in each folder."""
STALE = 60.0
"""Seconds after which an unfinished note is from a crash."""
_LOCK = struct.Struct("hhqqi4x")
"""struct flock of fcntl(2): type, whence, start, length, pid."""
_GETLK, _SETLK, _SETLKW = 36, 37, 38
"""F_OFD_GETLK, F_OFD_SETLK and F_OFD_SETLKW of <linux/fcntl.h>; Python names them from 3.9 on."""


def _shared(place: str) -> bool:
    """Return whether only root can remove our entries from a folder."""
    try:
        found = os.lstat(place)
    except OSError:
        return False
    sticky = found.st_mode & stat.S_ISVTX or not found.st_mode & 0o022
    return stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.getuid()) and bool(sticky)


def places() -> List[str]:
    """Return the parent folders of all users' folders; raises Refused when there is none."""
    own = os.environ.get("GPUBOX_QUEUE_DIR", "")
    if own:
        own = os.path.abspath(own)
        return [own if _shared(own) else records.private(own)]
    found = [place for place in PLACES if _shared(place)]
    if not any(os.access(place, os.W_OK | os.X_OK) for place in found):
        found.append(records.private(os.path.join(os.path.dirname(records.jobs_folder()), "queue")))
    return found


def _folders(place: str) -> List[Tuple[int, str]]:
    """Return the folders of users in a place, with the uid of each; some may have an old mode."""
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
    """Return our folder in a place, created if needed; raises OSError."""
    uid = os.getuid()
    folder = next((path for owner, path in _folders(place) if owner == uid), "")
    if not folder:
        folder = os.path.join(place, "gpubox-queue-%d" % uid)
        try:
            os.mkdir(folder, 0o755)
        except FileExistsError:  # another user took the name
            folder += "." + os.urandom(6).hex()
            os.mkdir(folder, 0o755)
    if os.stat(folder).st_mode & 0o777 != 0o755:  # the umask of a launch excludes other users
        os.chmod(folder, 0o755)
    return folder


def own_folders() -> List[str]:
    """Return our folders, one in each writable place; raises Refused when there is none."""
    found: List[str] = []
    failed = [_failure(place, lambda place: found.append(_own_folder(place))) for place in places()]
    if not found:
        raise Refused("No place for the queue on the box", failed[-1], "Make room there")
    return found


def _failure(folder: str, action: Callable[[str], None]) -> str:
    """Run an action in a folder; return in words why it failed, or ""."""
    try:
        action(folder)
        return ""
    except OSError as error:
        return "%s: %s" % (folder, error.strerror)


def _lock(handle: int, command: int, kind: int) -> int:
    """Call fcntl for a lock of the whole file; return the type of lock in its answer. Raises OSError."""
    return int(_LOCK.unpack(fcntl.fcntl(handle, command, _LOCK.pack(kind, os.SEEK_SET, 0, 0, 0)))[0])


def wait(handle: int) -> None:
    """Sleep until the writer of an open note is gone."""
    _lock(handle, _SETLKW, fcntl.F_RDLCK)


def locked(handle: int) -> bool:
    """Return whether the writer of an open note lives, as far as the kernel knows."""
    try:
        return _lock(handle, _GETLK, fcntl.F_RDLCK) != fcntl.F_UNLCK
    except OSError:
        return False


class Note:
    """A note of ours that others read; valid until it is withdrawn, or this process ends."""

    def __init__(self, name: str, value: Row) -> None:
        """Publish a note; raises Refused when it cannot be written anywhere."""
        self.name = name
        self._lines: List[Row] = [dict(value, process=process_tree.identity(os.getpid()))]
        self._files: Dict[str, int] = {}
        """Its files, and the handles that hold their locks."""
        failed = [_failure(folder, self._write) for folder in own_folders()]
        if not self._files:
            raise Refused("No place for the queue on the box", failed[-1], "Make room there")

    @property
    def path(self) -> str:
        """One of the files, for others to sleep on."""
        return next(iter(self._files), "")

    def _write(self, folder: str) -> None:
        path = os.path.join(folder, self.name)
        fresh = os.path.join(folder, ".%s.%d" % (self.name, os.getpid()))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        handle = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with contextlib.suppress(OSError):  # a kernel without such locks: then its process decides
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
        """Add fields in place: a concurrent reader of the folder might miss a replaced file."""
        self._lines.append(value)
        for handle in self._files.values():
            with contextlib.suppress(OSError):
                self._append(handle, value)

    def rewrite(self) -> None:
        """Rewrite deleted files: a logout may clear /dev/shm while a job runs."""
        for path, handle in list(self._files.items()):
            with contextlib.suppress(OSError, Refused):
                if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(handle)):
                    continue
                place = os.path.dirname(os.path.dirname(path))
                self._write(_own_folder(place))
                os.close(handle)
                if self._files[path] == handle:  # it is in another folder now
                    del self._files[path]

    def withdraw(self) -> None:
        """Withdraw the note, which wakes processes that sleep on it."""
        for path, handle in self._files.items():
            with contextlib.suppress(OSError):
                os.unlink(path)
            os.close(handle)
        self._files.clear()


def _of(process: object, uid: int) -> bool:
    """Return whether a process that a note names still runs, and belongs to its writer."""
    if not isinstance(process, dict) or not isinstance(process.get("pid"), int):
        return False
    try:
        return os.stat("/proc/%d" % process["pid"]).st_uid == uid and process_tree.alive(process)
    except (OSError, OverflowError, ValueError):
        return False


def _read(path: str, uid: int) -> Row:
    """Return a valid note, with `at`, the time when it got its name; empty for others. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        what = os.fstat(handle)
        if not stat.S_ISREG(what.st_mode) or what.st_uid != uid:
            return {}
        lines = os.read(handle, SIZE).split(b"\n")[:-1]  # a line without a newline is incomplete
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
    """Return the valid notes of a kind, such as `lease`, of all users, each once.

    A note has its writer's fields and `name`, `job`, `uid`, `path` and `at`, in nanoseconds. Fields of other
    users may have any form. Invalid notes of ours are removed.
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
    """Yield names and paths of notes, sorted; removes leftovers of our crashes."""
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
