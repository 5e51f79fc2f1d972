"""Reads conda's settings from every place that conda reads, without conda and without a YAML library.

The places and their order are SEARCH_PATH of conda/base/constants.py; later values win, lists are joined.
In a `condarc.d`, only files that end in .yml or .yaml count.
"""

from __future__ import annotations

import contextlib
import json
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Iterator, List

FOLDERS = (
    *("/etc/conda", "/var/lib/conda", "$CONDA_ROOT", "$XDG_CONFIG_HOME/conda", "~/.config/conda", "~/.conda"),
    "~",
    "$CONDA_PREFIX",
)
NAMES = (".condarc", "condarc", "condarc.d")
FALSE = ("false", "no", "off", "0", "n", "none", "")
"""Words for false in conda's settings and variables."""
_ITEM = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:[^']|'')*'|[^\s,\[\]][^,\[\]]*)""")


def files(roots: Iterable[str] = (), also: str = "") -> List[str]:
    """Return the existing files with settings, lowest precedence first; `also` as if it existed."""
    home = os.path.expanduser("~")
    found: List[str] = []
    for folder in FOLDERS:
        above = list(roots) if folder == "$CONDA_ROOT" else [os.path.expandvars(folder)]
        for place in above:
            if not place.startswith("$"):
                place = place.replace("~", home, 1) if place.startswith("~") else place
                found += _inside(place, folder, also)
    for name in (home + "/.mambarc", os.environ.get("CONDARC", "")):
        path = os.path.expanduser(name)
        found += _folder(path) if path and os.path.isdir(path) else [path] if os.path.isfile(path) else []
    return list(dict.fromkeys(found))


def _inside(place: str, folder: str, also: str) -> Iterator[str]:
    for name in NAMES[:1] if folder == "~" else NAMES:
        path = place + "/" + name
        if path == also or os.path.isfile(path):
            yield path
        elif name == "condarc.d":
            yield from _folder(path)


def _folder(path: str) -> List[str]:
    with contextlib.suppress(OSError):
        return [
            "%s/%s" % (path, name) for name in sorted(os.listdir(path)) if name.endswith((".yml", ".yaml"))
        ]
    return []


def listed(read: List[str], *names: str) -> List[str]:
    """Return the items of a list under any of its names, from variables, then from the texts of files."""
    found: List[str] = []
    for name in names:
        found += os.environ.get("CONDA_" + name.upper(), "").split(os.pathsep)
    for text in read:
        found += entries(text, *names)
    return [os.path.expanduser(os.path.expandvars(part)) for part in found if part]


def word(read: List[str], name: str, default: str) -> str:
    """Return a setting of one word, from its variable or from the texts of files."""
    value = os.environ.get("CONDA_" + name.upper())
    if value is not None:
        return value
    found = [entries(text, name) for text in read]
    return next((items[0] for items in reversed(found) if items), default)


def entries(text: str, *names: str) -> List[str]:
    """Return the value of a top-level YAML key: the items of a list in either form, or one word."""
    if text.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):
            given = json.loads(text)
            found = next((given[name] for name in names if name in given), [])
            return [str(item) for item in (found if isinstance(found, list) else [found])]
    head = re.compile(r"""(['"]?)(?:%s)\1\s*:(?:\s+(.*)|$)""" % "|".join(map(re.escape, names)))
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = head.match(line)
        if match:
            return _value([bare(match.group(2) or "")], lines[number + 1 :])
    return []


def _value(body: List[str], rest: List[str]) -> List[str]:
    """Read a value that begins on the line of its key and continues below."""
    for line in rest:
        line = bare(line)
        is_open = "".join(body).count("[") > "".join(body).count("]")
        if line.strip() and not is_open and not line.startswith((" ", "\t", "-")):
            break
        body.append(line)
    whole = " ".join(body).strip()
    if whole.startswith("["):
        return [_unquoted(item) for item in _ITEM.findall(whole)]
    items = [re.match(r"\s*-\s+(.*)", line) for line in body[1:]]
    if not body[0].strip() and any(items):
        return [_unquoted(item.group(1)) for item in items if item]
    return [_unquoted(whole)] if whole else []


def bare(line: str) -> str:
    """Return a line without its comment."""
    quote = ""
    for place, letter in enumerate(line):
        before = line[place - 1] if place else " "
        if quote:
            quote = "" if letter == quote and not (quote == '"' and before == "\\") else quote
        elif letter in "'\"" and before in " \t[,:-":
            quote = letter
        elif letter == "#" and before in " \t":
            return line[:place]
    return line


def _unquoted(text: str) -> str:
    text = text.strip()
    if text[:1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:].rpartition('"')[0])
    if text[:1] == "'":
        return text[1:].rpartition("'")[0].replace("''", "'")
    return text
