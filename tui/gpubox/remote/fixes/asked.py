"""Reads a request: what is to be changed, with everything that this program relies on checked."""

from __future__ import annotations

import os
import re

from gpubox.remote.checks.sshd_config import ALIASES
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional

    Row = Dict[str, Any]

ID = re.compile(r"[a-z0-9-]{4,40}")
"""Ids of fixes and names of candidates."""
SIZE = 1 << 20
"""Most bytes of a file that is changed."""
FILES = 50
"""Most files, options and commands of one fix."""
SECONDS = 30.0
"""How long a change of sshd waits for its proof."""
SHORTEST, LONGEST = 0.5, 600.0
"""Bounds of that time."""
LIMIT = 300.0
"""Seconds for all commands of a fix."""
PLACES = ("/proc", "/sys", "/dev")
"""Folders whose files are the kernel's."""
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9]{1,60}")
_VALUE = re.compile(r"[^\s#\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,999}")
_BLOCKS = ("match", "include")
"""Keywords that are no options."""


class AskedFile:
    """A change of one file."""

    def __init__(self, row: Row) -> None:
        self.path = path(row.get("path"))
        self.text = text(row.get("text"), self.path)
        self.mode: Optional[int] = row.get("mode")
        self.remove = row.get("remove") is True
        if self.mode is not None and not is_mode(self.mode):
            raise not_understood("%s has the mode %s" % (self.path, ascii(self.mode)))
        if self.remove and (self.text is not None or self.mode is not None):
            raise not_understood("%s is to be removed and changed" % self.path)
        if not self.remove and self.text is None and self.mode is None:
            raise not_understood("nothing is asked for %s" % self.path)


class AskedSshd:
    """Options for the drop-in file of an sshd."""

    def __init__(self, row: Row) -> None:
        self.config = path(row.get("config"))
        self.options: Dict[str, str] = {}
        options = row.get("options")
        if not isinstance(options, dict) or not 0 < len(options) <= FILES:
            raise not_understood("options of sshd are missing")
        for keyword, value in options.items():
            if not _KEYWORD.fullmatch(keyword) or keyword.lower() in _BLOCKS:
                raise not_understood("%s is no option of sshd" % ascii(keyword)[:80])
            if not isinstance(value, str) or not _VALUE.fullmatch(value):
                raise not_understood("%s has the value %s" % (keyword, ascii(value)[:80]))
            self.options[keyword] = value.rstrip()
        if len({canonical(keyword) for keyword in self.options}) < len(self.options):
            raise not_understood("an option of sshd is named twice")
        self.for_login = row.get("for_login") is True


class AskedFix:
    """What `plan` and `apply` are asked for."""

    def __init__(self, row: Row) -> None:
        self.id = name(row.get("id"))
        self.check = line(row.get("check"))
        self.title = line(row.get("title"))
        self.files = [AskedFile(one) for one in rows(row.get("files"))]
        sshd = row.get("sshd")
        self.sshd = AskedSshd(sshd) if isinstance(sshd, dict) else None
        self.commands = [command(one) for one in rows(row.get("commands"))]
        self.seconds = number(row.get("seconds"), SECONDS)
        if not SHORTEST <= self.seconds <= LONGEST:
            raise not_understood("%s seconds of guard" % self.seconds)
        self.token = row.get("token")


def not_understood(what: str) -> Refused:
    """Return the error of a request that is wrong in itself."""
    return Refused("Not understood", "The request is wrong: %s" % what, "Update gpubox-tui")


def name(value: object) -> str:
    """Return the id of a fix."""
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise not_understood("%s is no id of a fix" % ascii(value)[:80])
    return value


def line(value: object) -> str:
    """Return a text of one line."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", value)[:200] if isinstance(value, str) else ""


def rows(value: object) -> List[Row]:
    """Return the objects of a list."""
    found = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    if len(found) > FILES:
        raise not_understood("%d parts are too many" % len(found))
    return found


def number(value: object, other: float) -> float:
    """Return a number, or another one where there is none."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else other


def is_mode(value: object) -> bool:
    """Return whether a value is the permission bits of a file."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o7777


def path(value: object) -> str:
    """Return an absolute path without detours."""
    if not isinstance(value, str) or not value.startswith("/") or value.startswith("//"):
        raise not_understood("%s is no absolute path" % ascii(value)[:200])
    if value != os.path.normpath(value) or value == "/" or re.search(r"[\x00-\x1f\x7f]", value):
        raise not_understood("%s is no plain path" % ascii(value)[:200])
    if any(value == place or value.startswith(place + "/") for place in PLACES):
        raise Refused("Not a file of the disk", "%s belongs to the kernel" % value)
    return value


def text(value: object, of: str) -> Optional[bytes]:
    """Return the new content of a file."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise not_understood("the text of %s is none" % of)
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise not_understood("the new text of %s is not UTF-8" % of) from None
    if len(data) > SIZE:
        raise not_understood("the new text of %s is over 1 MB" % of)
    return data


def command(row: Row) -> Row:
    """Return a command, the one that undoes it, and when that runs."""
    found = {key: words(row.get(key)) for key in ("do", "undo")}
    return {**found, "undo_after_files": row.get("undo_after_files") is True, "state": ""}


def words(value: object) -> List[str]:
    """Return the words of a command; none for one that does nothing."""
    given = [] if value is None else value
    plain = isinstance(given, list) and all(isinstance(word, str) and "\0" not in word for word in given)
    if not isinstance(given, list) or not plain or len(given) > 200:
        raise not_understood("a command is no list of words")
    return [str(word) for word in given]


def canonical(keyword: str) -> str:
    """Return the name by which sshd prints an option."""
    return ALIASES.get(keyword.lower(), keyword.lower())
