"""What renews certificates on this machine: timers of systemd, cron, and servers that do it themselves."""

from __future__ import annotations

import calendar
import glob
import os
import re
import time

from gpubox.remote.checks import commands, login_user, unit_states
from gpubox.remote.kernel_files import read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List

    Row = Dict[str, Any]

TIMERS = ("certbot.timer", "snap.certbot.renew.timer", "certbot-renew.timer")
"""Timers of packages: Debian's, snap's, Fedora's."""
PATTERNS = ("*certbot*.timer", "*acme*.timer", "*lego*.timer", "*dehydrated*.timer")
"""Names that people give to timers of their own."""
PROPERTIES = (
    "Id,LoadState,UnitFileState,ActiveState,LastTriggerUSec,Result,ExecMainStatus,ExecMainExitTimestamp"
)
TOOLS = {
    "certbot": re.compile(r"\bcertbot\b"),
    "acme.sh": re.compile(r"\bacme\.sh\b"),
    "lego": re.compile(r"\blego\b.*\brenew\b"),
    "dehydrated": re.compile(r"\bdehydrated\b"),
}
"""Programs that renew certificates, as lines of cron name them."""
MOST = 10


def renewals() -> List[Row]:
    """Return the timers and lines of cron that renew certificates."""
    return (timers() + cron())[:MOST]


def timers() -> List[Row]:
    """Return the timers that renew certificates, and what their last run came to."""
    if not commands.has_systemd():
        return []
    listed = commands.lines(
        "systemctl",
        "list-unit-files",
        "--no-legend",
        "--no-pager",
        "--type=timer",
        *PATTERNS,
        seconds=commands.ACTIVATING,
    )
    names = {line.split()[0] for line in listed if line.strip()}
    units = sorted({name for name in names if re.fullmatch(r"[\w.@:-]{1,100}\.timer", name)} | set(TIMERS))[
        :MOST
    ]
    services = [name[: -len("timer")] + "service" for name in units]
    shown = unit_states.shown(*units, *services, properties=PROPERTIES, seconds=commands.ACTIVATING)
    found: List[Row] = []
    for unit, service in zip(units, services):
        timer, run = shown.get(unit, {}), shown.get(service, {})
        if timer.get("LoadState") != "loaded":
            continue
        status = run.get("ExecMainStatus", "")
        found.append(
            {
                "tool": next((tool for tool in TOOLS if tool in unit), unit[: -len(".timer")]),
                "by": unit,
                "enabled": timer.get("UnitFileState", "")
                in ("enabled", "enabled-runtime", "static", "generated"),
                "active": timer.get("ActiveState") == "active",
                "file_state": timer.get("UnitFileState", "")[:40],
                "ran": moment(timer.get("LastTriggerUSec", "")),
                "result": run.get("Result", "")[:40],
                "status": int(status) if re.fullmatch(r"\d{1,9}", status) else None,
            }
        )
    return found


def moment(text: str) -> Any:
    """Return a time as systemctl prints it in UTC, `Sat 2026-11-28 03:12:01 UTC`, or None."""
    found = re.search(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", text)
    if found is None:
        return None
    try:
        return float(max(0, calendar.timegm(time.strptime(found.group(1), "%Y-%m-%d %H:%M:%S"))))
    except (ValueError, OverflowError):
        return None


def cron() -> List[Row]:
    """Return the files of cron that renew certificates; their lines may hold tokens, and stay here."""
    found: List[Row] = []
    places = [
        "/etc/crontab",
        *spread("/etc/cron.d/*"),
        *spread("/etc/cron.daily/*"),
        *spread("/etc/cron.weekly/*"),
    ]
    for path in [*places, *spread("/var/spool/cron/crontabs/*"), *spread("/var/spool/cron/*")]:
        found += named(read_text(rooted(path)), path)
    if not any(row["by"].startswith("/var/spool") for row in found):
        found += named(
            commands.output("crontab", "-l", seconds=commands.QUICK), "crontab of %s" % login_user.name()
        )
    return found


def spread(pattern: str) -> List[str]:
    """Return the files that a pattern names."""
    prefix = rooted("")
    return [path[len(prefix) :] for path in sorted(glob.glob(rooted(pattern)))[:50] if os.path.isfile(path)]


def named(text: str, place: str) -> List[Row]:
    """Return the tools that lines of cron run."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    if commands.has_systemd():  # Debian's line of certbot does nothing where systemd runs
        lines = [line for line in lines if "/run/systemd/system" not in line]
    return [
        {"tool": tool, "by": place[:100], "enabled": True, "active": True}
        for tool, pattern in TOOLS.items()
        if any(pattern.search(line) for line in lines)
    ]


def tools() -> List[str]:
    """Return the programs on this machine that get certificates."""
    found = [tool for tool in ("certbot", "lego", "dehydrated") if commands.which(tool)]
    folders = (login_user.home(), "/root")
    if any(os.path.exists(rooted(folder + "/.acme.sh/acme.sh")) for folder in folders):
        found.append("acme.sh")
    return found
