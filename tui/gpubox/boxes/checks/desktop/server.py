"""Whether a VNC server is installed that this panel can start."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok, unknown
from gpubox.boxes.checks.desktop.facts import DesktopFacts
from gpubox.boxes.desktops.servers import servers
from gpubox.boxes.desktops.session_types import missing
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(DesktopFacts)
    if facts.servers is None:
        return unknown(
            "The VNC servers did not say their versions in time", "Xtigervnc -version; Xvnc -version"
        )
    for server in servers():
        for found in facts.servers:
            if server.brand and found.program in server.programs and server.brand in found.version:
                return ok(f"{server.name}, {clean(found.path, 80)}", value=server.name)
    if facts.servers:
        first = facts.servers[0]
        said = clean(first.version, 80) or "it says nothing"
        text = f"{clean(first.path, 80)} is neither TigerVNC nor TurboVNC: {said}"
        return hint(text, missing("server", "auto", facts.system).hint, value="other")
    return hint("No VNC server is installed", missing("server", "auto", facts.system).hint, value="no")


CHECK = Check(
    id="desktop.server",
    title="A VNC server is installed",
    why="A desktop of this panel is a session of TigerVNC or TurboVNC that draws into memory: it needs no "
    "monitor, no free GPU and no root to run, and goes on when the laptop sleeps. The panel starts it on "
    "a socket that only its owner may open, and brings the picture over ssh. The package takes about 20 "
    "MB.",
    command="Xtigervnc -version; /opt/TurboVNC/bin/Xvnc -version",
    needs=(DesktopFacts,),
    judge=_judge,
)
