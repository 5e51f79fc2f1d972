"""What the log and the connections of a Zabbix agent say about its reports, in words."""

from __future__ import annotations

import re
from shlex import quote

from gpubox.boxes.checks.check import Result, warning
from gpubox.boxes.checks.monitoring.facts import ZabbixAgent, ZabbixTalk, ZabbixTrouble
from gpubox.common.units import duration
from gpubox.core.sanitize import LONGEST, clean

_HOST = re.compile(r"host \[(.+)\] not found")
_ERROR = re.compile(r"\]: ([^\[\]]*(?:\[\d+\] )?[^\[\]]*)[\])]*$")
"""What follows the address in an error of either agent."""
_NOISE = re.compile(r"^(?:\[\d+\] |(?:dial|read|write) tcp \S*: (?:connect: )?)")
"""What precedes the error itself: its number, or the addresses again in agent 2."""


def trouble(agent: ZabbixAgent, restart: str, details: tuple[str, ...]) -> Result | None:
    """Return a warning about the worst that the log says, or None when it names no failure that lasts."""
    failing = [one for one in agent.troubles if not one.answers]
    if failing:
        return _failing(agent, failing[0], details)
    return _unknown_host(agent, agent.troubles[0], restart, details) if agent.troubles else None


def _failing(agent: ZabbixAgent, one: ZabbixTrouble, details: tuple[str, ...]) -> Result:
    server = _server(agent, one)
    error = _ERROR.search(one.text[:LONGEST])
    why = clean(_NOISE.sub("", (error.group(1) if error else one.text[:LONGEST]).strip()), 100)
    verb = "fail" if one.seconds is None else f"have failed for {duration(one.seconds)}"
    step = (
        f"Check that {server} is a Zabbix server and runs, that no firewall is in the way, and that the "
        f"encryption fits. To look: {_look(agent)}"
    )
    text = f"Its reports to {server} {verb}{f': {why}' if why else ''}"
    return warning(text, step, value="failing", details=details)


def _unknown_host(agent: ZabbixAgent, one: ZabbixTrouble, restart: str, details: tuple[str, ...]) -> Result:
    server = _server(agent, one)
    found = _HOST.search(one.text[:LONGEST])
    if not found:
        text = f"{server} has no checks for it: {clean(one.text, 100) or 'it does not say why'}"
        return warning(
            text, f"Look at the host on the server. To look: {_look(agent)}", value="refused", details=details
        )
    name = clean(found.group(1), 60)
    step = (
        f"On the server, create a host with the name {name}; or, in {clean(agent.path, 100)}: "
        f"Hostname=THE NAME THAT IT HAS THERE; {restart}"
    )
    return warning(f"{server} does not know the host {name}", step, value="unknown-host", details=details)


def _server(agent: ZabbixAgent, one: ZabbixTrouble) -> str:
    """Return the address of a server; agent 2 does not always log it."""
    active = agent.settings.get("ServerActive", "")
    return clean(one.server or ("" if "," in active else active), 60) or "a server"


def _look(agent: ZabbixAgent) -> str:
    return f"sudo tail {quote(clean(agent.log, 100))}"


def last_seen(agent: ZabbixAgent) -> str:
    """Return when the agent and a server last talked, to follow a text; empty when that is not known."""
    if not agent.talks:
        return ""
    return f"; last seen talking {_ago(min(one.seconds for one in agent.talks))}"


def _ago(seconds: float) -> str:
    return "just now" if seconds < 1 else f"{duration(seconds)} ago"


def lines(agent: ZabbixAgent) -> tuple[str, ...]:
    """Return what is known about the reports, for the details."""
    said = [_talk(one) for one in agent.talks[:6]]
    for one in agent.troubles[:4]:
        since = "" if one.seconds is None else f" {duration(one.seconds)} ago"
        said.append(f"Logged{since} about {_server(agent, one)}: {clean(one.text, 160)}")
    said += [
        f"It turned {clean(one.address, 60)} away {_ago(one.seconds)}: the address is not in Server"
        for one in agent.rejected[:3]
    ]
    unseen = _unseen(agent)
    if unseen:
        said.append(unseen)
    return tuple(said)


def _talk(one: ZabbixTalk) -> str:
    peer, ago = clean(one.peer, 60), _ago(one.seconds)
    if one.asked:
        doubt = "" if one.certain else "; Server has a name, which is not looked up"
        return f"{peer} asked it {ago}{doubt}"
    doubt = "" if one.certain else f", by the port {one.port}: the name is not looked up"
    return f"It was connected to {peer} {ago}{doubt}"


def _unseen(agent: ZabbixAgent) -> str:
    """Return what cannot be seen, and why; empty when nothing is missing."""
    log = clean(agent.log, 100)
    why = {
        "denied": f"only root may read its log {log}",
        "missing": f"its log {log} does not exist",
        "unreadable": f"its log {log} cannot be read",
        "none": "it does not log to a file",
        "quiet": f"its DebugLevel keeps failures out of {log}",
        "read": f"its log {log} names no failure",
    }.get(agent.log_state, "")
    if not why or agent.troubles:
        return ""
    if agent.talks:
        return (
            "" if agent.log_state == "read" else f"Whether the server accepts its reports is unknown: {why}"
        )
    return f"When it last reported cannot be seen: no connection in the last minute is known, and {why}"
