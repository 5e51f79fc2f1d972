"""Which real programs the tests need, whether they are there, and how to get them."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_SBIN = ("/usr/sbin", "/sbin", "/usr/local/sbin")
"""Where daemons live; the PATH of a plain user lacks it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A program that some tests need."""

    program: str
    package: str
    """The Debian and Ubuntu package that brings it."""
    file: str = ""
    """Where a part is that is no program; may be a pattern."""

    @property
    def path(self) -> str | None:
        """The full path, as sshd wants to be started, or None."""
        if self.file:
            return next(iter(sorted(glob.glob(self.file))), None)
        return shutil.which(self.program) or shutil.which(self.program, path=os.pathsep.join(_SBIN))


PARTS = {
    part.program: part
    for part in (
        Part("sshd", "openssh-server"),
        Part("ssh", "openssh-client"),
        Part("ssh-agent", "openssh-client"),
        Part("dropbear", "dropbear-bin"),
        Part("bash", "bash"),
        Part("dash", "dash"),
        Part("zsh", "zsh"),
        Part("fish", "fish"),
        Part("tcsh", "tcsh"),
        Part("sh", "dash"),
        Part("gcc", "gcc"),
        Part("vi", "vim-tiny"),
        Part("setpriv", "util-linux"),
        Part("unshare", "util-linux"),
        Part("sudo", "sudo"),
        Part("openssl", "openssl"),
        Part("nginx", "nginx-light"),
        Part("zabbix_agentd", "zabbix-agent"),
        Part("zabbix_agent2", "zabbix-agent2"),
        Part("prometheus", "prometheus"),
        Part("promtool", "prometheus"),
        Part("zabbix_sender", "zabbix-sender"),
        Part("zabbix_server", "zabbix-server-pgsql"),
        Part("zabbix-frontend", "zabbix-frontend-php", "/usr/share/zabbix/api_jsonrpc.php"),
        Part("initdb", "postgresql", "/usr/lib/postgresql/*/bin/initdb"),
        Part("psql", "postgresql-client"),
        Part("php", "php-cli"),
        Part("php-pgsql", "php-pgsql", "/usr/lib/php/*/pgsql.so"),
        Part("ip", "iproute2"),
        Part("nft", "nftables"),
        Part("iptables-save", "iptables"),
        Part("Xvfb", "xvfb"),
        Part("xauth", "xauth"),
        Part("xeyes", "x11-apps"),
        Part("xwininfo", "x11-utils"),
        Part("Xtigervnc", "tigervnc-standalone-server"),
        Part("vncpasswd", "tigervnc-tools"),
        Part("openbox", "openbox"),
        Part("xterm", "xterm"),
        Part("sbatch", "slurm-client"),
        Part("slurmctld", "slurmctld"),
        Part("slurmd", "slurmd"),
        Part("slurmdbd", "slurmdbd"),
        Part("mariadbd", "mariadb-server-core"),
        Part("my_print_defaults", "mariadb-client-core"),
        Part("xtigervncviewer", "tigervnc-viewer"),
        Part("X0tigervnc", "tigervnc-scraping-server"),
        Part("x11vnc", "x11vnc"),
        Part("xfce4-session", "xfce4-session"),
        Part("xfwm4", "xfwm4"),
        Part("xfdesktop", "xfdesktop4"),
        Part("xfce4-panel", "xfce4-panel"),
        Part("dbus-launch", "dbus-x11"),
        Part("chromium", "chromium"),
        Part("novnc", "novnc", "/usr/share/novnc/vnc.html"),
    )
}
"""Every part by the name of its program."""

_HEADERS = Path("/usr/include/stdio.h")
"""gcc alone compiles nothing; libc6-dev is only recommended by it."""


def program(name: str) -> str:
    """Return the full path of a part.

    Skips the test when the part is missing; with CI=true the test fails instead.
    """
    path = PARTS[name].path
    if path is None:
        missing([PARTS[name].package])
    assert path is not None
    return path


def missing(packages: Iterable[str]) -> None:
    """Skip the test that needs packages, or fail it where nothing may be missing."""
    text = f"not on this machine: {', '.join(packages)} ({_advice(list(packages))})"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


def lacking() -> list[str]:
    """Return the packages that are not there."""
    packages = [part.package for part in PARTS.values() if part.path is None]
    if not _HEADERS.exists() and sys.platform == "linux":
        packages.append("libc6-dev")
    return sorted(set(packages))


def _advice(packages: Sequence[str]) -> str:
    if shutil.which("apt-get"):
        return f"sudo apt-get install --no-install-recommends {' '.join(packages)}"
    return f"the packages that bring {' '.join(packages)} on Debian"


def _privilege() -> list[str] | None:
    """Return what to put before a command to run it as root, or None when that needs a user."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def install() -> int:
    """Install what is missing where that needs no user; returns an exit status.

    Says nothing when all is there. Where something stays missing it says exactly what, and the status
    is 1 with CI=true, else 0: the tests that need it are skipped.
    """
    packages = lacking()
    if not packages:
        return 0
    as_root = _privilege()
    if as_root is not None and shutil.which("apt-get"):
        _apt(as_root, packages)
    packages = lacking()
    if not packages:
        return 0
    print(f"Parts that some tests need are missing: {', '.join(packages)}.", file=sys.stderr)
    print(f"To get them: {_advice(packages)}", file=sys.stderr)
    return 1 if os.environ.get("CI", "").lower() == "true" else 0


def _apt(as_root: Sequence[str], packages: Sequence[str]) -> None:
    print(f"Installing parts for the tests: {' '.join(packages)}", file=sys.stderr)
    command = [
        *as_root,
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-q",
        "-y",
        "-o",
        "DPkg::Lock::Timeout=120",
    ]
    with _no_daemons(as_root):
        for attempt in ([], [[*command, "update"]]):
            for prepare in attempt:
                subprocess.run(prepare, capture_output=True)
            done = subprocess.run(
                [*command, "install", "--no-install-recommends", *packages], capture_output=True, text=True
            )
            if done.returncode == 0:
                return
    print(done.stdout[-1000:] + done.stderr[-2000:], file=sys.stderr)


POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program whether a package may start its daemon; 101 says no."""


@contextmanager
def _no_daemons(as_root: Sequence[str]) -> Generator[None]:
    """Keep openssh-server from opening port 22 of this machine when it is installed."""
    if POLICY.exists():
        yield
        return
    write = f"printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}"
    subprocess.run([*as_root, "sh", "-c", write], check=True)
    try:
        yield
    finally:
        subprocess.run([*as_root, "rm", "-f", str(POLICY)], check=True)
