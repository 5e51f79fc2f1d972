"""Lets one job at a time change an environment, and protects environments in which jobs run.

Everything here is a lock that ends with the process that holds it, so that no crash leaves an environment
locked. Between jobs of one user: a lock file in the queue's folder for each folder that is changed, even for
one that does not exist yet. Between users: a job that changes an environment locks its metadata folder, a
job that runs in it has a shared lock of its folder. Folders are locked, because an open file would block a
removal on a network disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re

from gpubox.remote import process_tree
from gpubox.remote.jobs import gpu_queue, leases, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple

    Row = Dict[str, Any]

MARKS = ("conda-meta", "bin")
"""Folders of an environment; a job that changes it locks the first one that exists."""


class Unusable(Exception):
    """The environment can never be used by the job, with the reason."""


def folders(spec: Row) -> List[str]:
    """Return the folders that a job changes, links resolved, in the order in which all jobs lock them."""
    given = [str(path) for path in spec.get("changes") or ()]
    return sorted({os.path.realpath(os.path.expanduser(path)) for path in given})


def name_of(record: Row) -> str:
    """Return the name of a job for a sentence."""
    name = str((record.get("spec") or {}).get("name") or "")
    return "%s (%s)" % (name, record["id"]) if name else str(record["id"])


def others(job: str) -> Iterator[Row]:
    """Yield the records of this user's active jobs, except one."""
    jobs = records.jobs_folder()
    for other in records.ids(jobs):
        record = records.current(os.path.join(jobs, other), figures=False) if other != job else None
        if record is not None and record["state"] in records.ACTIVE:
            yield record


def refuse(spec: Row) -> None:
    """Raise Unusable for a job that removes an environment in which another job runs or will run."""
    gone = set(folders(spec)) if spec.get("removes") else set()
    for record in others(spec["id"]) if gone else ():
        prefix = str((record.get("spec") or {}).get("prefix") or "")
        if prefix and os.path.realpath(prefix) in gone:
            verb = "runs in it" if record["state"] != "queued" else "waits to run in it"
            raise Unusable("Job %s %s: %s" % (name_of(record), verb, prefix))


def holder(path: str) -> str:
    """Return in words which process of which user holds the lock of a folder, as far as the kernel says."""
    with contextlib.suppress(OSError, ValueError):
        about = os.stat(path)
        key = "%02x:%02x:%d" % (os.major(about.st_dev), os.minor(about.st_dev), about.st_ino)
        for line in process_tree.read("/proc/locks", 1 << 20).decode("ascii", "replace").splitlines():
            found = re.match(r"\d+: FLOCK +\w+ +\w+ +(\d+) (\S+) ", line)
            if found and found.group(2) == key and int(found.group(1)) != os.getpid():
                user = leases.user_name(os.stat("/proc/" + found.group(1)).st_uid)
                return "%s (process %s)" % (user, found.group(1))
    return "another user"


class Hold:
    """The locks of the environments that a job changes or runs in; held as long as its supervisor lives."""

    def __init__(self, spec: Row) -> None:
        self._spec = spec
        self._handles: List[int] = []
        self._there: Optional[List[str]] = None
        """The folders that existed when the job began to wait."""

    def attempt(self, submitted: float) -> Tuple[str, str]:
        """Lock all or none; return in words what the job waits for, and the file to sleep on, if any.

        The words are empty when the locks are held. Raises Unusable.
        """
        changed = folders(self._spec)
        if self._there is None:
            self._there = [path for path in changed if os.path.isdir(path)]
        refuse(self._spec)
        wait = self._earlier(changed, submitted) or self._take(changed) or self._run_in()
        if wait is not None:
            self.release()
            return wait
        for path in self._there:
            if not os.path.isdir(path):
                raise Unusable("%s is not there any more" % path)
        return "", ""

    def release(self) -> None:
        """Release the locks."""
        while self._handles:
            os.close(self._handles.pop())

    def _earlier(self, changed: List[str], submitted: float) -> Optional[Tuple[str, str]]:
        """Return the wait for an earlier job of this user, including one whose supervisor was killed."""
        mine = (submitted, self._spec["id"])
        for record in others(self._spec["id"]) if changed else ():
            before = (record.get("submitted") or 0.0, record["id"]) < mine
            if before and set(changed) & set(folders(record.get("spec") or {})):
                sign = gpu_queue.live_path(record["id"])
                return "job %s to end" % name_of(record), sign if gpu_queue.held(sign) else ""
        return None

    def _take(self, changed: List[str]) -> Optional[Tuple[str, str]]:
        """Lock the changed folders; return the wait if one is locked."""
        for prefix in changed:
            digest = hashlib.sha256(os.fsencode(prefix)).hexdigest()[:24]
            path = os.path.join(gpu_queue.queue_folder(), "env-" + digest)
            handle = gpu_queue.lock(path)
            if handle is None:
                job = (records.load(path) or {}).get("job", "?")
                return "job %s to end" % job, path
            self._handles.append(handle)
            os.ftruncate(handle, 0)
            job = name_of({"id": self._spec["id"], "spec": self._spec})
            os.write(handle, json.dumps({"job": job}).encode())
            mark = next((mark for mark in MARKS if os.path.isdir("%s/%s" % (prefix, mark))), "")
            if mark and not self._lock("%s/%s" % (prefix, mark), fcntl.LOCK_EX):
                mark = "%s/%s" % (prefix, mark)
                return "a change of %s by %s to end" % (prefix, holder(mark)), mark
            if self._spec.get("removes") and not self._lock(prefix, fcntl.LOCK_EX):
                raise Unusable("A job of %s runs in it: %s" % (holder(prefix), prefix))
        return None

    def _run_in(self) -> Optional[Tuple[str, str]]:
        prefix = os.path.realpath(self._spec["prefix"]) if self._spec.get("prefix") else ""
        if prefix and not self._lock(prefix, fcntl.LOCK_SH):
            return "the removal of %s by %s to end" % (prefix, holder(prefix)), prefix
        return None

    def _lock(self, folder: str, kind: int) -> bool:
        """Lock a folder; return False when another holds it, True on disks without locks of folders."""
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return True
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        except OSError:
            os.close(handle)
            return True
        self._handles.append(handle)
        return True
