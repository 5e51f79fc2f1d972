"""Turns a setting of a condarc off, and leaves the rest byte for byte; without a YAML library.

Only a plain file is changed: keys at the beginning of lines, each once, with values that end on their line or
are indented below it. Of any other, and of one that may hold a secret, nothing is said.
"""

from __future__ import annotations

import re
from typing import List, Optional

from gpubox.remote.envs import condarc

SIZE = 32768
"""Most characters of a file that is changed."""
FOREIGN = re.compile(
    "[^\t\n\r -~\xa0-\ud7ff\ue000-\uffff\U00010000-\U0010ffff]|\r(?!\n)|[\ufeff\u2028\u2029]"
)
"""What no plain text file has: control characters, bytes that are not UTF-8, other ends of lines."""
SECRET = re.compile(r"//[^/\s]*@|/t/[^/\s]|token|passw|secret", re.I)
"""What an address or a key with a password or a token in it has."""
KEY = re.compile(r"([A-Za-z_][\w-]*)[ \t]*:(?:[ \t]|\r?$)")
BELOW = re.compile(r"[ \t]*(?:#.*)?\r?$|[ ]+\S|-[ ]")
"""A line that begins no key: an empty one, a comment, or a part of the value above it."""
TRUE = r"(?:true|True|TRUE|yes|Yes|YES|on|On|ON|y|Y|1|'true'|\"true\")"


def off(text: str, *names: str) -> Optional[str]:
    """Return a text with a setting off that has several names; None for one that is not plain.

    The name that the text uses is kept; without one the first is added at the end.
    """
    found = keys(text)
    if found is None or len(set(names) & set(found)) > 1:
        return None
    name = next((one for one in names if one in found), "")
    if name:
        pattern = r"^(%s[ \t]*:[ \t]+)%s([ \t]*\r?|[ \t]+#[^\n]*)$" % (re.escape(name), TRUE)
        lines = text.split("\n")
        at = next(place for place, line in enumerate(lines) if KEY.match(line) and key_of(line) == name)
        below = (line for line in lines[at + 1 :] if line.strip() and not line.lstrip().startswith("#"))
        if not re.match(pattern, lines[at]) or not KEY.match(next(below, "end: ")):
            return None  # its value goes on below
        lines[at] = re.sub(pattern, r"\1false\2", lines[at])
        return "\n".join(lines)
    end = "\r\n" if "\r\n" in text else "\n"
    begin = text + (end if text and not text.endswith("\n") else "")
    return "%s%s: false%s" % (begin, names[0], end)


def key_of(line: str) -> str:
    """Return the key at the beginning of a line, or ""."""
    found = KEY.match(line)
    return found.group(1) if found else ""


def keys(text: str) -> Optional[List[str]]:
    """Return the keys of a plain file; None when it is not one."""
    if len(text) > SIZE or FOREIGN.search(text) or SECRET.search(text):
        return None
    found: List[str] = []
    for line in text.split("\n"):
        key = key_of(line)
        if key:
            bare = condarc.bare(line)
            if key in found or bare.count('"') % 2 or bare.count("'") % 2:
                return None
            found.append(key)
        elif not BELOW.match(line) or (not found and line.strip() and not line.lstrip().startswith("#")):
            return None
    return found
