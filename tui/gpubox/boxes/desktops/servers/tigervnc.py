"""TigerVNC's Xvnc: the one that most distributions have."""

from __future__ import annotations

from gpubox.boxes.desktops.arguments import display_of, options_of, port_of, security_of
from gpubox.boxes.desktops.servers.turbovnc import is_turbo
from gpubox.boxes.desktops.session import Running, Transport, VncAddress
from gpubox.core.bounds import whole


class _TigerVnc:
    key = "tigervnc"
    name = "TigerVNC"
    programs = ("Xtigervnc", "Xvnc")
    brand = "TigerVNC"
    physical = False

    def options(self, way: Transport) -> str:
        """Return its options for a new session.

        Both access methods name the password file: macOS Screen Sharing requires a password.
        """
        common = '-AlwaysShared -Log "*:stderr:10" -PasswordFile "$dir/passwd"'
        if way == "port":
            return f'{common} -rfbport "$port" -localhost -SecurityTypes VncAuth'
        return f'{common} -rfbport -1 -rfbunixpath "$socket" -rfbunixmode 0600 -SecurityTypes None,VncAuth'

    def read(self, running: Running) -> VncAddress | None:
        """Parse its command line; None for a server of TurboVNC, which has the same name."""
        options = options_of(running.arguments)
        if is_turbo(running):
            return None
        display = display_of(running.arguments)
        path = options.get("rfbunixpath", "")
        port = port_of(display, options.get("rfbport", ""))
        return VncAddress(
            display=display,
            path=path,
            port=0 if path or port < 0 else port,
            geometry=options.get("geometry", ""),
            depth=whole(options.get("depth", "")),
            title=options.get("desktop", ""),
            security=security_of(options.get("securitytypes", "TLSVnc,VncAuth")),
            secret=options.get("passwordfile", "") or options.get("rfbauth", ""),
        )


SERVER = _TigerVnc()
