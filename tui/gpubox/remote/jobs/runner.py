"""The command of a job: starts, watches, measures and stops it with all its processes, and judges its end."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import time

from gpubox.remote import process_tree, signal_waits
from gpubox.remote.jobs import exit_reason, sidecars

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence

    from gpubox.remote.jobs import gpu_queue

    Row = Dict[str, Any]

FIRST = (0.0, 0.02, 0.1, 0.3, 0.6, 1.0)
"""Seconds after the start at which memory is first measured: short jobs have a peak too."""
BEFORE_EXEC = 1 << 20
"""Most memory, in bytes, that a child uses beyond ours before it execs the command."""


class NotStarted(Exception):
    """A job ends before its command started."""

    def __init__(self, how: str, words: str, **fields: object) -> None:
        super().__init__(words)
        self.ending: Row = dict(fields, how=how, words=words)


def keep_orphans() -> None:
    """Become the parent of every orphaned descendant, so that none gets lost.

    ctypes is imported here, to save memory in jobs that wait in the queue.
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        libc.prctl(15, b"gpubox-job", 0, 0, 0)  # PR_SET_NAME


def become(
    argv: Sequence[str], environment: Dict[str, str], cwd: str, umask: int, log: int, report: int
) -> None:
    """Exec the job's command in this child; never returns. Errors are written to `report` as JSON."""
    said: Row = {}
    try:
        signal_waits.fresh_child()
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        for handle, place in ((null, 0), (log, 1), (log, 2)):
            os.dup2(handle, place)
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        os.umask(umask)
        try:
            os.chdir(cwd)
        except OSError as error:
            said = {"how": "folder", "words": "%s: %s" % (cwd, error.strerror)}
            raise
        exit_reason.execute(argv, dict(environment, PWD=cwd))
    except BaseException as error:
        if not said:
            said = {"how": "exec", "words": exit_reason.exec_words(argv[0], environment, error)}
        os.write(report, json.dumps(said).encode()[:4000])
    finally:
        os._exit(127)


class Command:
    """One command: its outcome, and its measurements."""

    def __init__(
        self,
        folder: str,
        spec: Row,
        watcher: signal_waits.SignalWatcher,
        save: Callable[..., bool],
        *,
        canceler: str = "",
    ) -> None:
        self.folder = folder
        self.spec = spec
        self.watcher = watcher
        self.save = save
        """Writes the record with some fields changed."""
        self.canceler = canceler
        self.main = 0
        self.status = -1
        """Its raw wait status; -1 while there is none."""
        self.ended = 0.0
        self.usage: Optional[Row] = None
        self.leftovers: List[int] = []
        self._zero = self._born = 0.0
        self._peak = self._floor = 0
        self._others = [0.0, 0.0]
        self._stop: Row = {}
        """How it is being stopped, and when KILL follows; empty before."""
        self._press = process_tree.Terminator()
        self._before: Row = {}
        self.beside = sidecars.Beside(folder, watcher)
        self._environment: Dict[str, str] = {}
        self._cwd = ""

    def start(self, environment: Dict[str, str], umask: int, lease: gpu_queue.Lease) -> None:
        """Start it; raises Over when that fails."""
        keep_orphans()
        cwd = os.path.expanduser((self.spec.get("cwd") or "~").replace("{folder}", self.folder))
        cwd = os.path.normpath(os.path.join(os.path.expanduser("~"), cwd))
        files = os.path.join(self.folder, "files")
        argv = [word.replace("{files}", files).replace("{folder}", self.folder) for word in self.spec["argv"]]
        log = os.open(self._path("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        report, write = os.pipe()
        self._environment, self._cwd = environment, cwd
        self._before = exit_reason.counters()
        self._floor = exit_reason.peak_of_self() + BEFORE_EXEC
        self._born, self._zero = time.time(), time.monotonic()
        self.main = os.fork()
        if self.main == 0:
            become(argv, environment, cwd, umask, log, write)
        lease.belongs(process_tree.identity(self.main))
        os.close(write)
        os.close(log)
        said = signal_waits.collect(report, self.watcher, float("inf"))
        os.close(report)
        if said != b"":
            self._not_begun(said)
        gpus = [{"uuid": place["uuid"], "index": place["index"]} for place in lease.places]
        self.save(
            state="running",
            waits="",
            started=self._born,
            main=process_tree.identity(self.main),
            cwd=cwd,
            gpus=gpus,
        )

    def attend(self, lease: gpu_queue.Lease) -> Row:
        """Watch it until it and all its processes have ended; return its Ending."""
        self.beside.ask_git(self._cwd)
        self._sample(lease)
        schedule = [self._zero + after for after in FIRST]
        limit = self.spec.get("limit")
        rewrite_at = self._zero + 10
        while True:
            now = time.monotonic()
            due = [
                schedule[0],
                *([self._zero + limit] if limit and not self._stop and self.status < 0 else []),
            ]
            pause = min(due) - now
            if self._stop:
                pause = min(pause, 0.05 if now >= self._stop["kill"] else 0.2)
            commit = self.beside.commit(self.watcher.wait(pause, self.beside.pipes))
            if commit and not self._stop:
                self.save(commit=commit)
            self.reap()
            now = time.monotonic()
            if self.watcher.asked and not self._stop and self.status < 0:
                by, why = exit_reason.stopped_by(self.folder, self.canceler)
                self._begin_stop("stopped", by=by, why=why)
            if limit and now >= self._zero + limit and not self._stop and self.status < 0:
                self._begin_stop("limit", words="Its time limit of %g s passed" % limit)
            if now >= schedule[0]:
                schedule.pop(0)
                cost = self._look()
                # Without the kernel's lists of children, a look costs 10 ms and more on a busy box.
                schedule = schedule or [now + max(1.0, 100 * cost)]
            if now >= rewrite_at:
                rewrite_at = now + 10
                lease.rewrite()
                self._sample(lease)
            if self._ends(now):
                return self._ending()

    def _not_begun(self, said: Optional[bytes]) -> None:
        """Raise Over for a child that did not exec the command: it failed, or hangs on a dead disk."""
        process_tree.send(self.main, signal.SIGKILL)
        self.watcher.until(lambda: process_tree.reaped() and not process_tree.start_of(self.main), 2.0)
        self.main = 0
        if said is None:
            by, why = exit_reason.stopped_by(self.folder, self.canceler)
            raise NotStarted("stopped", "It was stopped before its command began", by=by, why=why)
        found = json.loads(said.decode())
        raise NotStarted(found["how"], found["words"])

    def _sample(self, lease: gpu_queue.Lease) -> None:
        if self._stop or self.status >= 0:
            return
        request = {
            "id": self.spec["id"],
            "supervisor": os.getpid(),
            "main": self.main,
            "folder": self.folder,
            "uuids": lease.uuids,
            "visible": self._environment.get("CUDA_VISIBLE_DEVICES"),
            "started": self._born,
        }
        self.beside.sample(request)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _tree(self) -> Dict[int, List[bytes]]:
        return process_tree.tree(os.getpid(), self.beside.pids)

    def _look(self) -> float:
        begun = time.monotonic()
        if self.status < 0:
            self._peak = max(self._peak, process_tree.memory(self._tree()))
        return time.monotonic() - begun

    def _begin_stop(self, how: str, **fields: object) -> None:
        grace = float(self.spec.get("grace", 10.0))
        self._look()
        self._stop = dict(fields, how=how, kill=time.monotonic() + grace)
        self._press.ask(self._tree())
        self.save(state="stopping")

    def _ends(self, now: float) -> bool:
        """Continue to stop processes; return whether none are left."""
        left = self._tree() if self._stop or self.status >= 0 else {}
        if self.status >= 0 and not left:
            return True
        if self.status >= 0 and not self._stop:
            self.leftovers = sorted(left)[:50]
            self._begin_stop("leftovers")
        if self._stop and now >= self._stop["kill"]:
            self._press.kill(left)
            return self.status >= 0 and now >= self._stop["kill"] + process_tree.STUBBORN
        if self._stop:
            self._press.ask(left)
        return False

    def reap(self) -> None:
        """Reap all children that ended, and record the usage of the command."""
        while True:
            try:
                pid, status, took = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.main:
                real = time.monotonic() - self._zero
                self.status, self.ended = status, self._born + real
                self.usage = self._measured(real, took)
            elif not self.beside.ended(pid):
                self._others[0] += took.ru_utime
                self._others[1] += took.ru_stime

    def _measured(self, real: float, took: Any) -> Row:
        return {
            "real": round(real, 6),
            "user": took.ru_utime,
            "sys": took.ru_stime,
            "max_rss": took.ru_maxrss * 1024,
            "major_faults": took.ru_majflt,
            "minor_faults": took.ru_minflt,
            "voluntary": took.ru_nvcsw,
            "involuntary": took.ru_nivcsw,
            "inputs": took.ru_inblock,
            "outputs": took.ru_oublock,
            "floor": self._floor,
        }

    def _ending(self) -> Row:
        if self.usage is not None:
            # Only the kernel sees a peak between two looks; below the floor its figure is not the job's.
            largest = self.usage["max_rss"] if self.usage["max_rss"] > self._floor else 0
            self.usage["peak_tree"] = max(self._peak, largest) or None
            self.usage["others_user"], self.usage["others_sys"] = (round(part, 6) for part in self._others)
        ending = exit_reason.ending(self.status)
        if self._stop and self._stop["how"] != "leftovers":
            requested = {
                name: self._stop[name] for name in ("how", "by", "why", "words") if self._stop.get(name)
            }
            ending.update(requested)
        else:
            self._stop = {}
            exit_reason.explain(
                ending, self.main, self._cwd, self._born, self._before, self.spec["argv"], self.folder
            )
        if self.leftovers:
            ending["leftovers"] = self.leftovers
        return ending

    def abandon(self) -> None:
        """Kill everything at once, when the supervisor itself fails."""
        while self.main and self.status < 0 and process_tree.start_of(self.main):
            self._press.kill(self._tree())
            self.watcher.wait(0.1)
            self.reap()
