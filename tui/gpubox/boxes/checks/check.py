"""A check: what should be true of a box, how that is judged from facts, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Self, TypeVar, cast

import msgspec

from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.context import BoxContext

GROUPS = {
    "login": "Login",
    "sshd": "SSH server",
    "x11": "X11",
    "desktop": "Desktop",
    "gpu": "GPU and driver",
    "cuda": "CUDA and cuDNN",
    "envs": "Environments",
    "monitoring": "Monitoring",
    "web": "Web server",
    "network": "Reach from outside",
    "system": "System",
}
"""The groups of checks and their titles, in the order in which a box is set up by hand."""


class Outcome(Enum):
    """What a check came to; the worst first. The values are the words in JSON."""

    FAILED = "failed"
    """Broken, unsafe or about to break."""
    WARNING = "warning"
    """It works, and should be changed."""
    UNKNOWN = "unknown"
    """It could not be looked at; the text says why."""
    HINT = "hint"
    """It works; there is something to gain."""
    OK = "ok"
    NOT_HERE = "not here"
    """The box has nothing that this is about."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one check came to. All text is cleaned where it is shown."""

    outcome: Outcome
    text: str
    """What was found, in a sentence without its full stop."""
    step: str = ""
    """What the user can do now: a sentence, or a command."""
    value: str = ""
    """The finding in a word or number, by which boxes are compared: `580.95`, `no`. Empty: the outcome."""
    details: tuple[str, ...] = ()
    """More lines, such as the file and line that set a value."""
    fix: Fix | None = None
    """The change that makes it right, where this program can make it."""
    waits_for: str = ""
    """The id of the check that has to come to something first; only with Outcome.UNKNOWN."""

    @property
    def comparable(self) -> str:
        """By which two boxes are compared."""
        return self.value or self.outcome.value


def ok(text: str, *, value: str = "", details: tuple[str, ...] = ()) -> Result:
    """Return the result of something that is right."""
    return Result(Outcome.OK, text, "", value, details)


def hint(
    text: str, step: str, *, value: str = "", details: tuple[str, ...] = (), fix: Fix | None = None
) -> Result:
    """Return the result of something that works and could be better."""
    return Result(Outcome.HINT, text, step, value, details, fix)


def warning(
    text: str, step: str, *, value: str = "", details: tuple[str, ...] = (), fix: Fix | None = None
) -> Result:
    """Return the result of something that works and should be changed."""
    return Result(Outcome.WARNING, text, step, value, details, fix)


def failed(
    text: str, step: str, *, value: str = "", details: tuple[str, ...] = (), fix: Fix | None = None
) -> Result:
    """Return the result of something that is broken or unsafe."""
    return Result(Outcome.FAILED, text, step, value, details, fix)


def unknown(text: str, step: str = "", *, waits_for: str = "") -> Result:
    """Return the result of something that could not be looked at."""
    return Result(Outcome.UNKNOWN, text, step, waits_for=waits_for)


def not_here(text: str) -> Result:
    """Return the result of a check whose subject the box does not have."""
    return Result(Outcome.NOT_HERE, text)


class CannotLook(Exception):
    """The facts that a judge asked for could not be gathered; its text says why."""


class Facts(msgspec.Struct, frozen=True):
    """The facts of one section, as remote/checks gathers them; unknown fields are ignored."""

    SECTION: ClassVar[str] = ""
    """The name of the section in remote/checks/main.py."""


class LocalFacts(Facts, frozen=True):
    """Facts that are gathered on this machine."""

    SECONDS: ClassVar[float] = 3.0
    """Most seconds that gathering them may take, as on the box; trials have more."""

    @classmethod
    async def gather(cls, context: BoxContext) -> Self:
        """Gather them; raises GpuBoxError and CannotLook."""
        raise NotImplementedError


F = TypeVar("F", bound=Facts)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts of a box, by their types; a text in place of facts says why there are none."""

    facts: Mapping[type[Facts], Facts | str] = field(default_factory=dict[type[Facts], Facts | str])

    def of(self, kind: type[F]) -> F:
        """Return the facts of a kind; raises CannotLook."""
        found = self.facts.get(kind, "it was not gathered")
        if isinstance(found, str):
            raise CannotLook(found)
        return cast("F", found)


@dataclass(frozen=True, slots=True)
class Check:
    """One check. Its id is `group.name`, after the folder and the file that it is in."""

    id: str
    title: str
    """What is true when all is well: `Passwords are refused`."""
    why: str
    """A paragraph for the help: why it matters, and what a change costs."""
    command: str
    """What one types on the box to look by hand."""
    needs: tuple[type[Facts], ...]
    """The facts that the judge may ask for."""
    judge: Callable[[Gathered], Result]
    """Pure; raises CannotLook by way of Gathered.of."""
    depends_on: tuple[str, ...] = ()
    """Ids of checks without which this one says nothing: their failure is reported once."""
    trial: bool = False
    """Whether it does something on the box for once; then it is left out unless it is asked for."""

    @property
    def group(self) -> str:
        """The group, a key of GROUPS."""
        return self.id.partition(".")[0]
