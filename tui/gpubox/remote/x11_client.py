"""Connects to the display that sshd forwards, as any graphical program does; opens no window.

Runs ON the box under Python 3.8 or newer with only the standard library. The exit status is 0 when the
display takes windows; else it is 1, and the last line of stderr says why not.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import List

from gpubox.common import x11

SECONDS = 8.0
"""For each answer of the display, which is at the other end of the link."""


def main(words: List[str]) -> int:
    """Connect to DISPLAY once."""
    refusal = refused(os.environ.get("DISPLAY", ""))
    if refusal:
        sys.stderr.write("%s\n" % refusal)
    return 1 if refusal else 0


def refused(name: str) -> str:
    """Return why a display takes no windows; empty when it does."""
    if not name:
        return "The program got no DISPLAY"
    where = x11.address(name)
    if where is None:
        return "DISPLAY is %r, which is no display" % name
    try:
        with connected(where) as link:
            link.settimeout(SECONDS)
            peer = address_of(link)
            data, hosts = cookies(), {"", "localhost", socket.gethostname()}
            link.sendall(x11.greeting(*x11.cookie(data, where.number, hosts, peer)))
            head = exactly(link, x11.HEAD)
            rest = exactly(link, x11.rest_of_answer(head))
    except OSError as error:
        return "Nothing answers on %s: %s" % (name, error.strerror or error)
    if head[0] == x11.ACCEPTED:
        return ""
    said = x11.reason(head, rest).decode("utf-8", "replace").strip()
    return "%s refuses: %s" % (name, " ".join(said.split()) or "it gives no reason")


def connected(where: x11.DisplayAddress) -> socket.socket:
    """Return a connection to a display; raises OSError."""
    if not where.socket:
        return socket.create_connection((where.host, x11.FIRST_PORT + where.number), SECONDS)
    link = socket.socket(socket.AF_UNIX)
    try:
        link.settimeout(SECONDS)
        link.connect(where.socket)
    except OSError:
        link.close()
        raise
    return link


def address_of(link: socket.socket) -> bytes:
    """Return the packed IP address at the other end of a connection; empty for a socket of this machine."""
    if link.family == socket.AF_UNIX:
        return b""
    return socket.inet_pton(link.family, link.getpeername()[0])


def cookies() -> bytes:
    """Return the file of cookies, which xauth writes; empty without one."""
    path = os.environ.get("XAUTHORITY") or os.path.expanduser("~/.Xauthority")
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20)
    except OSError:
        return b""


def exactly(link: socket.socket, count: int) -> bytes:
    """Return so many bytes; raises OSError when the other end hangs up or does not answer in time."""
    data = b""
    while len(data) < count:
        piece = link.recv(count - len(data))
        if not piece:
            raise ConnectionResetError("it hung up")
        data += piece
    return data
