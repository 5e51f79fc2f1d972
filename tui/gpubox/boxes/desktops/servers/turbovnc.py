"""TurboVNC's Xvnc, which is in /opt/TurboVNC and has its own names for the same options."""

from __future__ import annotations

from gpubox.boxes.desktops.arguments import address_of, display_of, options_of, port_of, security_of
from gpubox.boxes.desktops.session import Running, Transport, VncAddress


def is_turbo(running: Running) -> bool:
    """Return whether an Xvnc is TurboVNC's: by its folder, else by the name of the desktop."""
    title = options_of(running.arguments).get("desktop", "")
    return "/turbovnc/" in running.path.lower() or title.startswith("TurboVNC")


class _TurboVnc:
    key = "turbovnc"
    name = "TurboVNC"
    programs = ("Xvnc",)
    brand = "TurboVNC"
    physical = False

    def options(self, way: Transport) -> str:
        """Return its options for a new session."""
        common = '-alwaysshared -rfbauth "$dir/passwd"'
        if way == "port":
            return f'{common} -rfbport "$port" -localhost -securitytypes VNC'
        return f'{common} -rfbunixpath "$socket" -rfbunixmode 0600 -securitytypes None,VNC'

    def read(self, running: Running) -> VncAddress | None:
        """Parse its command line; None for another server that is called Xvnc."""
        if not is_turbo(running):
            return None
        options = options_of(running.arguments)
        display = display_of(running.arguments)
        return address_of(
            running,
            display=display,
            port=port_of(display, options.get("rfbport", "")),
            security=security_of(options.get("securitytypes", "TLSVnc,VNC")),
            secrets=("rfbauth",),
        )


SERVER = _TurboVnc()
