"""Prints the listeners of a box, with facts from the box's own files, as one JSON object.

Runs ON the box under Python 3.8 or newer with only the standard library, as the user who logged in: it opens
no connection and starts nothing. gpubox.boxes.services interprets the facts.

Environment: GPUBOX_ROOT is a prefix of /proc, /etc and /tmp (for tests).
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from gpubox.common.listeners import WORDS, listeners, sockets
from gpubox.remote import json_io, users
from gpubox.remote.kernel_files import contents, listing, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, Iterator, List, Set, Tuple

    Row = Dict[str, Any]

MOST = 500
"""Most listeners, sockets and files of each kind in an answer: it must not fill the link."""
TABLE = 16 * 1024 * 1024
"""Most bytes of a kernel table: 100,000 connections."""
NAMES = 40
"""Most programs of another user that are reported, to guess which one listens."""
SECONDS = 2.0
"""CPU seconds for reading processes; owners that are not found by then are unknown."""
FIRST, LAST = 128, 1024
"""Open files of a process that are read at first, and at most: servers listen before they open thousands."""

SERVERS = ("jpserver-", "nbserver-")
TOKEN_FILE = "--connection-token-file"


def text(data: bytes) -> str:
    """Return bytes of the box as text."""
    return data.decode("utf-8", "replace")


def processes() -> List[Tuple[int, int]]:
    """Return pid and uid of each process, the oldest first, but init last.

    A server that passes its socket to workers is the oldest of them; init holds sockets for others.
    """
    found: List[Tuple[int, int]] = []
    for name in listing(rooted("/proc")):
        if name.isdigit():
            try:
                found.append((int(name), os.stat(rooted("/proc/" + name)).st_uid))
            except OSError:
                continue
    found.sort(key=lambda one: (one[0] == 1, one[0]))
    return found


def holders(by_socket: Dict[str, List[Row]], found: List[Tuple[int, int]], until: float) -> None:
    """Add the pid to each row whose socket is held by a readable process."""
    mine = os.geteuid()
    left = set(by_socket)
    more: List[Tuple[int, List[str]]] = []
    for pid, uid in found:
        if mine not in (0, uid):
            continue
        handles = sorted(listing(rooted("/proc/%d/fd" % pid)), key=len)
        if handles[FIRST:LAST]:
            more.append((pid, handles[FIRST:LAST]))
        held(pid, handles[:FIRST], by_socket, left)
        if not left or time.process_time() > until:
            return
    for pid, handles in more:
        held(pid, handles, by_socket, left)
        if not left or time.process_time() > until:
            return


def held(pid: int, handles: List[str], by_socket: Dict[str, List[Row]], left: Set[str]) -> None:
    """Add a pid to the rows of sockets among its open files, and remove them from `left`."""
    folder = rooted("/proc/%d/fd/" % pid)
    for handle in handles:
        try:
            target = os.readlink(folder + handle)
        except OSError:
            continue
        if target in left:
            left.discard(target)
            for row in by_socket[target]:
                row["pid"] = pid


def words(pid: int) -> List[str]:
    """Return the command line of a process, cut; empty for a kernel thread.

    A program that sets its title leaves one long word with spaces instead of zero bytes.
    """
    data = contents(rooted("/proc/%d/cmdline" % pid), 8192).rstrip(b"\0")
    return [text(word) for word in data.split(b"\0")[:WORDS]] if data else []


def environment(pid: int) -> Dict[str, str]:
    """Return the environment of a readable process, else an empty one."""
    data = contents(rooted("/proc/%d/environ" % pid), 256 * 1024)
    pairs = (part.partition(b"=") for part in data.split(b"\0"))
    return {text(name): text(value) for name, _, value in pairs if name}


def others(rows: List[Row], found: List[Tuple[int, int]], until: float) -> Dict[str, List[Row]]:
    """Return the programs of users whose processes are not readable, by uid.

    A process whose command line names the port is taken for the listener: its pid is added to the row.
    """
    open_rows = [row for row in rows if "pid" not in row]
    uids = {row["uid"] for row in open_rows}
    by_uid: Dict[str, List[Row]] = {}
    seen = set()
    for pid, uid in found:
        if uid not in uids or time.process_time() > until:
            continue
        line = words(pid)
        if not line:
            continue
        for row in open_rows:
            if row["uid"] == uid and "guess" not in row and named(str(row["port"]), line):
                row["guess"] = pid
        name = text(contents(rooted("/proc/%d/comm" % pid), 64)).rstrip("\n")
        programs = by_uid.setdefault(str(uid), [])
        if (uid, name) not in seen and len(programs) < NAMES:
            seen.add((uid, name))
            programs.append({"pid": pid, "name": name, "words": line[:4]})
    return by_uid


def named(port: str, line: List[str]) -> bool:
    """Return whether a command line names a port: as a word, or at the end of one after = or a colon."""
    return any(word == port or word.endswith(("=" + port, ":" + port)) for word in line[1:])


def runtime_folders(variables: Dict[str, str]) -> Iterator[str]:
    """Yield the folders of Jupyter's runtime files, from the environment of a process."""
    home = variables.get("HOME", "")
    if variables.get("JUPYTER_RUNTIME_DIR"):
        yield variables["JUPYTER_RUNTIME_DIR"]
    elif variables.get("JUPYTER_DATA_DIR"):
        yield variables["JUPYTER_DATA_DIR"] + "/runtime"
    elif variables.get("XDG_DATA_HOME"):
        yield variables["XDG_DATA_HOME"] + "/jupyter/runtime"
    if home:
        yield home + "/.local/share/jupyter/runtime"


def jupyter(folder: str) -> Iterator[Row]:
    """Yield the runtime files of Jupyter servers in a folder."""
    for name in listing(folder):
        if name.startswith(SERVERS) and name.endswith(".json"):
            row = loaded(folder + "/" + name)
            if row:
                yield row


def tensorboard(folder: str) -> Iterator[Row]:
    """Yield the info files of TensorBoards below a temporary folder."""
    inside = folder + "/.tensorboard-info"
    for name in listing(inside):
        if name.startswith("pid-") and name.endswith(".info"):
            row = loaded(inside + "/" + name)
            if row:
                yield row


def loaded(path: str) -> Row:
    """Return the JSON object in a small file of this user or root, else an empty one.

    Everybody may write to /tmp: a file of another user could lead its reader to that user's port.
    """
    try:
        owner = os.stat(path).st_uid
    except OSError:
        return {}
    try:
        value = json.loads(text(contents(path)))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    value["owner"] = owner
    return value


def token_of(line: List[str], variables: Dict[str, str]) -> str:
    """Return the token that a browser-based editor stores in a file, or ""."""
    for place, word in enumerate(line):
        if word == TOKEN_FILE and place + 1 < len(line):
            return text(contents(line[place + 1], 1024)).strip()
        if word.startswith(TOKEN_FILE + "="):
            return text(contents(word.partition("=")[2], 1024)).strip()
    if "serve-web" in line and "--without-connection-token" not in line:
        return text(contents(variables.get("HOME", "") + "/.vscode/cli/serve-web-token", 1024)).strip()
    return ""


def zabbix() -> Row:
    """Return where Zabbix is served by nginx or Apache, from the configuration of its packages."""
    row: Row = {}
    for path in ("/etc/zabbix/nginx.conf", "/etc/nginx/conf.d/zabbix.conf"):
        for line in text(contents(rooted(path))).splitlines():
            part = line.split("#")[0].split()
            if len(part) > 1 and part[0] == "listen":
                port = part[1].rstrip(";").rpartition(":")[2]
                if port.isdigit():
                    row.setdefault("nginx", int(port))
        if os.path.exists(rooted(path)):
            row.setdefault("nginx", 80)
    for path in ("/etc/apache2/conf-enabled/zabbix.conf", "/etc/httpd/conf.d/zabbix.conf"):
        if os.path.exists(rooted(path)):
            row["apache"] = True
    return row


class ListeningProcesses:
    """The processes that listen, and the folders in which they describe themselves."""

    def __init__(self, owners: Dict[int, int]) -> None:
        self.owners = owners
        self.processes: Dict[str, Row] = {}
        self.runtime = list(runtime_folders(dict(os.environ)))
        self.temporary = [os.environ.get("TMPDIR") or "/tmp", "/tmp"]

    def add(self, pid: int) -> None:
        """Add a process that listens."""
        if str(pid) in self.processes:
            return
        uid = self.owners.get(pid, -1)
        variables = environment(pid)
        self.runtime.extend(runtime_folders(variables))
        self.temporary.append(variables.get("TMPDIR") or "/tmp")
        line = words(pid)
        row: Row = {
            "name": text(contents(rooted("/proc/%d/comm" % pid), 64)).rstrip("\n"),
            "words": line,
            "uid": uid,
            "user": users.name(uid),
        }
        with contextlib.suppress(OSError):  # it belongs to another user
            row["folder"] = os.readlink(rooted("/proc/%d/cwd" % pid))
        token = token_of(line, variables)
        if token:
            row["token"] = token
        self.processes[str(pid)] = row


def look() -> Row:
    """Return the listeners of the box, with the facts of their processes and files."""
    until = time.process_time() + SECONDS
    table = text(contents(rooted("/proc/net/tcp"), TABLE)) + text(contents(rooted("/proc/net/tcp6"), TABLE))
    rows = list(listeners(table))[:MOST]
    local = list(sockets(text(contents(rooted("/proc/net/unix"), TABLE))))[:MOST]
    found = processes()
    by_socket: Dict[str, List[Row]] = {}
    for row in rows + local:
        by_socket.setdefault("socket:[%s]" % row.pop("inode"), []).append(row)
    holders(by_socket, found, until)
    programs = others(rows, found, until)
    listening = ListeningProcesses(dict(found))
    for row in rows + local:
        pid = row.get("pid", row.get("guess"))
        if isinstance(pid, int):
            listening.add(pid)
        if isinstance(row.get("uid"), int):
            row["user"] = users.name(row["uid"])
    runtime, temporary = dict.fromkeys(listening.runtime), dict.fromkeys(listening.temporary)
    return {
        "v": 1,
        "uid": os.geteuid(),
        "proc": os.path.exists(rooted("/proc/net/tcp")),
        "listeners": rows,
        "sockets": [row for row in local if "pid" in row],
        "processes": listening.processes,
        "programs": programs,
        "jupyter": [row for folder in runtime for row in jupyter(rooted(folder))][:MOST],
        "tensorboard": [row for folder in temporary for row in tensorboard(rooted(folder))][:MOST],
        "zabbix": zabbix(),
    }


def main(_: List[str]) -> int:
    """Print the facts; return the exit status."""

    def work() -> int:
        json_io.emit(look())
        return 0

    return json_io.serve("Services cannot be listed", work, "Open a port by its number")
