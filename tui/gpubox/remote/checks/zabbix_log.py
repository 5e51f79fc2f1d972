"""Reads in the log of a Zabbix agent whether its reports reach the servers."""

from __future__ import annotations

import errno
import os
import re
import stat
import time

from gpubox.remote.kernel_files import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, Iterable, Iterator, Mapping, Optional, Tuple

    Row = Dict[str, Any]

SETTINGS = ("LogType", "LogFile", "DebugLevel", "RefreshActiveChecks")
"""Settings on which it depends."""
DEFAULT_LOGS = {"zabbix_agent2": "/tmp/zabbix_agent2.log"}
"""Where it logs when its configuration names no file."""
REFRESH = 120
"""Default of RefreshActiveChecks up to 6.2, the longest: the server is asked what to check this often."""
WARNINGS = 3
"""The DebugLevel from which on failures are logged; it is the default."""
MOST = 256 * 1024
"""Most bytes that are read, the newest."""
LINE = 1000
"""Most characters of a line."""
ROWS = 8
STATES = {
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
}
DAY = 86400
AHEAD = 120
"""Seconds by which a time may lie ahead; with more the clock was set, and the time says nothing."""
ROTATED = (".old", ".1")
"""What the agent and logrotate call the log before this one."""

_AGENTD = re.compile(r"\s*(\d{1,10}):(\d{4})(\d\d)(\d\d):(\d\d)(\d\d)(\d\d)\.\d{3} (.*)")
_AGENT2 = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)\.\d{6} (?:\[(\d{1,10})\] )?(.*)")
_START = re.compile("Starting Zabbix Agent")
_ACTS = (
    ("update", "active check configuration update"),
    ("upload", "active check data upload"),
    ("upload", "history upload"),
    ("heartbeat", "sending of heartbeat message"),
)
_FAILS = re.compile(r" started to fail(?: \((.*)\))?$")
_WORKS = " is working again"
_NO_HEARTBEAT, _HEARTBEAT = "unable to send heartbeat message", "successfully sent heartbeat message"
_REASON = re.compile(r"(?:unable to|cannot) (?:connect|send|receive|read|write)\b", re.I)
_NOTHING = re.compile(r"no active checks on server(?: \[[^ ]*\])?(?:: (.*))?$")
_SERVER = re.compile(r"\[([^\[\]\s]+)(?:\]:(\d{1,5})|:(\d{1,5})\])")
_REJECTED = re.compile(r'connection from "([^"]{1,100})" rejected, allowed hosts: ')


def log(program: str, settings: Mapping[str, str], now: float) -> Row:
    """Return what the log of an agent says, and in `log_state` whether it could be read.

    That is `read`, `denied`, `missing`, `unreadable`, `none` where it does not log to a file, or `quiet`
    where its DebugLevel keeps failures out of it.
    """
    path = settings.get("LogFile") or DEFAULT_LOGS.get(program, "")
    if settings.get("LogType", "file") != "file" or not path.startswith("/"):
        return {"log_state": "none"}
    row: Row = {"log": path[:200], "log_state": "read"}
    try:
        text = newest(path)
    except OSError as error:
        return dict(row, log_state=STATES.get(error.errno or 0, "unreadable"))
    if whole(settings.get("DebugLevel", ""), WARNINGS) < WARNINGS:
        row["log_state"] = "quiet"
    refresh = whole(settings.get("RefreshActiveChecks", ""), REFRESH)
    return dict(row, **parsed(text.split("\n"), now, refresh))


def whole(text: str, default: int) -> int:
    """Return the number of a setting, or its default where it is none."""
    return int(text) if re.match("[0-9]{1,9}$", text) else default


def newest(path: str) -> str:
    """Return the end of a log and, before it, that of the log before its rotation; raises OSError."""
    data = tail(rooted(path), MOST)
    for ending in ROTATED:
        try:
            data = tail(rooted(path + ending), MOST - len(data)) + data
        except OSError:
            continue
        break
    return data.decode("utf-8", "replace")


def tail(path: str, most: int) -> bytes:
    """Return the whole lines at the end of a regular file; raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        start = max(0, found.st_size - most)
        data = os.pread(handle, most, start)
    finally:
        os.close(handle)
    return data.partition(b"\n")[2] if start else data


class Reporter:
    """One process or thread of an agent that reports to one server, as its lines show it."""

    def __init__(self) -> None:
        self.server = ""
        self.reason = ""
        """The last error, which precedes the line that names what it broke."""
        self.failing: Dict[str, Tuple[Optional[float], str]] = {}
        """What fails, since when, and why."""
        self.answer: Optional[Tuple[Optional[float], str]] = None
        """When the server last refused to say what to check, and its words."""

    def read(self, when: Optional[float], line: str) -> None:
        """Take in a line of its own."""
        low = line.lower()
        nothing = _NOTHING.match(line)
        act = next((name for name, words in _ACTS if low.startswith(words)), "")
        failed = _FAILS.search(line) if act else None
        if act or nothing or _REASON.match(line):
            self._named(line)
        if nothing:
            self.failing.clear()  # it answers
            self.answer = (when, nothing.group(1) or "")
        elif failed:
            self._fails(act, when, failed.group(1) or self.reason)
        elif act == "upload" and line.endswith(_WORKS):
            self.failing.clear()  # its reports arrive; that it asks for its list again may take minutes
        elif act and line.endswith(_WORKS):
            self.failing.pop(act, None)
        elif low.startswith(_NO_HEARTBEAT):
            self._fails("heartbeat", when, line)
        elif low.startswith(_HEARTBEAT):
            self.failing.pop("heartbeat", None)
        elif not act:
            self.reason = line

    def _named(self, line: str) -> None:
        found = _SERVER.search(line)
        if found:
            host, port = found.group(1), found.group(2) or found.group(3)
            self.server = "%s:%s" % ("[%s]" % host if ":" in host else host, port)

    def _fails(self, act: str, when: Optional[float], why: str) -> None:
        since = self.failing[act][0] if act in self.failing else when
        self.failing[act] = (since, why)
        self.answer = None


def parsed(lines: Iterable[str], now: float, refresh: int = REFRESH) -> Row:
    """Return what lines say: `troubles` that last, and addresses that were `rejected` within a day."""
    reporters: Dict[str, Reporter] = {}
    rejected: Dict[str, float] = {}
    for who, when, line in stamped(lines):
        refused = _REJECTED.search(line)
        if _START.match(line):
            reporters.clear()
        elif refused:
            seconds = age(when, now)
            if seconds is not None and seconds < DAY:
                rejected[refused.group(1)] = seconds
        elif who:
            reporters.setdefault(who, Reporter()).read(when, line)
    newest_first = sorted(rejected.items(), key=lambda one: one[1])
    return {
        "troubles": [row for one in reporters.values() for row in troubles(one, now, refresh)][:ROWS],
        "rejected": [{"address": address, "seconds": seconds} for address, seconds in newest_first[:ROWS]],
    }


def troubles(one: Reporter, now: float, refresh: int) -> Iterator[Row]:
    """Yield what is wrong between an agent and one of its servers."""
    if one.failing:
        since, why = min(one.failing.values(), key=lambda row: now if row[0] is None else row[0])
        yield {"server": one.server[:200], "seconds": age(since, now), "text": why[:300], "answers": False}
    elif one.answer:
        seconds = age(one.answer[0], now)
        # The agent repeats it with each refresh: one that is older was put right since.
        if seconds is None or seconds <= 2 * refresh + 60:
            row = {"server": one.server[:200], "seconds": seconds, "text": one.answer[1][:300]}
            yield dict(row, answers=True)


def stamped(lines: Iterable[str]) -> Iterator[Tuple[str, Optional[float], str]]:
    """Yield who wrote a line, when, and its words; lines of another form are passed over."""
    for line in lines:
        found = _AGENTD.match(line[:LINE])
        if found:
            yield found.group(1), epoch(found.groups()[1:7]), found.group(8)
            continue
        found = _AGENT2.match(line[:LINE])
        if found:
            yield found.group(7) or "", epoch(found.groups()[:6]), found.group(8)


def epoch(parts: Iterable[str]) -> Optional[float]:
    """Return a local time of this box in seconds since the epoch, or None for a day that does not exist."""
    year, month, day, hour, minute, second = (int(part) for part in parts)
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        return None
    try:
        return time.mktime((year, month, day, hour, minute, second, -1, -1, -1))
    except (OverflowError, ValueError):
        return None


def age(when: Optional[float], now: float) -> Optional[float]:
    """Return how many seconds ago a time was, or None where it is unknown or in the future."""
    if when is None or when - now > AHEAD:
        return None
    return max(0.0, round(now - when, 1))
