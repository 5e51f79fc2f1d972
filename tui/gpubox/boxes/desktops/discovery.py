"""Finds the desktops of a box in its process list, without calling any VNC server's own tool."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gpubox.boxes.desktops.remote_script import SEPARATOR, ScriptLine, ask
from gpubox.boxes.desktops.servers import servers
from gpubox.boxes.desktops.session import DesktopSession, Running
from gpubox.common.listeners import port_of
from gpubox.core.bounds import whole
from gpubox.core.sanitize import clean
from gpubox.core.shell import Shell


@dataclass(slots=True)
class _Seen:
    """The parsed lines of one answer."""

    boot: float | None = None
    hertz: int = 100
    processes: list[tuple[list[str], list[str]]] = field(default_factory=list[tuple[list[str], list[str]]])
    ours: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    """By pid: folder and session."""
    sockets: dict[int, set[str]] = field(default_factory=dict[int, set[str]])
    """By pid: inodes of its sockets."""
    ports: dict[str, int] = field(default_factory=dict[str, int])
    """By inode: the port that listens."""


async def scan(shell: Shell) -> tuple[DesktopSession, ...]:
    """Return the desktops that run on a box, the user's own first; raises as remote_script.ask."""
    programs = {program for server in servers() for program in server.programs}
    return read(await ask(shell, "list", programs=" ".join(sorted(programs))))


def read(lines: Iterable[ScriptLine]) -> tuple[DesktopSession, ...]:
    """Return the desktops of an answer; malformed lines are skipped."""
    seen = _Seen()
    for line in lines:
        _note(seen, line)
    found = [session for words, parts in seen.processes if (session := _session(seen, words, parts))]
    return tuple(
        sorted(found, key=lambda one: (not one.mine, not one.ours, one.physical, one.display, one.pid))
    )


def _note(seen: _Seen, line: ScriptLine) -> None:
    parts = line.rest.split(SEPARATOR)
    words = parts[0].split()
    match line.word:
        case "clock" if len(words) == 2:
            seen.boot, seen.hertz = whole(words[0]), whole(words[1]) or 100
        case "process" if len(words) == 5 and all(whole(word) is not None for word in words[:3]):
            seen.processes.append((words, parts[1:]))
        case "ours" if len(parts) == 3 and words and whole(words[0]) is not None:
            seen.ours[int(words[0])] = (parts[1], parts[2].strip())
        case "sockets" if words and whole(words[0]) is not None:
            seen.sockets[int(words[0])] = set(words[1:])
        case "listens" if len(words) == 2:
            seen.ports[words[0]] = port_of(words[1])
        case _:
            pass


def _session(seen: _Seen, words: list[str], parts: list[str]) -> DesktopSession | None:
    pid, mine, ticks = int(words[0]), words[1] == "1", int(words[2])
    user, program = clean(words[3], 32), words[4]
    while parts and not parts[-1]:
        parts = parts[:-1]
    if parts and parts[0].rpartition("/")[2].startswith("perl"):
        return None  # Debian's x0tigervncserver: it waits for the server, which is listed by itself
    inodes = seen.sockets.get(pid, set())
    ports = tuple(sorted({port for inode, port in seen.ports.items() if inode in inodes}))
    running = Running(program, parts[0] if parts else program, tuple(parts[1:]), ports)
    folder, session = seen.ours.get(pid, ("", ""))
    for server in servers():
        address = server.read(running) if program in server.programs else None
        if address is not None:
            return DesktopSession(
                server.name,
                pid,
                ticks,
                user,
                mine,
                display=clean(address.display, 20),
                started=None if seen.boot is None else seen.boot + ticks / seen.hertz,
                geometry=clean(address.geometry, 20),
                depth=address.depth,
                title=clean(address.title, 80),
                session=clean(session, 80),
                path=address.path,
                port=address.port,
                security=address.security,
                secret=address.secret,
                folder=folder,
                physical=server.physical,
            )
    return None
