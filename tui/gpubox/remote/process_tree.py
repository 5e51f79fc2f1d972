"""Processes of this box: their identity, their descendants, and how to end a whole tree."""

from __future__ import annotations

import contextlib
import os
import signal

from gpubox.remote.kernel_files import contents as read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Collection, Dict, Iterator, List, Optional, Set, Tuple

    Row = Dict[str, Any]

STUBBORN = 60.0
"""Seconds after the first KILL at which processes that hang in a driver are abandoned."""


def tail(path: str, length: int) -> bytes:
    """Return the end of a file, or b"" when it cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - length))
            return file.read(length)
    except OSError:
        return b""


def stat(pid: int) -> List[bytes]:
    """Return /proc/PID/stat from its third field on (state, parent, ...); empty when there is no process."""
    data = read("/proc/%d/stat" % pid, 4096)
    return data[data.rindex(b")") + 2 :].split() if b")" in data else []


def start_of(pid: int) -> int:
    """Return when a process started, in ticks after boot; 0 when it does not exist."""
    fields = stat(pid)
    return int(fields[19]) if len(fields) > 19 else 0


def boot_id() -> str:
    """Return the boot id of the kernel."""
    return read("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()


def pid_namespace() -> str:
    """Return our pid namespace, or "" when unknown."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def identity(pid: int) -> Row:
    """Return the unique identity of a process; fields as core.record.JobProcess."""
    return {"pid": pid, "start": start_of(pid), "boot": boot_id(), "pidns": pid_namespace()}


def alive(process: Optional[Row]) -> bool:
    """Return whether exactly this process still runs, as seen from here.

    On a box without free file handles or memory nothing can be read: then its pid decides.
    """
    if not process or rebooted(process) or elsewhere(process):
        return False
    fields = stat(int(process.get("pid") or 0))
    if not fields:
        return _there(int(process.get("pid") or 0))
    return len(fields) > 19 and int(fields[19]) == process.get("start") and fields[0] not in (b"Z", b"X")


def rebooted(process: Row) -> bool:
    """Return whether a process is of an earlier boot of the kernel."""
    boot = boot_id()
    return boot != "" and process.get("boot") != boot


def elsewhere(process: Row) -> bool:
    """Return whether a process is of another container, whose processes are invisible from here."""
    here = pid_namespace()
    return bool(here and process.get("pidns")) and process["pidns"] != here


def _there(pid: int) -> bool:
    """Return whether a pid exists, without opening a file."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return pid > 0


def _pids() -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            yield int(name)


def _from_lists(root: int, without: Collection[int]) -> Optional[Iterator[Tuple[int, List[bytes]]]]:
    """Walk by the kernel's lists of children, if it has them: 0.3 ms instead of 10."""
    if not os.path.exists("/proc/self/task/%d/children" % os.getpid()):
        return None

    def walk() -> Iterator[Tuple[int, List[bytes]]]:
        todo = [root]
        while todo:
            parent = todo.pop()
            try:
                threads = os.listdir("/proc/%d/task" % parent)
            except OSError:
                continue
            for thread in threads:
                for word in read("/proc/%d/task/%s/children" % (parent, thread)).split():
                    pid = int(word)
                    fields = stat(pid)
                    if pid not in without and len(fields) > 21:
                        todo.append(pid)
                        yield pid, fields

    return walk()


def _from_scan(root: int, without: Collection[int]) -> Iterator[Tuple[int, List[bytes]]]:
    children: Dict[int, List[Tuple[int, List[bytes]]]] = {}
    for pid in _pids():
        fields = stat(pid)
        if len(fields) > 21 and pid not in without:
            children.setdefault(int(fields[1]), []).append((pid, fields))
    todo = [root]
    while todo:
        for pid, fields in children.get(todo.pop(), ()):
            todo.append(pid)
            yield pid, fields


def tree(root: int, without: Collection[int] = ()) -> Dict[int, List[bytes]]:
    """Return all living processes below `root` with their stat fields.

    Complete when root is a child subreaper. Descendants of those in `without` are left out.
    """
    walk = _from_lists(root, without) or _from_scan(root, without)
    return {pid: fields for pid, fields in walk if fields[0] not in (b"Z", b"X")}


def memory(processes: Dict[int, List[bytes]]) -> int:
    """Return the memory of processes of `tree`, in bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    return page * sum(int(fields[21]) for fields in processes.values())


def of_job(job: str) -> Dict[int, List[bytes]]:
    """Return the processes with a job's id in their environment; for jobs whose supervisor is gone."""
    mark = b"\0GPUBOX_JOB=" + job.encode() + b"\0"
    found: Dict[int, List[bytes]] = {}
    for pid in _pids():
        if mark in b"\0" + read("/proc/%d/environ" % pid, 1 << 20):
            fields = stat(pid)
            if len(fields) > 21 and fields[0] not in (b"Z", b"X"):
                found[pid] = fields
    return found


def reaped() -> bool:
    """Reap all our children that ended; return whether none are left."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return False
    return True


def send(pid: int, number: int) -> None:
    """Signal a process that may have ended, or may belong to another user by now."""
    with contextlib.suppress(OSError):
        os.kill(pid, number)


class Terminator:
    """Ends processes: TERM and CONT to each once, then KILL to the rest."""

    def __init__(self) -> None:
        self._asked: Set[Tuple[int, bytes]] = set()

    def ask(self, processes: Dict[int, List[bytes]]) -> None:
        """Send TERM to those that did not get it yet, and CONT, because a stopped process handles no TERM."""
        for pid, fields in processes.items():
            if (pid, fields[19]) not in self._asked:
                self._asked.add((pid, fields[19]))
                send(pid, signal.SIGTERM)
                send(pid, signal.SIGCONT)

    def kill(self, processes: Dict[int, List[bytes]]) -> None:
        """Send KILL; all are stopped first, so that none can fork again."""
        for pid in processes:
            send(pid, signal.SIGSTOP)
        for pid in processes:
            send(pid, signal.SIGKILL)


def jobs_of_all() -> Dict[int, str]:
    """Return the job of each process of a job, as far as its environment is readable."""
    found: Dict[int, str] = {}
    for pid in _pids():
        _, mark, rest = (b"\0" + read("/proc/%d/environ" % pid, 1 << 20)).partition(b"\0GPUBOX_JOB=")
        if mark:
            found[pid] = rest.partition(b"\0")[0].decode("ascii", "replace")
    return found
