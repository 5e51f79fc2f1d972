"""Questions to the person, and the protocol of whoever asks them.

The panel answers with a modal, the command line with a prompt, a test with a dict.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable


class QuestionKind(Enum):
    """What sort of answer a question wants."""

    YES_NO = "yes-no"
    """`yes` or `no`; the default is always no."""
    TEXT = "text"
    """A line of text that may be shown, such as a one-time code."""
    SECRET = "secret"
    """A line that is never echoed, logged or kept longer than the program runs."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; every field is safe to draw."""

    about: str
    """The box it is about, by the name the person gave it."""
    title: str
    """A few words: `New host key`."""
    text: str
    """What is at stake, in sentences; may hold several lines."""
    kind: QuestionKind
    prompt: str = ""
    """The label of the field, such as the server's own `Verification code:`."""
    danger: bool = False
    """Whether a yes can do harm: drawn as a warning."""


@runtime_checkable
class Asker(Protocol):
    """Someone who can put a question to the person."""

    async def ask(self, question: Question) -> str | None:
        """Return the answer (`yes` or `no` for YES_NO), or None when the person would not answer."""
        ...


class Nobody:
    """An asker for runs without a person: declines everything."""

    async def ask(self, question: Question) -> str | None:
        """Return None: nobody is there."""
        return None
