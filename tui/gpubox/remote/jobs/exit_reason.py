"""Why a job ended, as precisely as the box knows: the facts of the kernel, and conclusions from them."""

from __future__ import annotations

import errno
import os
import resource
import signal

from gpubox.remote import process_tree
from gpubox.remote.jobs import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple

    Row = Dict[str, Any]

SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "fish")
CORES = ("ABRT", "BUS", "FPE", "ILL", "QUIT", "SEGV", "SYS", "TRAP", "XCPU", "XFSZ")
"""Signals that dump core."""
FULL = 65536
"""Free bytes below which a disk counts as full."""


def execute(argv: Sequence[str], environment: Dict[str, str]) -> None:
    """Exec a program, searched in the PATH of its own environment; raises OSError."""
    if "/" in argv[0]:
        os.execve(argv[0], list(argv), environment)
    tries = [_attempt(folder, argv, environment) for folder in environment.get("PATH", os.defpath).split(":")]
    raise next(filter(None, tries), FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))


def _attempt(folder: str, argv: Sequence[str], environment: Dict[str, str]) -> Optional[OSError]:
    """Exec a program of a folder; return the error, or None when it does not exist."""
    try:
        os.execve(os.path.join(folder or ".", argv[0]), list(argv), environment)
    except OSError as error:
        return None if error.errno in (errno.ENOENT, errno.ENOTDIR) else error


def exec_words(program: str, environment: Dict[str, str], error: BaseException) -> str:
    """Return in words why a program could not be started; call it in its working folder."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOENT and "/" not in program:
        words = "%s: no such program in PATH; check its name, and the environment. PATH is %s"
        return words % (program, environment.get("PATH", os.defpath))
    if number == errno.ENOENT and os.path.exists(program):
        first = process_tree.read(program, 200).split(b"\n")[0]
        if first.startswith(b"#!"):
            return "%s: its interpreter %s is missing" % (program, os.fsdecode(first[2:].strip()))
        return "%s: the loader that it was built for is missing" % program
    if number == errno.ENOEXEC:
        return (
            "%s: neither a program of this machine nor a script whose first line names its interpreter"
            % program
        )
    if number == errno.EACCES and os.path.isdir(program):
        return "%s: it is a folder" % program
    words = error.strerror if isinstance(error, OSError) else "%s: %s" % (type(error).__name__, error)
    return "%s: %s" % (program, words)


def stopped_by(folder: str, canceler: str) -> Tuple[str, str]:
    """Return who requested the stop of a job, and other known facts.

    `canceler` is the command that cancels jobs of the queue that runs this one; empty without a queue.
    """
    request = records.load(os.path.join(folder, "stop.json"))
    if request:
        return str(request.get("by") or "somebody"), ""
    if canceler:
        return canceler, "Its queue sends the same signal for %s, its time limit and a preemption" % canceler
    if os.path.exists("/run/nologin") or os.path.exists("/run/systemd/shutdown/scheduled"):
        return "a signal to the supervisor", "The box was going down"
    return "a signal to the supervisor", ""


def not_found(ended: Row) -> bool:
    """Return whether a program was not found, which shells report as status 127."""
    return ended.get("how") == "exec" or ended.get("code") == 127


def last_line(path: str) -> str:
    """Return the last non-empty line of a small text file."""
    lines = [line for line in process_tree.read(path).decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else ""


def refusal(record: Row) -> str:
    """Return in words why a job after this ended one does not start; empty when it may."""
    ending = record.get("ending") or {}
    if ending.get("how") == "exit" and ending.get("code") == 0:
        return ""
    name = record["spec"].get("name") or record["id"]
    how = ending.get("how")
    if how == "exit":
        return "Job %s ended with exit code %s" % (name, ending.get("code"))
    if how == "signal":
        return "Job %s was killed by signal %s" % (name, ending.get("signal"))
    if how == "stopped":
        return "Job %s was stopped by %s" % (name, ending.get("by"))
    return "Job %s did not succeed: %s" % (name, ending.get("words") or how)


def peak_of_self() -> int:
    """Return the peak memory of this process: that of a child is never lower, even after exec."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def signal_name(number: int) -> str:
    """Return a signal's name without SIG."""
    try:
        return signal.Signals(number).name[3:]
    except ValueError:
        return "RTMIN+%d" % (number - signal.SIGRTMIN) if number >= signal.SIGRTMIN else str(number)


def ending(status: int) -> Row:
    """Return the Ending of a wait status."""
    if status < 0:
        return {"how": "lost", "words": "It could not be waited for"}
    if os.WIFSIGNALED(status):
        return {"how": "signal", "signal": signal_name(os.WTERMSIG(status)), "core": os.WCOREDUMP(status)}
    return {"how": "exit", "code": os.WEXITSTATUS(status)}


def _memory_events() -> List[str]:
    """Return the files in which our cgroup, of either version, counts processes killed for lack of memory."""
    found: List[str] = []
    for line in process_tree.read("/proc/self/cgroup").decode("utf-8", "replace").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number == "0":
            found.append("/sys/fs/cgroup%s/memory.events" % path.rstrip("/"))
        elif "memory" in names.split(","):
            found.append("/sys/fs/cgroup/memory%s/memory.oom_control" % path.rstrip("/"))
    return found


def _count(path: str) -> int:
    for line in process_tree.read(path).decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.strip().isdigit():
            return int(value)
    return -1


def counters() -> Row:
    """Return the processes killed for lack of memory so far: in our cgroup, and on the whole box."""
    return {path: _count(path) for path in [*_memory_events(), "/proc/vmstat"]}


def out_of_memory(before: Row, itself: bool = True) -> str:
    """Return in words whether lack of memory may have ended a job; empty without a sign of it.

    Without `itself` it was not the command that was killed, but perhaps one of its processes.
    """
    for path, count in before.items():
        more = _count(path) - count
        if count >= 0 and more > 0:
            if not itself:
                where = "on the box" if path == "/proc/vmstat" else "in its control group"
                many = "a process" if more == 1 else "%d processes" % more
                words = "Meanwhile memory ran out %s, and the kernel ended %s: perhaps of this job"
                return words % (where, many)
            if path == "/proc/vmstat":
                many = "" if more == 1 else "es"
                words = (
                    "Memory ran out on the box meanwhile, and the kernel ended %d process%s: probably this"
                )
                return words % (more, many)
            return "The kernel ended it because the memory that its control group may use ran out"
    return ""


def full_disk(*paths: str) -> str:
    """Return in words which of these places is on a full disk; empty if none is."""
    for path in paths:
        try:
            room = os.statvfs(path)
        except OSError:
            continue
        if room.f_blocks and room.f_bavail * room.f_frsize < FULL:
            return "The disk that holds %s was full when it ended" % path
        if room.f_files and not room.f_favail:
            return "The disk that holds %s could take no more files when it ended" % path
    return ""


def explain(
    found: Row, pid: int, cwd: str, since: float, before: Row, argv: Sequence[str], folder: str
) -> None:
    """Add the core file and the known cause to an Ending."""
    code = found.get("code") or 0
    if found["how"] == "exit" and code == 0:
        return
    name = str(found.get("signal", ""))
    why: List[str] = []
    if os.path.basename(argv[0]) in SHELLS and 128 < code < 192:
        name, pid = signal_name(code - 128), 0
        why.append("Exit %d from a shell means that its command was killed by SIG%s" % (code, name))
    from gpubox.remote.jobs import sigill  # here, to save memory in jobs that wait

    core = ""
    if found.get("core") or (not pid and name in CORES):
        core, found["core_file"] = sigill.core_of(pid, cwd, since)
    if name == "ILL":
        why.append(sigill.why(core))
    if name == "KILL":
        why.append(out_of_memory(before) or ("The kernel does not say who sent the signal" if pid else ""))
    elif found["how"] == "exit":
        why.append(out_of_memory(before, itself=False))
    why.append(full_disk(cwd, folder))
    text = ". ".join(part for part in why if part)
    if text:
        found["why"] = text
