"""VNC viewers of this machine: which are installed, and the arguments of each."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gpubox.core.errors import ConfigError, ToolMissing


@dataclass(frozen=True, slots=True)
class Viewer:
    """A program that shows a desktop."""

    name: str
    """Its name in messages."""
    command: tuple[str, ...]
    """Its arguments; {host}, {port} and {password_file} are filled in."""
    password: tuple[str, ...] = ()
    """Arguments that are added when there is a password; without them it asks the user."""
    leaves: bool = False
    """Whether the command ends at once while the window stays, as with `open` of macOS."""

    def words(self, port: int, password_file: str = "") -> list[str]:
        """Return the command line for a desktop behind a port of this machine's loopback."""
        extra = self.password if password_file else ()
        values = {"{host}": "127.0.0.1", "{port}": str(port), "{password_file}": password_file}
        out: list[str] = []
        for word in (*self.command[:1], *extra, *self.command[1:]):
            filled = word
            for name, value in values.items():
                filled = filled.replace(name, value)
            out.append(filled)
        return out

    @property
    def takes_password(self) -> bool:
        """Whether it reads the password from a file, so that nobody types it."""
        return bool(self.password)


_ADDRESS = "{host}::{port}"
_TIGERVNC = Viewer("TigerVNC", ("", "-Shared", _ADDRESS), ("-passwd", "{password_file}"))
_TURBOVNC = Viewer("TurboVNC", ("", "-shared", _ADDRESS), ("-passwd", "{password_file}"))
_REALVNC = Viewer("RealVNC", ("", "-WarnUnencrypted=0", "-Shared=1", _ADDRESS))
_ANY = Viewer("vncviewer", ("", _ADDRESS))

_LINUX = (
    ("xtigervncviewer", _TIGERVNC),
    ("vncviewer", None),
    ("/opt/TurboVNC/bin/vncviewer", _TURBOVNC),
    ("remmina", Viewer("Remmina", ("", "-c", "vnc://{host}:{port}"), leaves=True)),
    ("gvncviewer", Viewer("gvncviewer", ("", "{host}::{port}"))),
    ("vinagre", Viewer("Vinagre", ("", "vnc://{host}:{port}"))),
    ("krdc", Viewer("KRDC", ("", "vnc://{host}:{port}"))),
)
"""In the order of `auto`; `vncviewer` is the name of several, distinguished by their output."""

_MAC = (
    ("vncviewer", None),
    ("/Applications/TurboVNC/TurboVNC Viewer.app/Contents/MacOS/TurboVNC Viewer", _TURBOVNC),
)
_SCREEN_SHARING = Viewer("Screen Sharing", ("open", "vnc://{host}:{port}"), leaves=True)
_BRANDS = (("tigervnc", _TIGERVNC), ("turbovnc", _TURBOVNC), ("realvnc", _REALVNC))


def find(
    setting: str, environment: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> Viewer | None:
    """Return the viewer of the settings, or the first of this machine for `auto`; None shows the address.

    Call it in a thread: it may run a program for a tenth of a second. Raises ConfigError for a command that
    cannot be split into words, ToolMissing for a missing program.
    """
    path = environment.get("PATH", os.defpath)
    if setting in ("none", "browser"):
        return None
    if setting != "auto":
        return _own(setting, path)
    if platform == "darwin":
        bundles = sorted(Path("/Applications").glob("TigerVNC*.app/Contents/MacOS/TigerVNC Viewer"))
        known = (*((str(bundle), _TIGERVNC) for bundle in bundles[-1:]), *_MAC)
        return _first(known, path) or _SCREEN_SHARING
    if not environment.get("DISPLAY") and not environment.get("WAYLAND_DISPLAY"):
        return None  # a login without a screen of its own: a viewer would only complain
    return _first(_LINUX, path)


def _own(setting: str, path: str) -> Viewer:
    try:
        words = shlex.split(setting)
    except ValueError as error:
        raise ConfigError(
            "desktop.viewer cannot be read", f"{error}: {setting}", "Close every quote"
        ) from error
    program = shutil.which(os.path.expanduser(words[0]), path=path) if words else None
    if program is None:
        raise ToolMissing(
            "No such viewer",
            f"desktop.viewer names {words[0] if words else 'nothing'}, which is not installed here",
            "Install it, or set desktop.viewer to auto",
        )
    if any("{port}" in word for word in words):
        return Viewer(Path(program).name, (program, *words[1:]))
    known = _branded(program) if len(words) == 1 else _ANY
    return replace(known, command=(program, *words[1:], *known.command[1:]))


def _first(known: Sequence[tuple[str, Viewer | None]], path: str) -> Viewer | None:
    for program, viewer in known:
        if (found := shutil.which(program, path=path)) is not None:
            kind = viewer or _branded(found)
            return replace(kind, command=(found, *kind.command[1:]))
    return None


def _branded(program: str) -> Viewer:
    """Return the viewer that a program is: several share one name."""
    name = Path(os.path.realpath(program)).name
    for known, viewer in _LINUX:
        if viewer is not None and name == Path(known).name and name != "vncviewer":
            return viewer
    try:
        done = subprocess.run(
            [program, "-h"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=3,
            check=False,
            env={**os.environ, "DISPLAY": ""},
        )
    except (OSError, subprocess.TimeoutExpired):
        return _ANY
    said = (done.stdout + done.stderr).decode("utf-8", "replace").lower()
    return next((viewer for brand, viewer in _BRANDS if brand in said), _ANY)
