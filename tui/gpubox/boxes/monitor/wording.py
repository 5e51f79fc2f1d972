"""The state of the service in words, for the command line and for the panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gpubox.boxes.monitor.status import MonitorStatus
from gpubox.common.units import duration, size
from gpubox.core.sanitize import clean

Verb = Literal["install", "update", "stop", "remove"]
"""What is asked about before it is done."""
QUESTIONS: Mapping[Verb, tuple[str, str]] = {
    "install": (
        "Monitor this box day and night?",
        "A service of your own is stored in your home there and started, without root. Your systemd starts "
        "it at boot and lets it run while you are logged out; without that a line of your crontab does.",
    ),
    "update": ("Update the service?", "The one that runs is ended, and this version is started instead."),
    "stop": ("Stop the service?", "Nothing monitors the box until it is started again, or the box boots."),
    "remove": (
        "Remove the service?",
        "It is stopped, and all that was made for it on the box is removed: program, configuration, "
        "frames that were not sent yet, and what starts it at boot.",
    ),
}
"""Titles and texts of the questions."""
_NO_GPU = "no-device"
"""The fault of a box that has no GPUs, which is nothing wrong."""
_WAYS = {
    "systemd": "at boot, by systemd as your own unit",
    "cron": "at boot, by your crontab",
    "hand": "by hand only",
}


def headline(status: MonitorStatus) -> str:
    """Return in a sentence whether the service runs."""
    if not status.installed and not status.running:
        return "The service is not installed"
    if not status.running:
        return "The service is installed, but does not run"
    if status.started is None:
        return "The service is starting"
    return f"The service has been running for {duration(max(0.0, status.now - status.started))}"


def facts(status: MonitorStatus, *, old: bool) -> list[tuple[str, str]]:
    """Return what is known of the service, as names and texts; `old` is whether another version is here."""
    rows: list[tuple[str, str]] = []
    if status.installed:
        rows.append(("starts", _WAYS.get(status.way, "unknown")))
    if status.version:
        state = "another one is here: update it" if old else "current"
        rows.append(("version", f"{clean(status.version, 16)}, {state}"))
    if not status.running or status.started is None:
        return rows
    gpus = f"{status.gpus} GPU{'' if status.gpus == 1 else 's'}"
    alerts = f"{status.alerts or 'no'} alert{'' if status.alerts == 1 else 's'}"
    rows.append(("newest", f"{_age(status)}, of {gpus}, {alerts} active"))
    rows.append(("interval", f"{status.interval or 0:g} s"))
    rows.append(("cost", _cost(status)))
    if all(outlet.name == "history" for outlet in status.outlets):
        rows.append(("outlets", "none: nothing leaves the box"))
    for outlet in status.outlets:
        sign = "" if outlet.ok else "does not work: "
        rows.append((clean(outlet.name, 20), sign + (clean(outlet.words, 200) or "works")))
    return rows


def troubles(status: MonitorStatus) -> list[str]:
    """Return what is wrong with the service."""
    found = [f"The configuration is not used: {clean(status.config, 200)}"] if status.config else []
    if status.trouble:
        found.append(f"The newest sample was not handed out: {clean(status.trouble, 200)}")
    if status.running and status.late:
        found.append(f"It runs, but has taken no sample for {duration(status.age or 0.0)}")
    faults = [clean(code, 40) for code in status.faults if code != _NO_GPU]
    if faults:
        found.append(f"The GPUs cannot be read: {', '.join(faults)}")
    return found


def notes(status: MonitorStatus) -> list[str]:
    """Return what the user should know about how the service is started."""
    return [clean(note, 400) for note in status.notes]


def _age(status: MonitorStatus) -> str:
    return "unknown" if status.age is None else f"{duration(status.age)} ago"


def _cost(status: MonitorStatus) -> str:
    cpu = "–" if status.cpu is None else f"{status.cpu:.1f}% of a core"
    memory = "–" if status.memory is None else size(status.memory)
    return f"{cpu}, {memory} of memory, Python {clean(status.python, 20)}"
