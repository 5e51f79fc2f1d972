"""What sshd itself says of its configuration, and how it is made to read it again."""

from __future__ import annotations

import os
import re

from gpubox.remote.checks import commands, sshd_process
from gpubox.remote.checks.sshd import matched, spec, table
from gpubox.remote.checks.sshd_config import LISTS, MatchedLogin, SshdConfig
from gpubox.remote.fixes import disk, drop_in, programs
from gpubox.remote.fixes.asked import canonical
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Dict, Tuple

LIMIT = 10.0
"""Seconds for one run of sshd."""
_SEPARATION = re.compile(r"Missing privilege separation directory: (/(?:run|var/run|var/empty)/[\w.-]+)")


def program() -> str:
    """Return the full path of sshd, by which it wants to be started."""
    found = commands.which("sshd")
    if not found:
        raise Refused("No sshd on the box", "sshd is not installed")
    return found


def test(config: str) -> str:
    """Return what sshd objects to in its configuration, with file and line, or ""."""
    argv = [program(), "-t", "-f", config]
    status, out, err = programs.run(argv, LIMIT)
    missing = _SEPARATION.search(err)
    if missing and os.geteuid() == 0:
        disk.make_folder(missing.group(1), 0o755)  # socket activation makes it with the first login only
        status, out, err = programs.run(argv, LIMIT)
    if status == 0:
        return ""
    lines = [line.strip() for line in (err or out).splitlines() if line.strip()]
    causes = [line for line in lines if "terminating," not in line] or lines
    return "; ".join(causes)[:600] or "sshd ended with status %d" % status


def settings(config: str, login: str = "") -> Tuple[Dict[str, str], str]:
    """Return the settings that sshd prints, for everyone or for one login, or why it prints none.

    `login` is what -C takes.
    """
    words = [program(), "-T", "-f", config, *(["-C", login] if login else [])]
    status, out, err = programs.run(words, LIMIT)
    return (table(out), "") if status == 0 else ({}, programs.last_line(err, out))


def verify(config: str, options: Dict[str, str], for_login: bool, folder: str) -> None:
    """Refuse when sshd does not come to the options, for everyone and `for_login`, naming the line that wins.

    How sshd prints an option is asked of sshd itself, by a file in `folder` that has nothing else.
    """
    general, error = settings(config)
    views = [(general, no_login())] if general else []
    if for_login:
        link = sshd_process.connection(sshd_process.ancestors())
        mine, error = settings(config, spec(link))
        if mine:
            views.append((mine, matched(link)))
    if error and (for_login or not views):
        raise Refused("sshd does not say what it comes to", error)
    expected = printed(options, views[0][0], folder)
    for view, who in views:
        for keyword in map(canonical, options):
            if keyword in expected and not shows(view.get(keyword, ""), expected[keyword], keyword):
                refuse_loss(config, keyword, view.get(keyword, ""), who)


def no_login() -> MatchedLogin:
    """Return a login to which no Match applies."""
    return MatchedLogin("", [])


def shows(value: str, expected: str, keyword: str) -> bool:
    """Return whether a printed value is the expected one; other lines may add to a list."""
    if keyword in LISTS:
        return set(expected.split()) <= set(value.split())
    return value == expected


def printed(options: Dict[str, str], general: Dict[str, str], folder: str) -> Dict[str, str]:
    """Return options as sshd prints them; it prints nothing without a host key, and addresses with ports."""
    path = os.path.join(folder, "reference.conf")
    lines = ["%s %s" % pair for pair in options.items()]
    for keyword in ("hostkey", "port"):
        if keyword not in map(canonical, options):
            lines += ["%s %s" % (keyword, value) for value in general.get(keyword, "").split()]
    disk.write(path, drop_in.text_of(lines).encode(), disk.FileAccess(0o600), path + ".new")
    try:
        return settings(path)[0]
    finally:
        os.unlink(path)


def refuse_loss(config: str, keyword: str, value: str, who: MatchedLogin) -> None:
    """Refuse an option that another line overrides, and name that line.

    An option whose printed form depends on others is not refused when it is our own line that counts.
    """
    line = SshdConfig(config, who, []).mine(keyword)
    if line is not None and keyword not in LISTS:
        ours = os.path.realpath(drop_in.place(config))
        if os.path.realpath(line.where.rpartition(":")[0]) == ours:
            return
    wins = "%s wins: `%s %s`" % (line.where, line.keyword, line.value[:200]) if line else "another line wins"
    raise Refused(
        "Another line of sshd wins",
        "%s stays `%s`: %s" % (keyword, value[:200], wins),
        "Change or remove that line first",
    )
