"""Job backends: a file or a folder each, whose `BACKEND` says what it is; no list names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from gpubox.boxes.jobs.backend import Backend
    from gpubox.boxes.jobs.box_backend import BoxBackend
    from gpubox.boxes.jobs.queue_view import QueueView

BOX = "box"
"""The backend that each box has."""


def _nothing(_: QueueView) -> Sequence[tuple[str, str]]:
    return ()


@dataclass(frozen=True, slots=True)
class BackendOption:
    """What a job may ask of one backend besides, such as a partition."""

    name: str
    label: str
    help: str
    """What it is, in words that follow the backend's title."""
    default: str
    """What an empty one stands for."""
    choices: Callable[[QueueView], Sequence[tuple[str, str]]] = _nothing
    """Returns what it can be on a box, with a few words about each; nothing allows any text."""


@dataclass(frozen=True, slots=True)
class BackendKind:
    """A job backend, before it is made for a box."""

    name: str
    """As `run --backend` takes it and records have it."""
    title: str
    """As people call it."""
    about: str
    """What it does with a job, in a few words."""
    make: Callable[[str, BoxBackend], Backend]
    """Makes it for a box of this name, over the box's own backend."""
    options: Sequence[BackendOption] = ()


@cache
def kinds() -> Sequence[BackendKind]:
    """Return every kind of backend, the box's own first; none of them is loaded by that."""
    names = sorted(found.name for found in iter_modules(__path__))
    found = [cast("BackendKind", import_module(f"{__name__}.{name}").BACKEND) for name in names]
    return sorted(found, key=lambda kind: kind.name != BOX)


def title_of(name: str) -> str:
    """Return what people call a backend; its name where this program does not know it."""
    return next((kind.title for kind in kinds() if kind.name == name), name)
