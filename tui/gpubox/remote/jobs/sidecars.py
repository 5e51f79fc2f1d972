"""Helper processes of a job: the activation of its environment, git, and the sampler."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys

from gpubox.remote import bundle, process_tree, signal_waits
from gpubox.remote.jobs import exit_reason, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Set

    Row = Dict[str, Any]

ACTIVATION = 30.0
"""Seconds for activating an environment; its scripts may wait for input or the network."""
GIT = 5.0
"""Seconds for git to return the commit."""
SAMPLER = "gpubox.remote.jobs.gpu_sampler"
STARTS = 3
"""Most starts of the sampler: a sick driver may kill it each time."""


class Inactive(Exception):
    """An environment could not be activated; the text says why."""


def run_activation(spec: Row, base: Dict[str, str]) -> Dict[str, str]:
    """Return the variables with the requested environment active; calls envs/activate.py."""
    try:
        from gpubox.remote.envs import activate
    except ImportError:
        raise RuntimeError("The part of gpubox that activates environments is not there") from None
    os.environ.clear()
    os.environ.update(base)
    return dict(activate.activate(spec["prefix"], spec.get("kind") or "conda", base))


def activated(
    folder: str, spec: Row, watcher: signal_waits.SignalWatcher, base: Dict[str, str]
) -> Dict[str, str]:
    """Return the variables with the requested environment active; a child computes them, as scripts may hang.

    Raises Inactive, also when a stop is requested meanwhile.
    """
    log = os.path.join(folder, "activation.log")
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        _activate(log, spec, base, write)
    os.close(write)
    data = signal_waits.collect(read, watcher, ACTIVATION)
    os.close(read)
    for process in [pid, *process_tree.tree(pid), *process_tree.tree(os.getpid())]:
        process_tree.send(process, signal.SIGKILL)
    watcher.until(process_tree.reaped, 2.0)
    if data is None:
        raise Inactive("Activating %s took longer than %d s" % (spec["prefix"], ACTIVATION))
    found: Row = {}
    with contextlib.suppress(ValueError):
        found = json.loads(data.decode())
    if "environment" not in found:
        raise Inactive(found.get("words") or exit_reason.last_line(log) or "It broke off")
    return found["environment"]


def _activate(path: str, spec: Row, base: Dict[str, str], write: int) -> None:
    said: Row = {}
    try:
        signal_waits.fresh_child()
        os.setsid()
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        signal_waits.close_others(write)
        said = {"environment": run_activation(spec, base)}
    except BaseException as error:  # any failure of its scripts becomes text in the record
        said = {"words": str(error) or type(error).__name__}
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        with contextlib.suppress(OSError), open(write, "wb") as out:
            out.write(json.dumps(said).encode())
        os._exit(0)


def commit_of(cwd: str) -> str:
    """Return the git commit of a folder, with a `+` when files differ from it; empty without git.

    It runs and writes nothing in the repository: no hooks, no file system monitor, no index refresh.
    """
    import subprocess

    environment = dict(os.environ, GIT_OPTIONAL_LOCKS="0", GIT_TERMINAL_PROMPT="0", LC_ALL="C")
    options = [
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.untrackedCache=false",
    ]

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *options, "-C", cwd, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=GIT,
            check=False,
        )
        return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        if not commit:
            return ""
        return commit + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.TimeoutExpired):
        return ""


class Beside:
    """The children of a supervisor that do not belong to the job."""

    def __init__(self, folder: str, watcher: signal_waits.SignalWatcher) -> None:
        self.pids: Set[int] = set()
        self.pipes: List[int] = []
        """Pipes on which the commit arrives."""
        self._folder = folder
        self._watcher = watcher
        self._sampler = self._starts = 0

    def ended(self, pid: int) -> bool:
        """Record that a child ended; return whether it was one of these."""
        ours = pid in self.pids
        self.pids.discard(pid)
        self._sampler = 0 if pid == self._sampler else self._sampler
        return ours

    def ask_git(self, cwd: str) -> None:
        """Request the commit of a folder, without delaying the launch or the command."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                signal_waits.fresh_child()
                signal.alarm(int(2 * GIT))
                signal_waits.close_others(write)
                os.write(write, commit_of(cwd).encode())
            finally:
                os._exit(0)
        os.close(write)
        self.pipes = [read]
        self.pids.add(pid)

    def commit(self, ready: List[int]) -> str:
        """Return the commit, if its pipe is ready; else ""."""
        if not self.pipes or self.pipes[0] not in ready:
            return ""
        found = os.read(self.pipes[0], 200).decode("utf-8", "replace")
        os.close(self.pipes[0])
        self.pipes = []
        return found

    def sample(self, request: Row) -> None:
        """Start the sampler of the job unless it runs; the job does not depend on it.

        It stays in our session, which distinguishes it from the job.
        """
        if self._sampler or self._starts >= STARTS or not bundle.has(SAMPLER):
            return
        self._starts += 1
        read, write = os.pipe()
        os.write(write, json.dumps(request).encode())
        os.close(write)
        pid = os.fork()
        if pid == 0:
            try:
                signal_waits.fresh_child()
                os.dup2(read, 0)
                signal_waits.close_others()
                os.execv(sys.executable, bundle.command(SAMPLER, "sample"))
            finally:
                os._exit(127)
        os.close(read)
        self._sampler = pid
        self.pids.add(pid)

    def end(self, reap: Callable[[], None]) -> List[Row]:
        """Let the sampler finish, for at most a second, and return its results about the GPUs."""

        def gone() -> bool:
            reap()
            return not self._sampler

        if self._sampler:
            process_tree.send(self._sampler, signal.SIGTERM)
            self._watcher.until(gone, 1.0)
        for pid in self.pids:
            process_tree.send(pid, signal.SIGKILL)
        return records.gpus(self._folder)
