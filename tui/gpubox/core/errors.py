"""The tree of errors that people see.

GpuBoxError
├── ConfigError          a settings file, a command-line value
├── StoreError           the history on this machine's disk
├── RecordingError       a file of readings that cannot be written, or is damaged
├── LinkError            something between this machine and the box
│   ├── Unreachable      no answer: refused, no route, unknown name, timed out
│   ├── AuthFailed       the box answered and said no
│   ├── HostKeyUnknown   never seen this box, and nobody said yes
│   ├── HostKeyChanged   it is not the machine that known_hosts remembers
│   └── Dropped          an open link ended
├── RemoteError          a command on the box failed
│   ├── CommandEnded     it has ended, and takes no more input
│   └── ProbeError       the probe could not start, or sent what cannot be read
│       └── ProbeTooNew  it speaks a line format that this program does not know
├── PortTaken            a local port that something else holds
├── ToolMissing          a program that is not installed, here or on the box
└── Cancelled            the user said no to a question
"""

from __future__ import annotations


class GpuBoxError(Exception):
    """What happened, to what, and what to do now; every part is safe to draw.

    Attributes:
        title: a few words, no full stop.
        text: what happened to what, in a sentence.
        hint: what the user can do now; may be empty.
        again: whether an automatic retry may help (a link in back-off), or only the user can.
    """

    again: bool = False

    def __init__(self, title: str, text: str = "", hint: str = "") -> None:
        super().__init__(title, text, hint)
        self.title = title
        self.text = text
        self.hint = hint

    def __str__(self) -> str:
        return ". ".join(part.rstrip(".") for part in (self.title, self.text, self.hint) if part)


class ConfigError(GpuBoxError):
    """An invalid settings file or command-line value."""


class StoreError(GpuBoxError):
    """The history on this machine's disk cannot be read or written; the program continues without it."""


class RecordingError(GpuBoxError):
    """A recording that cannot be written or read, or a file that is none."""


class LinkError(GpuBoxError):
    """Something between this machine and the box."""


class Unreachable(LinkError):
    """No answer from the box: refused, no route, unknown name or timed out."""

    again = True


class AuthFailed(LinkError):
    """The box answered and refused the login."""


class HostKeyUnknown(LinkError):
    """The box's key is not known and nobody accepted it."""


class HostKeyChanged(LinkError):
    """The box's key differs from the one that known_hosts remembers, or is revoked."""


class Dropped(LinkError):
    """An open link ended, or there is none now; core.retry repeats requests that may be repeated."""

    again = True

    @classmethod
    def not_connected(cls, box: str, hint: str = "Try again when it is live") -> Dropped:
        """Return the error of whatever needs a link to a box while there is none."""
        return cls("Not connected", f"{box} cannot be reached now", hint)


class RemoteError(GpuBoxError):
    """A command on the box failed; a link whose work raises this repeats the work after a pause.

    Attributes:
        status: the exit status, or None when a signal ended it or it never started.
    """

    again = True

    def __init__(self, title: str, text: str = "", hint: str = "", *, status: int | None = None) -> None:
        super().__init__(title, text, hint)
        self.status = status


class CommandEnded(RemoteError):
    """The command has ended and takes no input; its channel has the exit status."""

    @classmethod
    def closed(cls, status: int | None = None) -> CommandEnded:
        """Return the error of a write to a command that has ended."""
        return cls("The command ended", "It takes no more input", "Start it again", status=status)


class ProbeError(RemoteError):
    """The probe could not start on the box, or sent what cannot be read."""


class ProbeTooNew(ProbeError):
    """The probe's line format is newer than this program; a retry cannot help."""

    again = False


class PortTaken(GpuBoxError):
    """A port that something else holds; the text names the holder where it is known."""


class ToolMissing(GpuBoxError):
    """A program that is not installed, here or on the box; the hint is the line that installs it."""


class Cancelled(GpuBoxError):
    """The user said no to a question."""
