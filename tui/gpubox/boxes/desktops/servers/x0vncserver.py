"""TigerVNC's x0vncserver: shares the physical screen of the machine."""

from __future__ import annotations

from gpubox.boxes.desktops.arguments import address_of, options_of, security_of
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
        return address_of(
            running,
            display=options.get("display", ""),
            port=whole(options.get("rfbport", "")) or 5900,
            security=security_of(options.get("securitytypes", "TLSVnc,VncAuth")),
            secrets=("passwordfile", "rfbauth"),
        )


SERVER = _X0VncServer()
