"""Session types that a desktop can run, and the packages that bring what is missing on a box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gpubox.core.errors import ToolMissing
from gpubox.core.sanitize import clean


@dataclass(frozen=True, slots=True)
class SessionType:
    """A desktop environment or a window manager."""

    name: str
    weight: Literal["full", "light"]
    """A full one gets a message bus of its own; a light one a background and a terminal."""
    program: str
    """The program that must be installed."""
    command: str
    """The command that is run; the session lives as long as it does."""
    package: str = ""
    """The package that contains it, where the name differs."""


KINDS = (
    SessionType("xfce4", "full", "startxfce4", "startxfce4"),
    SessionType("mate", "full", "mate-session", "mate-session", "mate-desktop-environment"),
    SessionType("lxqt", "full", "startlxqt", "startlxqt"),
    SessionType("lxde", "full", "startlxde", "startlxde", "lxde-core"),
    SessionType("cinnamon", "full", "cinnamon-session", "cinnamon-session"),
    SessionType("kde", "full", "startplasma-x11", "startplasma-x11", "plasma-desktop"),
    SessionType("gnome", "full", "gnome-session", "gnome-session", "gnome-session"),
    SessionType("i3", "light", "i3", "i3"),
    SessionType("openbox", "light", "openbox", "openbox"),
    SessionType("fluxbox", "light", "fluxbox", "fluxbox"),
    SessionType("icewm", "light", "icewm-session", "icewm-session"),
    SessionType("twm", "light", "twm", "twm"),
)
"""Every session that is known by name; `auto` takes the first that the box has."""

_INSTALL: Mapping[str, str] = {
    "debian": "sudo apt install",
    "ubuntu": "sudo apt install",
    "fedora": "sudo dnf install",
    "rhel": "sudo dnf install",
    "centos": "sudo dnf install",
    "amzn": "sudo dnf install",
    "arch": "sudo pacman -S",
    "suse": "sudo zypper install",
    "opensuse": "sudo zypper install",
    "alpine": "sudo apk add",
    "void": "sudo xbps-install",
    "gentoo": "sudo emerge",
    "nixos": "nix profile install",
}
_TIGERVNC: Mapping[str, str] = {
    "sudo apt install": "tigervnc-standalone-server",
    "sudo dnf install": "tigervnc-server-minimal",
    "sudo pacman -S": "tigervnc",
    "sudo zypper install": "xorg-x11-Xvnc",
    "sudo apk add": "tigervnc",
    "sudo xbps-install": "tigervnc",
    "sudo emerge": "net-misc/tigervnc",
    "nix profile install": "nixpkgs#tigervnc",
}
_XFCE: Mapping[str, str] = {
    "sudo apt install": "xfce4 dbus-x11",
    "sudo dnf install": "xfce4-session xfwm4 xfce4-panel xfdesktop xfce4-terminal dbus-x11",
    "sudo pacman -S": "xfce4",
    "sudo zypper install": "xfce4-session",
    "sudo apk add": "xfce4 dbus-x11",
    "sudo xbps-install": "xfce4",
    "sudo emerge": "xfce-base/xfce4-meta",
    "nix profile install": "nixpkgs#xfce.xfce4-session",
}


def table() -> str:
    """Return the sessions as lines for the box: name, weight, program, command."""
    return "\n".join(f"{kind.name} {kind.weight} {kind.program} {kind.command}" for kind in KINDS)


def missing(what: str, name: str, system: str) -> ToolMissing:
    """Return the error for what a box lacks: a `server` or a `session` of some name.

    `system` is ID and ID_LIKE of its os-release: the hint is the line that installs it there.
    """
    install = next((_INSTALL[word] for word in system.lower().split() if word in _INSTALL), "")
    if what == "server":
        if name == "turbovnc":
            return ToolMissing(
                "No TurboVNC", "The box has no /opt/TurboVNC/bin/Xvnc", "See turbovnc.org, or use tigervnc"
            )
        hint = f"On the box: {install} {_TIGERVNC[install]}" if install else "Install TigerVNC on the box"
        return ToolMissing("No VNC server", "The box has neither TigerVNC nor TurboVNC", hint)
    if name == "auto":
        text = f"The box has none of {', '.join(kind.name for kind in KINDS)}"
        hint = f"On the box: {install} {_XFCE[install]}" if install else "Install xfce4 on the box"
        return ToolMissing("No desktop to start", text, hint)
    kind = next((kind for kind in KINDS if kind.name == name), None)
    program = kind.program if kind else clean(name, 60)
    packages = _XFCE.get(install, "") if name == "xfce4" else (kind and (kind.package or kind.name)) or ""
    hint = f"On the box: {install} {packages}" if install and packages else "Install it on the box"
    return ToolMissing(f"No {name}", f"The box has no {program}", f"{hint}; or choose another session")
