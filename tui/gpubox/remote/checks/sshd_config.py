"""Reads sshd_config with the files that it includes, and says for each keyword which file and line wins.

As sshd does: the first value wins, Include takes files in lexical order, a Match lasts until the next one or
the end of its file, and what a matching Match sets wins over the rest.
"""

from __future__ import annotations

import glob
import ipaddress
import os
import re
from typing import Dict, Iterator, List, NamedTuple, Optional

from gpubox.remote.kernel_files import read_all, rooted

MAIN = ("/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config")
"""Where distributions keep the main file; the first that exists counts."""
FOLDER = "/etc/ssh"
"""Where sshd looks for included files with a relative name."""
SIZE = 1 << 18
"""Most bytes of one file."""
FILES = 64
"""Most files that are read."""
DEEPEST = 16
"""Most files that include one another; sshd's own limit."""
LISTS = (
    "hostkey",
    "port",
    "listenaddress",
    "acceptenv",
    "allowusers",
    "denyusers",
    "allowgroups",
    "denygroups",
)
"""Keywords of which every line counts."""
GLOBAL = (
    *("hostkey", "kexalgorithms", "listenaddress", "logingracetime", "maxstartups", "permituserenvironment"),
    *("persourcemaxstartups", "persourcepenalties", "port", "requiredrsasize", "strictmodes", "usepam"),
    "xauthlocation",
)
"""Keywords that no Match may change."""
EVERYONE = ("", "all")
"""The criteria of lines that count for everyone."""
ALIASES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
}
"""Other names of keywords, old and new."""


LONGEST = 8192
"""Most characters of a line."""
ASSIGNED = re.compile(r"^([A-Za-z0-9]+)\s*=\s*")
"""A keyword with = after it, which stands for a space."""
CRITERION = re.compile(r"([A-Za-z]+)=(.*)")
"""A criterion of Match with = after it."""


class MatchedLogin(NamedTuple):
    """What Match compares; "" is unknown."""

    user: str
    groups: List[str]
    address: str = ""
    local_address: str = ""
    local_port: str = ""


class Line(NamedTuple):
    """A line that sets something."""

    keyword: str
    """In lower case."""
    value: str
    where: str
    """`/etc/ssh/sshd_config:12`, or `command line`."""
    match: str
    """The criteria of the Match around it; "" outside, "all" for everyone."""
    applies: Optional[bool]
    """Whether it counts for this login; None when a Match compares what is unknown."""


class Include(NamedTuple):
    """An Include outside any Match."""

    pattern: str
    where: str
    place: int
    """How many lines set something before it."""


class SshdConfig:
    """The lines of all files, in the order in which sshd reads them."""

    def __init__(self, path: str, login: MatchedLogin, options: List[str]) -> None:
        self.lines: List[Line] = []
        self.includes: List[Include] = []
        self.files: List[str] = []
        self.hidden: List[str] = []
        """Files that only others may read."""
        self.hidden_at: Optional[int] = None
        """How many lines came before the first of those."""
        self._login = login
        for option in options:
            words = split(option)
            if len(words) > 1:
                self._add(words, "command line", "", True)
        self._read(path, "", True, 0)

    def mine(self, keyword: str) -> Optional[Line]:
        """Return the line that sets a keyword for this login."""
        matched = (line for line in self._of(keyword) if line.match and line.applies)
        found = None if keyword in GLOBAL else next(matched, None)
        return found or self.general(keyword)

    def general(self, keyword: str) -> Optional[Line]:
        """Return the line that sets a keyword for everyone; one in `Match all` wins."""
        found = [line for line in self._of(keyword) if line.match in EVERYONE]
        if not found:
            return None
        if keyword not in GLOBAL:
            found.sort(key=lambda line: not line.match)
        if keyword not in LISTS:
            return found[0]
        return found[0]._replace(value=" ".join(line.value for line in found))

    def overrides(self) -> List[Line]:
        """Return the lines inside of a Match that is not for everyone."""
        return [line for line in self.lines if line.match not in EVERYONE]

    def before_hidden(self) -> List[str]:
        """Return the keywords that were set before the first hidden file, which cannot change them."""
        return sorted({line.keyword for line in self.lines[: self.hidden_at] if line.match in EVERYONE})

    def _of(self, keyword: str) -> Iterator[Line]:
        return (line for line in self.lines if line.keyword == keyword)

    def _add(self, words: List[str], where: str, match: str, applies: Optional[bool]) -> None:
        keyword = words[0].lower()
        value = " ".join(words[1:])[:2000]
        self.lines.append(Line(ALIASES.get(keyword, keyword), value, where, match, applies))

    def _read(self, path: str, match: str, applies: Optional[bool], depth: int) -> None:
        if depth > DEEPEST or len(self.files) >= FILES:
            return
        try:
            text = read_all(rooted(path), SIZE).decode("utf-8", "replace")
        except OSError:
            if os.path.lexists(rooted(path)) or depth:
                self._hide(path)
            return
        self.files.append(path)
        outer = match, applies
        for number, raw in enumerate(text.splitlines(), 1):
            words = split(raw)
            if len(words) < 2:
                continue
            where = "%s:%d" % (path, number)
            keyword = words[0].lower()
            if keyword == "match":
                everyone = [word.lower() for word in words[1:]] == ["all"]
                match = outer[0] or "all" if everyone else " ".join(words[1:])[:200]
                applies = both(outer[1], matches(words[1:], self._login))
            elif keyword == "include":
                self._include(words[1:], where, match, applies, depth)
            else:
                self._add(words, where, match, applies)

    def _include(
        self, patterns: List[str], where: str, match: str, applies: Optional[bool], depth: int
    ) -> None:
        for given in patterns:
            pattern = given if given.startswith("/") else os.path.join(FOLDER, given)
            if match in EVERYONE:
                self.includes.append(Include(pattern, where, len(self.lines)))
            folder = rooted(os.path.dirname(pattern))
            if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):
                self._hide(pattern)
            for path in sorted(glob.glob(rooted(pattern))):
                self._read(path[len(rooted("")) :], match, applies, depth + 1)

    def _hide(self, path: str) -> None:
        if self.hidden_at is None:
            self.hidden_at = len(self.lines)
        self.hidden.append(path)


def main_file() -> str:
    """Return the main file of this machine's sshd, or the usual one where there is none."""
    return next((path for path in MAIN if os.path.lexists(rooted(path))), MAIN[0])


def split(line: str) -> List[str]:
    """Return keyword and arguments of a line; quotes keep spaces together, and # begins a comment."""
    plain = ASSIGNED.sub(r"\1 ", line.strip()[:LONGEST], 1)
    words = [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|([^\s"]+)', plain)]
    comment = next((place for place, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:comment]


def both(first: Optional[bool], second: Optional[bool]) -> Optional[bool]:
    """Return whether two conditions hold; None when that depends on what is unknown."""
    if first is False or second is False:
        return False
    return None if first is None or second is None else True


def matches(words: List[str], login: MatchedLogin) -> Optional[bool]:
    """Return whether the criteria of a Match hold for a login; None when that is unknown."""
    words = [part for word in words for part in parted(word)]
    result: Optional[bool] = True
    place = 0
    while place < len(words):
        name = words[place].lower()
        if name in ("all", "invalid-user"):
            result = both(result, name == "all")
            place += 1
            continue
        argument = words[place + 1] if place + 1 < len(words) else ""
        result = both(result, criterion(name, argument, login))
        place += 2
    return result


def parted(word: str) -> List[str]:
    """Return a criterion and its argument that = joins as two words."""
    found = CRITERION.match(word)
    return [found.group(1), found.group(2)] if found else [word]


def criterion(name: str, patterns: str, login: MatchedLogin) -> Optional[bool]:
    """Return whether one criterion of a Match holds; None when that is unknown."""
    if name == "user":
        return listed(login.user, patterns)
    if name == "group":
        found = [listed(group, patterns, negated=True) for group in login.groups]
        return True in found and None not in found
    values: Dict[str, str] = {
        "host": login.address,
        "address": login.address,
        "localaddress": login.local_address,
        "localport": login.local_port,
    }
    value = values.get(name, "")
    if not value:
        return None
    if name == "host" and not re.match(r"[\d.*,!?:]+$", patterns):
        return None  # with UseDNS sshd compares the name of the client, which only it looked up
    return listed(value, patterns)


def listed(value: str, patterns: str, negated: bool = False) -> Optional[bool]:
    """Return whether a value is in a comma-separated list of patterns; a matching !pattern excludes it.

    With `negated`, a value that is excluded gives None, as groups need it: one excluded group is enough.
    """
    found = False
    for pattern in patterns.split(","):
        if fits(value, pattern.lstrip("!")):
            if pattern.startswith("!"):
                return None if negated else False
            found = True
    return found


def fits(value: str, pattern: str) -> bool:
    """Return whether a value fits a pattern with * and ?, or an address a network."""
    if "/" in pattern:
        try:
            return ipaddress.ip_address(value) in ipaddress.ip_network(pattern, strict=False)
        except ValueError:
            return False
    return wild(value, pattern)


def wild(value: str, pattern: str) -> bool:
    """Return whether a text fits a pattern; a regular expression of many * could take for ages."""
    place = mark = 0
    star = -1
    at = 0
    while place < len(value):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", value[place]):
            at += 1
            place += 1
        elif star >= 0:
            mark += 1
            at, place = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")
