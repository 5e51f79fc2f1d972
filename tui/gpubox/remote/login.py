"""Reads the environment of a login shell of this user, and runs commands in it.

Runs ON the box under Python 3.8 or newer with the standard library alone. sshd gives a command the bare
environment of the account, without the additions of ~/.profile, modules or conda. Verbs: `read` answers with
one line of JSON, `run COMMAND` execs the login shell with COMMAND, `find NAME` answers where the PATH of a
login has a program; words are percent-encoded.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import select
import signal
import sys
import time

from gpubox.remote import inherited, process_tree, signal_waits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Optional, Sequence, Tuple

ATTEMPTS = ((True, 5.0), (False, 3.0))
"""Whether the shell is also interactive, and its time limit in seconds.

Most PATHs are set in files that only interactive shells read to the end, such as ~/.bashrc; but those files
may also start another shell or wait for input.
"""
ROUNDS = 200
"""Most checks, at 100 per second, for the rest of a session; a process that hangs in a driver stays."""
LARGEST = 16 << 20
"""Most bytes that start files may print."""
MARK = "GPUBOX_LOGIN"
"""A variable that is set to 1, so that start files can distinguish this from a user's login."""
ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""Signals that end a reading; see main."""
OWN = (*inherited.LINK, "PWD", "SHLVL", "TERM", "LINES", "COLUMNS")
"""Variables that a command gets from its own channel, not from the login."""
_SAID = (
    re.compile(r"command not found: (\S+)"),
    re.compile(r"unknown command:? (\S+)", re.I),
    re.compile(r"([^\s:'\"`]+): (?:command )?not found", re.I),
    re.compile(r"env: \W?([^\s:'\"]+?)\W?: No such file"),
)
"""Messages about a missing program: of zsh, fish, other shells, and env."""


class Unread(Exception):
    """The environment of a login could not be read; the text says why."""


def login_shell() -> str:
    """Return the login shell of this user."""
    shell = os.environ.get("SHELL", "")
    if not shell:
        with contextlib.suppress(ImportError, KeyError):
            import pwd

            shell = pwd.getpwuid(os.getuid()).pw_shell
    return shell or "/bin/sh"


def read() -> Dict[str, str]:
    """Return the environment of a login shell, without variables of a single login; raises Unread.

    Every process that the shell started is ended.
    """
    shell = login_shell()
    if not os.access(shell, os.X_OK):
        raise Unread("%s cannot be run" % shell)
    why: List[str] = []
    for interactive, seconds in ATTEMPTS:
        data, words = _asked(shell, interactive, seconds)
        if data is not None:
            return _variables(data)
        why.append(words)
    raise Unread("%s -l: %s" % (shell, why[-1]))


def _variables(data: bytes) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for entry in data.split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if name and equals:
            found[os.fsdecode(name)] = os.fsdecode(value)
    for name in (*OWN, MARK):
        found.pop(name, None)
    return found


def _words(shell: str, interactive: bool, command: str) -> List[str]:
    """Return the command line of a login shell that runs a command."""
    more = ["-i"] if interactive else []
    if os.path.basename(os.path.realpath(shell)) in ("csh", "tcsh", "bsd-csh"):  # accept -l only alone
        return ["-" + os.path.basename(shell), *more, "-c", command]
    return [shell, "-l", *more, "-c", command]


def _asked(shell: str, interactive: bool, seconds: float) -> Tuple[Optional[bytes], str]:
    """Return the environment from the kernel, or None and the reason."""
    # The command line, which `set -v` prints, has the mark in two parts, so only the output has it whole.
    first, second = os.urandom(12).hex(), os.urandom(12).hex()
    code = (
        'import sys;m=b"%s" b"%s";e=open("/proc/self/environ","rb").read();'
        "sys.stdout.buffer.write(m+e+m);sys.stdout.flush()"
    )
    python = "'%s'" % sys.executable.replace("'", "'\\''")
    command = "exec %s -I -S -c '%s'" % (python, code % (first, second))
    handle, end = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # until the session is sure to be ended
    pid = os.fork()
    if pid == 0:
        _become(shell, _words(shell, interactive, command), end, seconds)
    os.close(end)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return _between(handle, (first + second).encode(), seconds)
    finally:
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        finally:
            os.close(handle)
            end_session(pid)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _become(shell: str, words: List[str], end: int, seconds: float) -> NoReturn:
    """Exec the shell in this child: in a session of its own, without a terminal, with empty input."""
    try:
        signal_waits.fresh_child()
        signal.alarm(int(seconds) + 2)  # in case we are killed
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for source, place in ((null, 0), (end, 1), (null, 2)):
            os.dup2(source, place)
        signal_waits.close_others()
        environment = dict(inherited.variables(), TERM="dumb")
        environment[MARK] = "1"
        with contextlib.suppress(OSError):
            os.chdir(os.path.expanduser("~"))
        os.execve(shell, words, environment)
    finally:
        os._exit(127)


def _between(handle: int, mark: bytes, seconds: float) -> Tuple[Optional[bytes], str]:
    """Return the output between two marks, or None and the reason; start files print around them."""
    end = time.monotonic() + seconds
    data = b""
    while len(data) < LARGEST:
        left = end - time.monotonic()
        if left <= 0 or not select.select([handle], [], [], left)[0]:
            return None, "its start files took longer than %g s" % seconds
        block = os.read(handle, 1 << 16)
        if not block:
            return None, "its start files ended the shell, or became another program"
        # The second mark may be split over two blocks.
        seen = max(0, len(data) - len(mark))
        data += block
        if mark in data[seen:]:
            found = data.split(mark, 2)
            if len(found) == 3:
                return found[1], ""
    return None, "its start files printed more than %d MiB" % (LARGEST >> 20)


def end_session(leader: int) -> None:
    """Kill every process of a session that was started here, and reap its leader."""
    for _ in range(ROUNDS):
        left = _running(leader)
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not left:
            break
        time.sleep(0.01)
    # Only now, because the pid of a zombie is not reused.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(leader, os.WNOHANG)


def _running(leader: int) -> List[int]:
    """Return the living processes of a session, and its leader, even if it never became one."""
    found = {int(name): process_tree.stat(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    ours = {pid: fields for pid, fields in found.items() if pid == leader or fields[3:4] == [b"%d" % leader]}
    return [pid for pid, fields in ours.items() if fields and fields[0] not in (b"Z", b"X")]


def where(name: str, path: str) -> str:
    """Return the path of a program in a PATH; empty without it."""
    for folder in path.split(os.pathsep):
        place = os.path.join(folder, name)
        if folder and "/" not in name and os.path.isfile(place) and os.access(place, os.X_OK):
            return place
    return ""


def missing(argv: Sequence[str], said: str) -> str:
    """Return the program that a command with exit status 127 did not find; empty when unknown.

    `said` is the end of its log: a shell names the missing program.
    """
    for line in reversed(said.splitlines()[-10:]):
        for pattern in _SAID:
            found = pattern.search(line)
            if found and "/" not in found.group(1):
                return found.group(1)
    return argv[0] if argv and "/" not in argv[0] else ""


def hint(argv: Sequence[str], said: str = "") -> str:
    """Return in words where a login has the program that a command did not find; empty without it."""
    name = missing(argv, said)
    if not name:
        return ""
    try:
        place = where(name, read().get("PATH", ""))
    except Unread:
        return ""
    words = "A login shell finds %s in its PATH: %s"
    return words % (name, place) if place else ""


def run(command: str) -> int:
    """Exec the login shell that runs a command in a login's environment; returns only on failure."""
    shell = login_shell()
    bare = inherited.variables()
    environment = bare
    try:
        environment = read()
        environment.update((name, bare[name]) for name in OWN if name in bare)
    except Unread as error:
        sys.stderr.write(
            "gpubox: the environment of a login could not be read (%s): it runs without. "
            "--no-login says nothing of it\n" % error
        )
        sys.stderr.flush()
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(shell, [shell, "-c", command], environment)
    except OSError as error:
        sys.stderr.write("gpubox: %s: %s\n" % (shell, error.strerror))
    return 126


def _answer(answer: Dict[str, Any]) -> int:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    return 0


def _read() -> int:
    try:
        found = read()
    except Unread as error:
        return _answer({"words": str(error)})
    entries = b"\0".join(os.fsencode("%s=%s" % entry) for entry in found.items())
    return _answer({"environment": base64.b64encode(entries).decode()})


def _ended(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)  # so that started processes are ended too


def main(words: Sequence[str]) -> int:
    """Run a verb, and return the exit status."""
    from urllib.parse import unquote

    for number in ENDING:
        signal.signal(number, _ended)
    verb, *rest = [unquote(word, errors="surrogateescape") for word in words]
    if verb == "run":
        return run(rest[0])
    if verb == "find":
        return _answer({"words": hint(rest)})
    return _read()
