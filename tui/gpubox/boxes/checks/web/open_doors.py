"""Whether services that let everybody in listen for other machines."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gpubox.boxes.checks.check import (
    Check,
    Gathered,
    Outcome,
    Result,
    not_here,
    ok,
    unknown,
)
from gpubox.boxes.checks.web.facts import WebFacts
from gpubox.boxes.services.classify import read
from gpubox.boxes.services.facts import ServiceFacts
from gpubox.boxes.services.service import Access, Service
from gpubox.core.sanitize import clean

_RUNS_CODE = ("jupyter", "vscode", "code-server", "ray", "dask", "comfyui", "marimo", "rstudio")
"""Kinds of services whose users can run any program on the box."""
_DATABASES = ("postgres", "mysql", "redis", "mongodb")
_MEANT = ("web-server", "ssh", "node-exporter", "dcgm-exporter")
"""Kinds of services that exist for other machines."""
_VNC = re.compile(r"X\w*vnc|x11vnc|x0\w*vnc\w*|vino-server")
_VNC_PORTS = range(5900, 5920)
_OWN_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in ("100.64.0.0/10", "fd7a:115c:a1e0::/48", "172.17.0.0/16", "fe80::/10")
)
"""Networks of Tailscale and Docker, and link-local addresses: only chosen machines are there."""

_ORDER = (Outcome.FAILED, Outcome.WARNING, Outcome.HINT)
_STEP = "Let it listen on 127.0.0.1 only: the panel opens it by its name, through its tunnel"


@dataclass(frozen=True, slots=True)
class _Open:
    outcome: Outcome
    text: str


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(WebFacts).services
    if facts is None or not facts.proc:
        return unknown("What listens could not be listed", "ss -tlnp")
    services = [one for one in read(facts) if one.exposed and not _chosen_machines(one.bind)]
    found = [made for one in services if (made := _judged(one, facts)) is not None]
    if not found:
        if not services:
            return not_here("Nothing listens for other machines")
        return ok("What listens for other machines is meant for them", value="0")
    found.sort(key=lambda one: _ORDER.index(one.outcome))
    worst = found[0]
    count = len([one for one in found if one.outcome is worst.outcome])
    more = f", and {count - 1} more" if count > 1 else ""
    return Result(worst.outcome, worst.text + more, _STEP, str(count), tuple(one.text for one in found[1:13]))


def _judged(one: Service, facts: ServiceFacts) -> _Open | None:
    """Return what is wrong with a service; None for nothing."""
    place = (
        f"{clean(one.name, 40)} at port {one.port}{f' of {one.user}' if one.user and not one.mine else ''}"
    )
    if one.kind in _MEANT or one.kind == "jupyter-kernel":
        return None
    if one.kind == "desktop" or (not one.kind and one.port in _VNC_PORTS):
        return _desktop(one, facts, place)
    if one.kind in _DATABASES:
        return _Open(Outcome.HINT, f"{place}, a database, listens for other machines")
    if one.system or not one.page:
        return None
    if one.access is Access.OPEN:
        if one.kind in _RUNS_CODE:
            text = f"{place} lets everybody in who reaches the box, to run any program"
            return _Open(Outcome.FAILED, text)
        return _Open(Outcome.WARNING, f"{place} lets everybody in who reaches the box")
    if one.access is Access.UNKNOWN:
        return _Open(Outcome.HINT, f"{place} listens for other machines, and may ask for nothing")
    if not one.secure:
        return _Open(
            Outcome.HINT, f"{place} listens for other machines, and its password travels without TLS"
        )
    return None


def _desktop(one: Service, facts: ServiceFacts, place: str) -> _Open | None:
    """Judge a desktop: VNC knows passwords of eight characters, and no encryption by itself."""
    if not one.kind:
        return _Open(Outcome.HINT, f"{place} may be a desktop over VNC that other machines reach")
    process = facts.processes.get(str(one.pid)) if one.pid is not None else None
    words = process.words if process is not None else ()
    program = words[0].rpartition("/")[2] if words else process.name if process is not None else ""
    if not _VNC.fullmatch(program):
        return None
    if _without_password(program, words):
        return _Open(Outcome.FAILED, f"The desktop at port {one.port} lets everybody in who reaches the box")
    text = f"The desktop at port {one.port} is reached by other machines, behind a password of VNC at most"
    return _Open(Outcome.WARNING, text)


def _without_password(program: str, words: Sequence[str]) -> bool:
    """Return whether a VNC server certainly asks for nothing."""
    bare = [word.lstrip("-").lower() for word in words]
    if program == "x11vnc":
        return not any(
            word.startswith(("rfbauth", "passwd", "usepw", "unixpw", "ssl", "stunnel")) for word in bare
        )
    return any(
        word == "securitytypes=none" or (word == "securitytypes" and bare[place + 1 : place + 2] == ["none"])
        for place, word in enumerate(bare)
    )


def _chosen_machines(address: str) -> bool:
    """Return whether only chosen machines reach an address: those of a VPN, or containers."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in _OWN_NETWORKS if network.version == parsed.version)


CHECK = Check(
    id="web.open-doors",
    title="No service lets everybody in",
    why="Jupyter, code-server and Ray run programs for those who open their page. On all addresses and "
    "without a token, that is everybody who reaches the box: the network of a laboratory, a wireless "
    "network, or the internet, where such pages are found within hours. A firewall may stop it; this check "
    "does not see through one. What listens on 127.0.0.1 is opened through this panel's tunnels as before.",
    command="ss -tlnp | grep -v 127.0.0.1",
    needs=(WebFacts,),
    judge=_judge,
)
