"""Starts a desktop and reports its progress; every failure becomes a GpuBoxError."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpubox.boxes.desktops import session_types
from gpubox.boxes.desktops.remote_script import SEPARATOR, ScriptLine, ask
from gpubox.boxes.desktops.servers import servers
from gpubox.boxes.desktops.session import DesktopSession, DesktopSpec, Transport
from gpubox.core.bounds import whole
from gpubox.core.errors import ConfigError, GpuBoxError, RemoteError
from gpubox.core.sanitize import clean
from gpubox.core.shell import Shell

_REPORTED = 3
"""Last lines of a log that are reported."""
_IN_USE = ("already active", "Cannot establish any listening sockets")
"""What X.Org's servers say of a display that another one took meanwhile: by its lock, or by its socket alone.

Programs in a container may share the sockets of a machine, and have a /tmp with locks of their own.
"""


@dataclass(frozen=True, slots=True)
class LaunchedDesktop:
    """A desktop whose start was requested; it may still fail."""

    display: str
    kind: str
    """The server's key."""
    path: str
    """Its socket, or an empty string."""
    port: int
    folder: str
    session: str
    ends_at_logout: bool = False
    """Whether the box kills the programs of users who log out."""


@dataclass(frozen=True, slots=True)
class State:
    """The progress of a desktop that was started."""

    pid: int = 0
    """The server's; 0 while there is none."""
    ticks: int = 0
    user: str = ""
    ended: str = ""
    """What ended first and how: `session 1 0` or `server 1 0`: status and seconds; empty while it runs."""
    starting: bool = False
    listens: bool = False
    """Whether its socket is there, or its port listens."""
    log: tuple[str, ...] = ()
    """The last lines of its log, safe to draw."""


class DisplayTaken(RemoteError):
    """Something else took the display between the search for a free one and the start."""


async def begin(shell: Shell, spec: DesktopSpec, way: Transport) -> LaunchedDesktop:
    """Request the start of a desktop; returns before it is up.

    Raises ConfigError for a server of no known kind, ToolMissing with the line that installs what the box
    lacks, and RemoteError when the display is taken or no folder can be made.
    """
    display = spec.display.lstrip(":")
    if spec.display and whole(display) is None:
        raise RemoteError("No such display", f"{clean(spec.display, 20)} is none; they look like :1")
    startable = [server for server in servers() if server.brand]
    chosen = next((one.key for one in startable if spec.server in (one.key, one.name)), spec.server)
    known = ("auto", *(one.key for one in startable))
    if chosen and chosen not in known:
        raise ConfigError("No such VNC server", f"{clean(chosen, 32)} is none of {', '.join(known)}")
    lines = await ask(
        shell,
        "start",
        display=display,
        way=way,
        geometry=spec.geometry,
        depth=str(spec.depth),
        server=chosen,
        servers="\n".join(" ".join((one.key, one.brand, *one.programs)) for one in startable),
        session=spec.session,
        sessions=session_types.table(),
        names=" ".join(kind.name for kind in session_types.KINDS),
        values={f"options_{server.key}": server.options(way) for server in startable},
    )
    if error := _refusal(lines):
        raise error
    ends_at_logout = any(line.word == "ends-at-logout" for line in lines)
    for line in lines:
        parts = line.rest.split(SEPARATOR)
        words = parts[0].split()
        if line.word == "at" and len(words) == 3 and len(parts) == 4:
            port = whole(words[1]) or 0
            return LaunchedDesktop(
                f":{words[0]}", words[2], parts[2], port, parts[1], parts[3], ends_at_logout
            )
    raise RemoteError("The desktop did not start", "The box gave no answer that makes sense")


def _refusal(lines: Sequence[ScriptLine]) -> GpuBoxError | None:
    system = next((line.rest for line in lines if line.word == "system"), "")
    for line in lines:
        words = line.rest.split(maxsplit=1)
        if line.word == "missing" and len(words) == 2:
            return session_types.missing(words[0], words[1], system)
        if line.word == "taken":
            return _taken(line.rest.split(maxsplit=4))
        if line.word == "failed":
            return RemoteError("The desktop did not start", clean(line.rest))
    return None


def _taken(words: Sequence[str]) -> RemoteError:
    """Return the error of a taken display, from its number, `live` or `stale`, pid, user and program."""
    number_, state, pid, user, what = [*words, "", "", "", "", ""][:5]
    title = f"Display :{clean(number_, 8)} is taken"
    if state == "stale":
        file = f"/tmp/.X{number_}-lock" if what == "lock" else f"/tmp/.X11-unix/X{number_}"
        return RemoteError(
            title,
            f"{clean(file, 60)} was left behind by {clean(user, 32)}, and only they can remove it",
            "Start without a display number: the next free one is taken",
        )
    who = f"{clean(what, 32)} ({pid})" if pid not in ("", "0") else clean(what, 32)
    return RemoteError(
        title,
        f"{who} of {clean(user, 32)} uses it",
        "Start without a display number, or open that desktop if it is yours",
    )


async def state(shell: Shell, begun: LaunchedDesktop) -> State:
    """Return the progress of a desktop that was started."""
    return read_state(await ask(shell, "state", dir=begun.folder, socket=begun.path, port=str(begun.port)))


def read_state(lines: Sequence[ScriptLine]) -> State:
    """Parse an answer about a desktop."""
    answer = {line.word: line.rest for line in lines}
    pid, ticks, user = [*answer.get("alive", "").split(), "", "", ""][:3]
    log = tuple(clean(line.rest, 200) for line in lines if line.word == "log" and line.rest.strip())
    return State(
        pid=whole(pid) or 0,
        ticks=whole(ticks) or 0,
        user=clean(user, 32),
        ended=answer.get("ended", "server 0 0" if "gone" in answer else ""),
        starting="starting" in answer,
        listens="listens" in answer,
        log=log,
    )


def why(begun: LaunchedDesktop, state: State) -> RemoteError:
    """Return the error of a desktop that ended by itself, with the last lines of its log."""
    what, status, seconds = [*state.ended.split(), "", "", ""][:3]
    said = " / ".join(_telling(state.log)) or "its log is empty"
    if what == "session":
        after = "at once" if seconds in ("0", "1") else f"after {seconds} s"
        title = "The session ended"
        text = f"{begun.session} on {begun.display} ended {after} with status {status}: {said}"
        hint = "Run it in a shell on the box to see more, or choose another session"
        return RemoteError(title, text, hint, status=whole(status))
    kind = DisplayTaken if any(words in said for words in _IN_USE) else RemoteError
    text = f"The server of {begun.display} ended with status {status}: {said}"
    return kind("The VNC server ended", text, "Try another display", status=whole(status))


def unreachable(begun: LaunchedDesktop) -> RemoteError:
    """Return the error that sshd forwards neither to sockets nor to ports."""
    return RemoteError(
        "The desktop cannot be reached",
        f"The server of {begun.display} listens, but sshd forwards neither to sockets nor to ports",
        "AllowTcpForwarding yes in the sshd_config of the box allows it",
    )


def slow(begun: LaunchedDesktop, state: State) -> RemoteError:
    """Return the error of a desktop that runs, or is still starting, and does not answer."""
    said = " / ".join(_telling(state.log)) or "its log is empty"
    how = "starts" if state.starting else "runs"
    return RemoteError(
        "The desktop does not answer",
        f"The server of {begun.display} {how}, but nothing comes through: {said}",
        "Look at the load of the box, and whether its sshd allows forwarding",
    )


_CHATTER = (
    "Xvnc ",
    "Copyright",
    "See ",
    "Underlying",
    "[mi] ",
    "Connections:",
    "SConnection:",
    "VNCSConnST:",
)
_NOISE = ("XKEYBOARD", "keysym", "Could not resolve", "Errors from xkbcomp", "_XSERVTrans", "Openbox-Message")
_TROUBLE = (
    "error",
    "cannot",
    "can't",
    "could not",
    "no such",
    "not found",
    "fail",
    "denied",
    "unable",
    "bad ",
)


def _telling(log: Sequence[str]) -> list[str]:
    """Return the informative lines: servers print a banner, and their keyboard compiler always warns.

    Lines that sound like trouble, with the line after each, come first: some programs print a page of help
    after their reason.
    """
    lines = [
        line.strip()
        for line in log
        if not line.strip().startswith(_CHATTER) and not any(word in line for word in _NOISE)
    ]
    errors = [at for at, line in enumerate(lines) if any(word in line.lower() for word in _TROUBLE)]
    if not errors:
        return lines[-_REPORTED:]
    return lines[errors[-1] - 1 if errors[-1] - 1 in errors else errors[-1] : errors[-1] + 2]


def session_of(begun: LaunchedDesktop, state: State, spec: DesktopSpec) -> DesktopSession:
    """Return a running desktop, as it was started."""
    server = next(server for server in servers() if server.key == begun.kind)
    return DesktopSession(
        server.name,
        state.pid,
        state.ticks,
        state.user,
        True,
        display=begun.display,
        geometry=spec.geometry,
        depth=spec.depth,
        session=clean(begun.session, 80),
        path=begun.path,
        port=begun.port,
        security="password" if begun.port else "none",
        folder=begun.folder,
    )
