"""Questions to the user, and the protocol of askers.

The panel answers with a modal, the command line with a prompt, a test with a dict.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable


class QuestionKind(Enum):
    """The kind of answer that a question expects."""

    YES_NO = "yes-no"
    """`yes` or `no`; the default is always no."""
    TEXT = "text"
    """A line of text that may be echoed, such as a one-time code."""
    SECRET = "secret"
    """A line that is never echoed or logged, and forgotten when the program ends."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; every field is safe to draw."""

    about: str
    """The box that the question is about, as the user named it."""
    title: str
    """A few words: `New host key`."""
    text: str
    """What is at stake, in sentences; may hold several lines."""
    kind: QuestionKind
    prompt: str = ""
    """The label of the field, such as the server's own `Verification code:`."""
    danger: bool = False
    """Whether a yes can do harm; drawn as a warning."""
    may_be_empty: bool = False
    """Whether an empty line is an answer, such as no passphrase."""


@runtime_checkable
class Asker(Protocol):
    """Puts questions to the user."""

    async def ask(self, question: Question) -> str | None:
        """Return the answer (`yes` or `no` for YES_NO), or None when the user declined."""
        ...


class Nobody:
    """An asker for unattended runs: declines everything."""

    async def ask(self, question: Question) -> str | None:
        """Return None: nobody is there."""
        return None
