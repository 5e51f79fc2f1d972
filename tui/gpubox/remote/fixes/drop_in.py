"""The text of our file among the drop-ins of sshd, into which several fixes write, and of the main file.

Nothing here reads or writes a file.
"""

from __future__ import annotations

import fnmatch
import os

from gpubox.remote.checks.sshd_config import split
from gpubox.remote.fixes.asked import canonical

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional, Tuple

    Row = Dict[str, Any]

FOLDER = "sshd_config.d"
"""The folder of drop-ins, beside the main file."""
NAME = "00-gpubox.conf"
"""Sorts before what others write: in sshd the first value wins."""
HEADER = "# Written by gpubox-tui; each line is undone with the fix that wrote it."


def place(config: str) -> str:
    """Return the path of our file for a main file."""
    return os.path.join(os.path.dirname(config), FOLDER, NAME)


def lines_of(text: str) -> List[str]:
    """Return the lines of a text; only a newline ends one, as for sshd."""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def text_of(lines: List[str]) -> str:
    """Return lines as a text."""
    return "".join(line + "\n" for line in lines)


def keyword_of(line: str) -> str:
    """Return the keyword of a line as sshd prints it; "" for a comment or an empty line."""
    words = split(line)
    return canonical(words[0]) if words else ""


def global_lines(lines: List[str]) -> int:
    """Return the number of lines before the first Match."""
    return next((at for at, line in enumerate(lines) if keyword_of(line) == "match"), len(lines))


def find(lines: List[str], keyword: str) -> Optional[int]:
    """Return the place of the first line outside any Match with a keyword."""
    found = (at for at in range(global_lines(lines)) if keyword_of(lines[at]) == canonical(keyword))
    return next(found, None)


def with_options(text: Optional[str], options: Dict[str, str]) -> Tuple[str, Dict[str, Row]]:
    """Return a text with options set, and of each the whole line before and after; None is no such line."""
    lines = [HEADER] if text is None else lines_of(text)
    changed: Dict[str, Row] = {}
    for keyword, value in options.items():
        line = "%s %s" % (keyword, value)
        at = find(lines, keyword)
        if at is not None and split(lines[at])[1:] == split(line)[1:]:
            line = lines[at]
        changed[canonical(keyword)] = {"before": None if at is None else lines[at], "after": line}
        if at is None:
            lines.insert(global_lines(lines), line)
        else:
            lines[at] = line
    same = text is not None and lines == lines_of(text)
    return (text if same and text is not None else text_of(lines)), changed


def without_options(text: str, changed: Dict[str, Row], force: bool = False) -> Tuple[str, List[str]]:
    """Return a text with the lines from before a fix, and the options that others have changed since.

    Those are left as they are, unless `force` is set.
    """
    lines = lines_of(text)
    left: List[str] = []
    for keyword, line in changed.items():
        before, after = line["before"], line["after"]
        at = find(lines, keyword)
        present = None if at is None else lines[at]
        if present == before:
            continue
        if present != after and not force:
            left.append(keyword)
        elif at is None:
            lines.insert(global_lines(lines), before)
        elif before is None:
            del lines[at]
        else:
            lines[at] = before
    return (text if lines == lines_of(text) else text_of(lines)), left


def same_lines(text: str, base: Optional[str]) -> bool:
    """Return whether a text is what there was before any fix, but for our header and the last newline."""
    rest = [line for line in lines_of(text) if line != HEADER]
    return rest == [line for line in lines_of(base or "") if line != HEADER]


def covers(pattern: str, path: str) -> bool:
    """Return whether the pattern of an Include takes in a path."""
    names, parts = path.split("/"), pattern.split("/")
    return len(names) == len(parts) and all(map(fnmatch.fnmatchcase, names, parts))


def include_line(config: str) -> str:
    """Return the line by which a main file includes the folder of drop-ins."""
    pattern = os.path.join(os.path.dirname(place(config)), "*.conf")
    return 'Include "%s"' % pattern if " " in pattern else "Include %s" % pattern


def with_include(text: str, config: str) -> str:
    """Return a main file that includes the drop-ins, before everything else."""
    return include_line(config) + "\n" + text


def without_include(text: str, config: str) -> Tuple[str, bool]:
    """Return a main file without our Include, and whether it had it."""
    lines = text.split("\n")
    if include_line(config) not in lines:
        return text, False
    lines.remove(include_line(config))
    return "\n".join(lines), True
