"""Starts a supervisor as a unit of the user's systemd, on boxes that kill the processes of ended logins.

With KillUserProcesses=yes in logind's settings a double fork does not help: only units of the user's own
manager survive, and only if the manager lingers. On other boxes this file does nothing.
"""

from __future__ import annotations

import configparser
import contextlib
import glob
import json
import os
import signal
import socket

from gpubox.remote import bundle, inherited, process_tree
from gpubox.remote.jobs import gpu_queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Generator, List

    Row = Dict[str, Any]

PATIENCE = 10.0
"""Seconds for systemd to start a unit."""
WARNING = "This box ends your jobs when you log out; `loginctl enable-linger` there keeps them"
PLACES = ("/usr/lib/systemd/logind.conf", "/etc/systemd/logind.conf")


def _rooted(path: str) -> str:
    return os.environ.get("GPUBOX_ROOT", "") + path


def ends_at_logout(user: str) -> bool:
    """Return whether logind kills the processes of a user who logs out, judged by its settings."""
    if not os.path.isdir(_rooted("/run/systemd/system")):
        return False
    files = [_rooted(place) for place in PLACES]
    for place in ("/usr/lib", "/run", "/etc"):
        files += sorted(glob.glob(_rooted("%s/systemd/logind.conf.d/*.conf" % place)))
    settings = configparser.ConfigParser(strict=False, interpolation=None)
    with contextlib.suppress(configparser.Error):
        settings.read(files)
    login = settings["Login"] if settings.has_section("Login") else {}
    only, but = login.get("KillOnlyUsers", "").split(), login.get("KillExcludeUsers", "root").split()
    kills = login.get("KillUserProcesses", "no").strip().lower() in ("yes", "true", "on", "1")
    return kills and user not in but and (not only or user in only)


def lingers(user: str) -> bool:
    """Return whether the user's manager keeps running without a login."""
    return os.path.exists(_rooted("/var/lib/systemd/linger/" + user))


def runtime_folder() -> str:
    """Return the folder of the user's manager; a login without PAM has no variable for it."""
    return os.environ.get("XDG_RUNTIME_DIR") or "/run/user/%d" % os.getuid()


def has_manager() -> bool:
    """Return whether the user's manager can be reached."""
    folder = _rooted(runtime_folder())
    return any(os.path.exists(os.path.join(folder, name)) for name in ("systemd/private", "bus"))


def _program() -> str:
    """Return systemd-run if the user's manager can be reached; else ""."""
    if not has_manager():
        return ""
    for folder in os.environ.get("PATH", os.defpath).split(":"):
        path = os.path.join(folder or ".", "systemd-run")
        if os.access(path, os.X_OK):
            return path
    return ""


def needs_unit(user: str) -> bool:
    """Return whether a supervisor has to be a unit, and can be one."""
    return ends_at_logout(user) and lingers(user) and bool(_program())


def start(folder: str, job: Row, umask: int) -> socket.socket:
    """Start a supervisor as a unit; return a connection on which it reports, as launcher.py expects.

    The spec is sent through a socket, because its secrets may be neither in arguments nor in files. Raises
    OSError when systemd does not start it.
    """
    path = os.path.join(gpu_queue.queue_folder(), "begin-%s" % job["id"])
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as server:
        with _short_path(path) as short:
            server.bind(short)
        try:
            server.listen(1)
            server.settimeout(PATIENCE)
            _ask(folder, job["id"], path)
            line, _ = server.accept()
        finally:
            os.unlink(path)
    request = {"folder": folder, "spec": job, "umask": umask, "environment": inherited.variables()}
    line.settimeout(PATIENCE)
    line.sendall(json.dumps(request).encode())
    line.shutdown(socket.SHUT_WR)
    return line


@contextlib.contextmanager
def _short_path(path: str) -> Generator[str, None, None]:
    """Yield a short path for a socket: the kernel's limit is 107 bytes, and a folder may be deep."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield "/proc/self/fd/%d/%s" % (folder, os.path.basename(path))
    finally:
        os.close(folder)


def _ask(folder: str, job: str, path: str) -> None:
    """Run systemd-run; raises OSError when it fails."""
    command = [_program(), "--user", "--quiet", "--collect", "--unit=gpubox-job-" + job]
    command += ["--property=OOMPolicy=continue", "--property=LimitCORE=infinity"]
    command += ["--property=KillSignal=SIGTERM", "--property=SendSIGHUP=no", "--"]
    command += bundle.command("gpubox.remote.jobs.main", "unit", path)
    runtime = runtime_folder()
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(int(PATIENCE))
            log = os.open(
                os.path.join(folder, "supervisor.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
            )
            null = os.open(os.devnull, os.O_RDONLY)
            for handle, place in ((null, 0), (log, 1), (log, 2)):
                os.dup2(handle, place)
            os.execve(command[0], command, dict(os.environ, XDG_RUNTIME_DIR=runtime))
        finally:
            os._exit(127)
    if os.waitpid(pid, 0)[1] != 0:
        log_path = os.path.join(folder, "supervisor.log")
        said = process_tree.read(log_path).decode("utf-8", "replace").strip().splitlines()
        raise OSError("systemd-run failed: %s" % (said[-1] if said else "it said nothing"))


def serve(path: str, supervise: Callable[[str, Row, int, Callable[[], None]], None]) -> None:
    """Run the supervisor of a unit: receive the spec from the launch, and report the progress to it."""
    line = socket.socket(socket.AF_UNIX)
    with _short_path(path) as short:
        line.connect(short)
    data: List[bytes] = []
    while True:
        block = line.recv(1 << 16)
        if not block:
            break
        data.append(block)
    request = json.loads(b"".join(data).decode())
    os.environ.clear()
    os.environ.update(request["environment"])
    request["spec"].setdefault("base", request["environment"])
    os.umask(0o077)
    log = os.open(
        os.path.join(request["folder"], "supervisor.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
    )
    for place in (1, 2):
        os.dup2(log, place)

    def notify() -> None:
        with contextlib.suppress(OSError):
            line.send(b".")

    supervise(request["folder"], request["spec"], request["umask"], notify)
