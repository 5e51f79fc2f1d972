"""Facts of remote desktops: installed servers and sessions, and which VNC servers others can reach."""

from __future__ import annotations

import os
import re
import shutil
import stat

from gpubox.remote import services
from gpubox.remote.checks import commands, login_user, parts, running
from gpubox.remote.kernel_files import read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional, Tuple

    Row = Dict[str, Any]

FOLDERS = "/opt/TurboVNC/bin"
"""Searched after PATH for servers, as remote/desktop.sh does."""
SERVERS = ("Xtigervnc", "Xvnc")
"""Programs of the servers that this panel starts; boxes/desktops/servers has more about them."""
SESSIONS = (
    *("startxfce4", "mate-session", "startlxqt", "startlxde", "cinnamon-session", "startplasma-x11"),
    *("gnome-session", "i3", "openbox", "fluxbox", "icewm-session", "twm"),
)
"""Programs of the sessions of boxes/desktops/session_types.py."""
TOOLS = ("dbus-run-session", "dbus-launch")
VNC = (
    *("Xtigervnc", "Xvnc", "Xtightvnc", "Xvnc4", "x11vnc", "x0vncserver", "x0tigervncserver", "X0tigervnc"),
    *(
        "w0vncserver",
        "wayvnc",
        "vino-server",
        "krfb",
        "vncserver-x11-core",
        "Xvnc-core",
        "vncserver-virtuald",
    ),
)
"""Names of processes that are VNC servers."""
PORTS = range(5900, 6000)
"""Ports at which VNC servers listen, unless their options say otherwise."""
PASSWORDS = ("/.vnc/passwd", "/.config/tigervnc/passwd")
"""Files of VNC passwords, which are scrambled, not encrypted; they are looked at, never read."""


def gather() -> Row:
    """Return the facts."""
    row = parts.gathered({"servers": servers, "listening": listening})
    row.update(
        sessions=[name for name in SESSIONS if commands.which(name)],
        tools=[name for name in TOOLS if commands.which(name)],
        running=len(running.named(*VNC)),
        system=system(),
        passwords=passwords(),
    )
    return row


def servers() -> List[Row]:
    """Return the installed VNC servers, each with the first words that it says of its version."""
    rows: List[Row] = []
    for name in SERVERS:
        place = shutil.which(name, path=commands.path() + os.pathsep + FOLDERS)
        if place:
            done = commands.run(place, "-version", seconds=commands.QUICK)
            said = (done.err + done.out if done is not None else "").strip()
            rows.append({"program": name, "path": place[:200], "version": " ".join(said.split())[:300]})
    return rows


def system() -> str:
    """Return ID and ID_LIKE of the distribution, by which packages are named."""
    text = read_text(rooted("/etc/os-release")) or read_text(rooted("/usr/lib/os-release"))
    found = dict(re.findall(r"^(ID|ID_LIKE)=\"?([^\"\n]*)\"?", text, re.M))
    return ("%s %s" % (found.get("ID", ""), found.get("ID_LIKE", ""))).strip()[:100]


def listening() -> List[Row]:
    """Return the addresses at which VNC servers listen for TCP.

    A socket of another user has no known process: one at a port of VNC is taken for the server of that user.
    """
    known = {one.pid: one for one in running.named(*VNC)}
    uids = {one.uid: one for one in known.values()}
    rows: List[Row] = []
    for port in running.ports():
        server = known.get(port.pid) if port.pid is not None else None
        if server is None and port.pid is None and port.port in PORTS:
            server = uids.get(port.uid)
        if server is not None:
            rows.append(
                {
                    "program": server.name[:32],
                    "user": services.users.name(server.uid),
                    "mine": server.uid == login_user.uid(),
                    "host": port.host,
                    "port": port.port,
                    "local": running.is_local(port.host),
                    "password": asks(server.name, services.words(server.pid)),
                }
            )
    return rows[:50]


def asks(name: str, words: List[str]) -> Optional[bool]:
    """Return whether a server asks for a password, by its command line; None when that does not say it.

    Nothing of the command line goes into facts: it may hold the password itself.
    """
    options = [word.lstrip("-").lower() for word in words[1:]]
    if name == "x11vnc":
        marks = ("rfbauth", "passwd", "passwdfile", "usepw", "unixpw", "ssl", "vencrypt")
        return any(option.partition("=")[0] in marks for option in options)
    for place, option in enumerate(options):
        key, equals, value = option.partition("=")
        if key == "securitytypes":
            types = value if equals else options[place + 1] if place + 1 < len(options) else ""
            return not any(one.strip().endswith("none") for one in types.split(","))  # TLSNone, X509None
    return True if name in SERVERS else None


def passwords() -> List[Row]:
    """Return the files of VNC passwords of the user, and whether others may read them."""
    rows: List[Row] = []
    for path in PASSWORDS:
        place = rooted(login_user.home() + path)
        found = mode(place)
        if found is not None:
            row = {"path": "~" + path, "place": (login_user.home() + path)[:400], "mine": found[2]}
            rows.append({**row, "mode": found[0], "open": found[1] and reachable(place)})
    return rows


def mode(path: str) -> Optional[Tuple[str, bool, bool]]:
    """Return the mode of a file, whether others may read it, and whether it is a plain one of the user's own.

    None without the file.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    mine = stat.S_ISREG(found.st_mode) and found.st_uid == login_user.uid()
    return "%03o" % stat.S_IMODE(found.st_mode), bool(found.st_mode & 0o044), mine


def reachable(path: str) -> bool:
    """Return whether the folders above a file let others in."""
    above = os.path.dirname(path)
    while above not in ("/", "", rooted("").rstrip("/")):
        try:
            if not os.stat(above).st_mode & 0o011:
                return False
        except OSError:
            return False
        above = os.path.dirname(above)
    return True
