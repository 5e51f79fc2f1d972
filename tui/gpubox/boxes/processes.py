"""Signals to processes of a box: the command, and the meaning of its answer."""

from __future__ import annotations

from math import floor

from gpubox.boxes.context import Feature
from gpubox.core.errors import RemoteError
from gpubox.core.retry import connected
from gpubox.core.sample import Process
from gpubox.core.sanitize import clean, clean_bytes, last_line
from gpubox.core.shell import CommandResult, Shell

SIGNALS = {
    "TERM": "asks it to end; it may save its work",
    "INT": "the same as ctrl+c in its terminal",
    "HUP": "its terminal is gone; daemons read their settings again",
    "STOP": "pauses it; its GPU memory stays taken",
    "CONT": "lets a paused one go on",
    "KILL": "ends it at once; nothing is saved",
}
"""The signals that may be sent, without SIG, the gentlest first, and what each does to a process."""

_MARK = "gpubox-signal:"
_SLACK = 3
"""Seconds that two readings of one start time may differ: the boot time moves when the clock is set."""

_SCRIPT = (
    "export LC_ALL=C; p=$1; w=$2; s=$3; b=; "
    "say() { echo " + _MARK + ' "$@"; exit 0; }; '
    "while read -r k v r; do if [ $k = btime ]; then b=$v; fi; done </proc/stat; "
    '[ -n "$b" ] || say no-proc; '
    '{ IFS= read -r l <"/proc/$p/stat"; } 2>/dev/null || say gone; '
    "set -f; set -- ${l##*) }; "
    "[ $1 = Z ] && say zombie; "
    "h=$(getconf CLK_TCK 2>/dev/null) || h=100; "
    "d=$((b + ${20} / ${h:-100} - w)); "
    "[ ${d#-} -le " + str(_SLACK) + " ] || say other; "
    'm=$(kill -s "$s" "$p" 2>&1) && say sent; '
    'say failed "$m"'
)
"""Checks the start time right before it signals; one line without single quotes, for any login shell."""


def command(process: Process, name: str) -> str:
    """Return the command line that signals a process if it is still the same one.

    Raises RemoteError for a signal that is not in SIGNALS and for a process whose start time is unknown:
    nothing would tell it from a later one with the same number.
    """
    if name not in SIGNALS:
        raise RemoteError("No such signal", f"{clean(name, 20)} is not among those that can be sent")
    if process.started is None or process.pid < 2:
        raise RemoteError(
            "Not signaled",
            f"When {describe(process)} started is unknown, so another one could have its number by now",
            "Signal it in a shell on the box",
        )
    return f"exec sh -c '{_SCRIPT}' gpubox {process.pid} {floor(process.started)} {name}"


def describe(process: Process) -> str:
    """Return a process in words: `python (4711)`."""
    return f"{process.name} ({process.pid})" if process.name else f"process {process.pid}"


def check(process: Process, name: str, result: CommandResult) -> None:
    """Return when the signal was sent; raise RemoteError with the reason in words when it was not."""
    marked = [line for line in result.stdout.splitlines() if line.startswith(_MARK.encode())]
    answer = clean_bytes(marked[-1][len(_MARK) :]).strip() if marked else ""
    if answer == "sent":
        return
    who = describe(process)
    owner = f" belongs to {process.user}" if process.user else " belongs to another user"
    word, _, detail = answer.partition(" ")
    titles = {
        "gone": ("Already gone", f"{who} has ended, or the box hides it from you", ""),
        "zombie": ("Already ended", f"{who} has ended; its parent has not collected it yet", ""),
        "other": ("Not the same process", f"{who} has ended and its number belongs to another one now", ""),
        "no-proc": ("Not signaled", "The box has no /proc, so the process cannot be told from another", ""),
    }
    if word == "failed" and "permitted" in detail.lower():
        titles["failed"] = ("Not allowed", f"{who}{owner}", "Ask its owner, or sign in as root")
    elif word == "failed" and "no such process" in detail.lower():
        titles["failed"] = titles["gone"]
    last = detail or last_line(result.stderr) or "it gave no answer"
    title, text, hint = titles.get(word, ("Not signaled", f"SIG{name} did not reach {who}: {last}", ""))
    raise RemoteError(title, text, hint, status=result.status)


class ProcessSignals(Feature):
    """Sends signals to processes of one box."""

    async def send(self, process: Process, name: str) -> None:
        """Send a process a signal such as `TERM`, after making sure that it still is the same process.

        Raises RemoteError when it is gone, when its number belongs to another process by now, or when it
        belongs to another user; Dropped when the box is not connected, and when the link ends meanwhile.
        """
        await signal(connected(self._context.shell, self._context.name), process, name)


async def signal(shell: Shell, process: Process, name: str) -> None:
    """Send a signal to a process of the box; raises RemoteError in words, Dropped when the link ends."""
    check(process, name, await shell.run(command(process, name)))
