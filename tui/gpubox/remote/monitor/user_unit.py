"""The service as a unit of the user's systemd, which starts it at boot and again whenever it ends."""

from __future__ import annotations

import contextlib
import os

from gpubox.remote import state, users
from gpubox.remote.checks import commands
from gpubox.remote.jobs import systemd
from gpubox.remote.json_io import Refused
from gpubox.remote.kernel_files import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

SECONDS = 20.0
"""Limit of a command of systemd; a stop waits for the service."""
_TEXT = """\
# Made by gpubox-tui, which removes it as well.
[Unit]
Description=GPU monitoring of gpubox-tui
ConditionHost=%s
StartLimitIntervalSec=0

[Service]
ExecStart=%s
Restart=always
RestartSec=10
TimeoutStopSec=10
UMask=0077
StandardOutput=null

[Install]
WantedBy=default.target
"""


def name() -> str:
    """Return the name of the unit, which has the machine in it, because machines may share a home."""
    return "gpubox-monitor-%s.service" % state.machine()


def place() -> str:
    """Return the path of the unit."""
    config = os.environ.get("XDG_CONFIG_HOME", "")
    config = config if config.startswith("/") else os.path.expanduser("~/.config")
    return os.path.join(config, "systemd", "user", name())


def wants() -> str:
    """Return the folder in which systemd notes that the unit starts at boot, below the folder of the unit."""
    return os.path.join(os.path.dirname(place()), "default.target.wants")


def usable() -> bool:
    """Return whether the user's manager can be reached."""
    return systemd.has_manager() and bool(commands.which("systemctl"))


def lingers() -> bool:
    """Return whether the manager runs without a login."""
    return systemd.lingers(users.current())


def allow_linger() -> bool:
    """Ask logind to let the manager run without a login; return whether it does now."""
    if not lingers():
        _run("loginctl", "enable-linger")
    return lingers()


def forbid_linger() -> None:
    """Take that back."""
    _run("loginctl", "disable-linger")


def text(command: List[str]) -> str:
    """Return the unit that runs a command."""
    host = read_text("/etc/machine-id", 64) or os.uname().nodename
    return _TEXT % (host, " ".join(map(quoted, command)))


def quoted(word: str) -> str:
    """Return a word of ExecStart, in which systemd expands neither variables nor specifiers."""
    for special, safe in (("\\", "\\\\"), ('"', '\\"'), ("$", "$$"), ("%", "%%")):
        word = word.replace(special, safe)
    return '"%s"' % word


def write(command: List[str]) -> None:
    """Write the unit in its folder, which exists, and let it start at boot; raises Refused."""
    try:
        with open(place(), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text(command))
    except OSError as error:
        raise Refused("The unit cannot be written", "%s: %s" % (place(), error.strerror)) from None
    _asked("daemon-reload")
    _asked("enable", name())


def restart() -> None:
    """Start the unit, again if it runs; raises Refused."""
    _asked("restart", name())


def stop() -> None:
    """Stop the unit until it is started, or the box boots; raises Refused."""
    _asked("stop", name())


def remove() -> None:
    """Stop the unit, if it runs, and remove it; a manager that does not answer stops nothing."""
    _run("systemctl", "--user", "disable", "--now", name())
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place())
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(wants(), name()))
    _run("systemctl", "--user", "daemon-reload")
    _run("systemctl", "--user", "reset-failed", name())


def _asked(*words: str) -> None:
    done = _run("systemctl", "--user", *words)
    if done is None or done.status != 0:
        said = (done.err.strip().splitlines() if done is not None else []) or ["it did not answer"]
        command = "systemctl --user %s" % " ".join(words)
        raise Refused("systemd refused", "%s: %s" % (command, said[-1][:200]))


def _run(*argv: str) -> commands.Done | None:
    os.environ["XDG_RUNTIME_DIR"] = systemd.runtime_folder()
    return commands.run(*argv, seconds=SECONDS)
