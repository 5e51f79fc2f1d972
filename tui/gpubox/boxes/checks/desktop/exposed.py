"""Whether other machines can reach a VNC server of the box."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, ok, unknown, warning
from gpubox.boxes.checks.desktop.facts import DesktopFacts, VncPort
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(DesktopFacts)
    if facts.listening is None:
        return unknown("The open ports could not be read in time", "ss -tlnp")
    found = [one for one in facts.listening if not one.local]
    if not found:
        if not facts.running:
            return ok("No VNC server runs", value="none")
        return ok("VNC servers listen on this machine only", value="local")
    worst = min(found, key=lambda one: (one.password is not False, one.password is not None))
    lines = tuple(map(_said, found)) if len(found) > 1 else ()
    if worst.password is False:
        return failed(f"{_said(worst)}, without a password", _step(worst), value="open", details=lines)
    asks = ", with a VNC password" if worst.password else ""
    return warning(f"{_said(worst)}{asks}", _step(worst), value="open", details=lines)


def _said(one: VncPort) -> str:
    owner = "" if one.mine else f" of {clean(one.user, 32)}"
    host = clean(one.host, 45)
    place = "every address" if one.host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"{clean(one.program, 32)}{owner} listens on {place}, port {one.port}"


def _step(one: VncPort) -> str:
    if one.program in ("x11vnc", "x0vncserver"):
        return "Start it with -localhost, and open it through this panel, which tunnels it"
    return "Start it with -localhost yes, or from the desktop panel, which needs no port at all"


CHECK = Check(
    id="desktop.exposed",
    title="Desktops are reached through ssh only",
    why="VNC encrypts neither the picture nor the keys, and its passwords have eight characters at most. "
    "A server that listens on every address is found by scans of the internet within hours, unless a "
    "firewall is before it. Through ssh it is as safe as the login: this panel, and `ssh -L`, reach what "
    "listens on the box alone.",
    command="ss -tlnp | grep -E ':59[0-9][0-9]|vnc'",
    needs=(DesktopFacts,),
    judge=_judge,
)
