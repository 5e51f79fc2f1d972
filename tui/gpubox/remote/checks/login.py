"""Facts of the login: the account, the home, and authorized_keys as sshd judges it; never a key itself."""

from __future__ import annotations

import os
import pwd
import re
import stat
import time

from gpubox.common import public_keys
from gpubox.remote import users
from gpubox.remote.checks import commands, login_user, sshd, sshd_process
from gpubox.remote.json_io import error_line
from gpubox.remote.kernel_files import contents, read_all, read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional, Tuple

    Row = Dict[str, Any]

KEY_FILES = ".ssh/authorized_keys .ssh/authorized_keys2"
"""The default of AuthorizedKeysFile."""
KEYS = 200
"""Most keys that are sent."""
SIZE = 1 << 20
"""Most bytes of a file of keys."""
DEEPEST = 32
"""Most folders between a file of keys and the home."""
LOCKS_OUT = ("/etc/nologin", "/run/nologin")
"""Files that keep everyone but root out."""


def gather() -> Row:
    """Return the facts."""
    name, home = login_user.name(), login_user.home()
    files, keys, more, broken = key_files(home)
    kind, source = file_system(home)
    return {
        "time": time.time(),
        "user": name,
        "uid": login_user.uid(),
        "home": home,
        "home_there": os.path.isdir(rooted(home)) if home else False,
        "file_system": kind,
        "source": source,
        "encrypted": encrypted(kind, home),
        "selinux": read_text(rooted("/sys/fs/selinux/enforce"), 16) == "1",
        "debian": debian(),
        "files": files,
        "keys": keys,
        "more_keys": more,
        "broken": broken,
        "method": method(),
        **shell(),
        **account(name),
        "nologin": next((path for path in LOCKS_OUT if os.path.exists(rooted(path))), ""),
    }


def key_files(home: str) -> Tuple[List[Row], List[Row], int, List[str]]:
    """Return the files that may hold keys, their keys, how many more there are, and what is no key."""
    files: List[Row] = []
    keys: List[Row] = []
    broken: List[str] = []
    more = 0
    for path in key_paths(home):
        error, text = "", ""
        try:
            text = read_all(rooted(path), SIZE).decode("utf-8", "replace")
        except FileNotFoundError:
            error = "missing"
        except OSError as reason:
            error = error_line(reason)
        files.append({"path": path, "error": error, "paths": chain(path, home), "label": label(path)})
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            key = public_keys.parsed(line[: 1 << 14])
            where = "%s:%d" % (path, number)
            if key is None:
                broken.append(where)
            elif len(keys) < KEYS:
                keys.append({"where": where, **key._asdict()})
            else:
                more += 1
    return files, keys, more, broken[:20]


def key_paths(home: str) -> List[str]:
    """Return the files that AuthorizedKeysFile names for this user, with its % words replaced."""
    above = sshd_process.ancestors()
    config = sshd.read(sshd_process.server(above), sshd_process.connection(above))
    line = config.mine("authorizedkeysfile")
    words = {"%h": home, "%u": login_user.name(), "%U": str(login_user.uid()), "%%": "%"}
    found: List[str] = []
    for given in (line.value if line else KEY_FILES).split()[:8]:
        path = re.sub("%[huU%]", lambda match: words[match.group()], given)
        if path != "none":
            found.append(os.path.normpath(os.path.join(home, path)))
    return found


def chain(path: str, home: str) -> List[Row]:
    """Return owner and mode of a file and of each folder above it up to the home, which sshd looks at.

    As sshd does it, links are followed first, and a file outside of the home is looked at up to the root.
    """
    base = rooted("")
    real = os.path.realpath(rooted(path))
    top = os.path.realpath(rooted(home))
    rows: List[Row] = []
    while len(rows) < DEEPEST and len(real) >= len(base):
        try:
            found = os.stat(real)
        except OSError:
            found = None
        if found is not None:
            rows.append(
                {
                    "path": real[len(base) :] or "/",
                    "mode": stat.S_IMODE(found.st_mode),
                    "uid": found.st_uid,
                    "owner": users.name(found.st_uid),
                    "regular": stat.S_ISREG(found.st_mode),
                    "own_group": bool(found.st_mode & stat.S_IWGRP) and own_group(found.st_gid),
                }
            )
        if real == top or real == os.path.dirname(real):
            break
        real = os.path.dirname(real)
    return rows


def own_group(gid: int) -> bool:
    """Return whether nobody but the user is in a group, by the files of this machine.

    Debian and Ubuntu let such a group write; a directory server could add members, which is not asked.
    """
    group = [line.split(":") for line in read_text(rooted("/etc/group"), SIZE).splitlines()]
    extra = next((row[3] for row in group if len(row) > 3 and row[2] == str(gid)), "")
    others = [row.split(":") for row in read_text(rooted("/etc/passwd"), SIZE).splitlines()]
    primary = {row[0] for row in others if len(row) > 3 and row[3] == str(gid)}
    return {*primary, *filter(None, extra.split(","))} <= {login_user.name()}


def label(path: str) -> str:
    """Return the SELinux type of a file, such as ssh_home_t; "" without one."""
    try:
        text = os.getxattr(rooted(path), "security.selinux").decode("ascii", "replace")
    except (OSError, AttributeError):
        return ""
    words = text.strip("\0").split(":")
    return words[2] if len(words) > 2 else ""


def file_system(home: str) -> Tuple[str, str]:
    """Return the type of the file system that holds the home, and where it comes from."""
    best = ("", "", "")
    path = os.path.realpath(home) if not rooted("") else home
    for line in read_text(rooted("/proc/self/mounts")).splitlines():
        words = line.split(" ")
        if len(words) < 3:
            continue
        place = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), words[1])
        if (path + "/").startswith(place.rstrip("/") + "/") and len(place) >= len(best[0]):
            best = (place, words[2], words[0])
    return best[1][:40], best[2][:200]


def encrypted(kind: str, home: str) -> str:
    """Return what encrypts the home on its own, so that it may be closed before a login; or ""."""
    if kind in ("ecryptfs", "fuse.gocryptfs", "fuse.encfs", "fuse.cryfs"):
        return kind
    identity = "/var/lib/systemd/home/%s.identity" % login_user.name()
    if os.path.exists(rooted(identity)) or os.path.exists(rooted(home + ".homedir")):
        return "systemd-homed"
    return ""


def debian() -> bool:
    """Return whether this is Debian or made from it: its sshd lets a user's own group write."""
    text = read_text(rooted("/etc/os-release"))
    found = re.findall(r'^(?:ID|ID_LIKE)="?([^"\n]*)', text, re.M)
    return "debian" in " ".join(found).split()


def method() -> str:
    """Return how this login proved itself, such as publickey; "" unless ExposeAuthInfo makes sshd say so."""
    path = os.environ.get("SSH_USER_AUTH", "")
    words = read_text(path, 4096).split() if path else []
    return words[0][:40] if words else ""


def shell() -> Row:
    """Return the login shell, whether it can be run, and whether /etc/shells lists it."""
    try:
        path = pwd.getpwuid(login_user.uid()).pw_shell or "/bin/sh"
    except KeyError:
        return {}
    lines = contents(rooted("/etc/shells")).decode("utf-8", "replace").splitlines()
    listed = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return {
        "shell": path,
        "shell_runs": os.access(path, os.X_OK),
        "shell_listed": path in listed if listed else None,
    }


def account(name: str) -> Row:
    """Return when the account ends and whether its password waits for a change, which every user may ask."""
    found: Dict[str, str] = {}
    for line in commands.lines("chage", "-l", name, seconds=commands.QUICK):
        key, _, value = line.partition(":")
        found[key.strip().lower()] = value.strip()
    status = commands.output("passwd", "-S", name, seconds=commands.QUICK).split()
    return {
        "account_ends": day(found.get("account expires", "")),
        "password_ends": day(found.get("password expires", "")),
        "password_overdue": "must be changed" in found.get("password expires", ""),
        "password": status[1][:2] if len(status) > 1 and status[0] == name else "",
    }


def day(text: str) -> Optional[float]:
    """Return a day such as `Jan 02, 2026` in seconds since the epoch; None for never."""
    found = re.match(r"([A-Z][a-z]{2}) (\d\d), (\d{4})$", text)
    months = "JanFebMarAprMayJunJulAugSepOctNovDec"
    if not found or found.group(1) not in months:
        return None
    import calendar

    month = months.index(found.group(1)) // 3 + 1
    return float(max(0, calendar.timegm((int(found.group(3)), month, int(found.group(2)), 0, 0, 0))))
