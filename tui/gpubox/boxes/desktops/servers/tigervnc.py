"""TigerVNC's Xvnc: the one that most distributions have."""

from __future__ import annotations

from gpubox.boxes.desktops.arguments import address_of, display_of, options_of, port_of, security_of
from gpubox.boxes.desktops.servers.turbovnc import is_turbo
from gpubox.boxes.desktops.session import Running, Transport, VncAddress


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
        return address_of(
            running,
            display=display,
            port=port_of(display, options.get("rfbport", "")),
            security=security_of(options.get("securitytypes", "TLSVnc,VncAuth")),
            secrets=("passwordfile", "rfbauth"),
        )


SERVER = _TigerVnc()
