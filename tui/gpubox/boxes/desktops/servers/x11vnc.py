"""x11vnc: shares the physical screen of the machine."""

from __future__ import annotations

from gpubox.boxes.desktops.arguments import address_of, options_of
from gpubox.boxes.desktops.session import Running, Transport, VncAddress
from gpubox.core.bounds import whole


class _X11Vnc:
    key = "x11vnc"
    name = "x11vnc"
    programs = ("x11vnc",)
    brand = ""
    physical = True

    def options(self, way: Transport) -> str:
        """Return nothing: it is not started from here."""
        return ""

    def read(self, running: Running) -> VncAddress | None:
        """Parse its command line and its open port: it moves on when 5900 is taken."""
        options = options_of(running.arguments)
        asks = {"rfbauth", "passwd", "passwdfile", "usepw"} & set(options)
        return address_of(
            running,
            display=options.get("display", ""),
            port=whole(options.get("rfbport", "")) or (min(running.ports) if running.ports else 5900),
            security="other" if {"ssl", "unixpw"} & set(options) else "password" if asks else "none",
            secrets=("rfbauth",),
            path=options.get("unixsockonly", "") or options.get("unixsock", ""),
        )


SERVER = _X11Vnc()
