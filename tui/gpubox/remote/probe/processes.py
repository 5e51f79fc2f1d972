"""The processes on the GPUs and the busiest of the machine, from /proc."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time

from gpubox.common.sample_format import COMMAND_LIMIT, NAME_LIMIT, given
from gpubox.remote import users
from gpubox.remote.kernel_files import read, read_all, read_text
from gpubox.remote.probe.containers import container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

    Row = Dict[str, object]
    App = Dict[str, object]


PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


def environment_of(executable: str, argument: str, variables: dict[str, str]) -> str | None:
    """Return the conda or virtual environment of a process, from its program and three of its variables."""
    python = re.match(r"(?:i?python|pypy|jupyter)", os.path.basename(executable or argument))
    venv = venv_above(argument)
    if venv:
        return venv
    found = re.match(r".*/envs/([^/]+)/", executable or argument)
    if found:
        return found.group(1)[:NAME_LIMIT]
    if python and variables.get("VIRTUAL_ENV"):
        return venv_name(variables["VIRTUAL_ENV"])
    if re.match(r".*/(?:ana|mini)?(?:conda|mamba|forge)\w*/bin/", executable):
        return "base"
    conda = variables.get("CONDA_DEFAULT_ENV") or variables.get("CONDA_PREFIX")
    if python and conda:
        return os.path.basename(conda.rstrip("/"))[:NAME_LIMIT] or None
    return None


def venv_above(argument: str) -> str | None:
    """Return the name of the virtual environment whose bin folder contains a program."""
    folder, name = os.path.split(argument)
    if not name or os.path.basename(folder) != "bin":
        return None
    root = os.path.dirname(folder)
    return venv_name(root) if root and os.path.isfile(os.path.join(root, "pyvenv.cfg")) else None


def venv_name(root: str) -> str:
    """Return the usual name of a virtual environment: a folder .venv is named after its parent."""
    parent, name = os.path.split(root.rstrip("/"))
    if name.lstrip(".") in ("venv", "env", "virtualenv"):
        name = os.path.basename(parent) + "/" + name
    return name[:NAME_LIMIT]


class UserNames:
    """Names of users; names that are in no file are looked up in a thread, because LDAP may be dead."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.asked: set[int] = set()
        for line in read_text("/etc/passwd", 1 << 20).split("\n"):
            words = line.split(":")
            if len(words) > 2 and words[2].isdigit():
                self.names.setdefault(int(words[2]), words[0][:NAME_LIMIT])

    def name(self, uid: int) -> str:
        """Return the name of a user, or the number until it is known."""
        if uid not in self.names and uid not in self.asked and len(self.asked) < 1000:
            self.asked.add(uid)
            asking = threading.Thread(target=self.look, args=(uid,), name="users", daemon=True)
            asking.start()
            asking.join(0.01)
        return self.names.get(uid, str(uid))

    def look(self, uid: int) -> None:
        """Look up a name in the system."""
        self.names[uid] = users.name(uid)


class ProcessReader:
    """Reads the processes of the GPUs and the busiest of the host, from /proc."""

    def __init__(self, top: int, commands: bool) -> None:
        self.top = top
        self.commands = commands
        self.users = UserNames()
        self.boot = 0.0
        self.last: dict[int, tuple[int, int, float]] = {}
        """Start, CPU ticks and time of the last reading of each process."""
        self.stats: dict[int, tuple[float | None, int, str, int, str]] = {}
        """CPU share, resident memory, state, start and name of each process."""
        self.details: dict[tuple[int, int, str], Row] = {}
        self.kernel: set[int] = set()
        self.scans = 0
        self.count: int | None = None
        self.leaders: list[int] = []
        self.period = 2.0
        """Seconds between full scans: a box with thousands of processes is scanned less often."""
        self.next = 0.0

    def tick(self, apps: list[App], now: float) -> list[Row]:
        """Return the rows of the GPUs' processes, then those of the host's busiest."""
        pids = {int(str(app["pid"])) for app in apps}
        if now >= self.next:
            self.scan(now)
            pids -= set(self.stats)
        else:
            pids.update(self.leaders)
        for pid in pids:
            self.stat(pid, now)
        rows = [dict(app, **self.facts(int(str(app["pid"])))) for app in apps]
        on_gpu = {app["pid"] for app in apps}
        rows += [
            dict(self.facts(pid), pid=pid) for pid in self.leaders if pid not in on_gpu and pid in self.stats
        ]
        return rows

    def scan(self, now: float) -> None:
        """Read every process once, and kernel threads only now and then."""
        begin = time.monotonic()
        if not self.boot:
            found = re.search(rb"^btime (\d+)", read_all("/proc/stat"), re.M)
            self.boot = float(found.group(1)) if found else 0.0
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        self.count = len(pids)
        if self.scans % 15 == 0:
            self.kernel = set()
        self.scans += 1
        old = self.last
        self.last, self.stats, before = {}, {}, old
        for pid in pids:
            if pid not in self.kernel:
                self.stat(pid, now, before)
        busiest = sorted(
            ((share or 0.0, memory, pid) for pid, (share, memory, _, _, _) in self.stats.items()),
            reverse=True,
        )
        self.leaders = [pid for _, _, pid in busiest[: self.top]]
        alive = {(pid, stat[3], stat[4]) for pid, stat in self.stats.items()}
        self.details = {key: row for key, row in self.details.items() if key in alive}
        # Scans may take half a percent of a core, and need not be more frequent than every two seconds.
        self.period = min(30.0, max(2.0, 200 * (time.monotonic() - begin)))
        self.next = now + self.period - 0.1

    def stat(self, pid: int, now: float, before: dict[int, tuple[int, int, float]] | None = None) -> None:
        """Read one process's numbers."""
        try:
            raw = read("/proc/%d/stat" % pid, 1024)
            right = raw.rindex(b")")
            words = raw[right + 2 :].split(None, 22)
            start, ticks = int(words[19]), int(words[11]) + int(words[12])
        except (OSError, ValueError, IndexError):
            self.stats.pop(pid, None)
            self.last.pop(pid, None)
            return
        if words[1] == b"2" or pid == 2:
            self.kernel.add(pid)
        old = (self.last if before is None else before).get(pid)
        share: float | None = None
        if old is not None and old[0] == start:
            span = now - old[2]
            if span < 0.2:  # too short to divide by; keep the older reading as the base
                self.last[pid] = old
                share = self.stats[pid][0] if pid in self.stats else None
                self.stats[pid] = (
                    share,
                    int(words[21]) * PAGE,
                    words[0].decode("ascii", "replace"),
                    start,
                    name_of(raw, right),
                )
                return
            share = round(100.0 * max(0, ticks - old[1]) / TICKS / span, 1)
        self.last[pid] = (start, ticks, now)
        self.stats[pid] = (
            share,
            int(words[21]) * PAGE,
            words[0].decode("ascii", "replace"),
            start,
            name_of(raw, right),
        )

    def facts(self, pid: int) -> Row:
        """Return the facts of a process; none if it is invisible from here."""
        stat = self.stats.get(pid)
        if stat is None:
            return {}
        share, memory, state, start, name = stat
        key = (pid, start, name)  # the name too: a shell that execs python keeps pid and start
        row = self.details.get(key)
        if row is None:
            row = self.details[key] = self.look(pid, start, name)
        user = self.users.name(int(str(row["uid"]))) if "uid" in row else ""
        facts = {field: value for field, value in row.items() if field != "uid"}
        return given(dict(facts, user=user, name=name, cpu=share, memory=memory, state=state))

    def look(self, pid: int, start: int, name: str) -> Row:
        """Read the constant facts of a process."""
        folder = "/proc/%d/" % pid
        row: Row = {"started": round(self.boot + start / TICKS, 2)}
        try:
            row["uid"] = os.stat(folder).st_uid
        except OSError:
            return row
        line = read_text(folder + "cmdline", 4 * COMMAND_LIMIT)
        words = line.split("\0")
        row["command"] = " ".join(words)[:COMMAND_LIMIT] if self.commands and line else name
        found = container(read_text(folder + "cgroup", 8192))
        if found is not None:
            row["container"] = self.container_name(pid, *found)
        elif line:
            row["env"] = self.env(folder, words[0])
        return given(row)

    def container_name(self, pid: int, kind: str, number: str) -> str:
        """Return a container's name from docker's files or its own host name, if they are readable."""
        if len(number) < 64:
            return "%s:%s" % (kind, number[:NAME_LIMIT])
        name = ""
        if kind == "docker":
            text = read_text("/var/lib/docker/containers/%s/config.v2.json" % number)
            found = re.search(r'"Name":"/?([^"]+)"', text)
            name = found.group(1) if found else ""
        if not name and kind == "k8s":
            name = read_text("/proc/%d/root/etc/hostname" % pid, NAME_LIMIT)
        return "%s:%s" % (kind, name[:NAME_LIMIT] or number[:12])

    def env(self, folder: str, argument: str) -> str | None:
        """Return the environment a process runs in."""
        try:
            executable = os.readlink(folder + "exe")
        except OSError:
            executable = ""
        if "/" in argument and not argument.startswith("/"):
            with contextlib.suppress(OSError):
                argument = os.path.join(os.readlink(folder + "cwd"), argument)
        variables: dict[str, str] = {}
        if re.match(r"(?:i?python|pypy|jupyter)", os.path.basename(executable or argument)):
            for part in read_text(folder + "environ", 1 << 17).split("\0"):
                key, _, value = part.partition("=")
                # Only these three variables are used: an environment is full of secrets.
                if key in ("VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PREFIX"):
                    variables[key] = value
        return environment_of(executable, os.path.normpath(argument) if argument else "", variables)


def name_of(raw: bytes, right: int) -> str:
    """Return a process's name from its stat line; it may contain brackets and spaces itself."""
    return raw[raw.index(b"(") + 1 : right].decode("utf-8", "replace")[:NAME_LIMIT]
