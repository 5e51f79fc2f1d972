"""TurboVNC's Xvnc, which is in /opt/TurboVNC and has its own names for the same options."""

from __future__ import annotations

from gpubox.boxes.desktops.arguments import display_of, options_of, port_of, security_of
from gpubox.boxes.desktops.session import Running, Transport, VncAddress
from gpubox.core.bounds import whole


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
        path = options.get("rfbunixpath", "")
        return VncAddress(
            display=display,
            path=path,
            port=0 if path else port_of(display, options.get("rfbport", "")),
            geometry=options.get("geometry", ""),
            depth=whole(options.get("depth", "")),
            title=options.get("desktop", ""),
            security=security_of(options.get("securitytypes", "TLSVnc,VNC")),
            secret=options.get("rfbauth", ""),
        )


SERVER = _TurboVnc()
