"""TigerVNC's x0vncserver: shares the physical screen of the machine."""

from __future__ import annotations

from gpubox.boxes.desktops.arguments import options_of, security_of
from gpubox.boxes.desktops.session import Running, Transport, VncAddress
from gpubox.core.bounds import whole


class _X0VncServer:
    key = "x0vncserver"
    name = "x0vncserver"
    programs = ("x0vncserver", "x0tigervncserve", "X0tigervnc")
    brand = ""
    physical = True

    def options(self, way: Transport) -> str:
        """Return nothing: it is not started from here."""
        return ""

    def read(self, running: Running) -> VncAddress | None:
        """Parse its command line."""
        options = options_of(running.arguments)
        path = options.get("rfbunixpath", "")
        port = whole(options.get("rfbport", "")) or 5900
        return VncAddress(
            display=options.get("display", ""),
            path=path,
            port=0 if path or port < 0 else port,
            geometry=options.get("geometry", ""),
            title=options.get("desktop", ""),
            security=security_of(options.get("securitytypes", "TLSVnc,VncAuth")),
            secret=options.get("passwordfile", "") or options.get("rfbauth", ""),
        )


SERVER = _X0VncServer()
