"""Job backends: each is a file or folder with a `BACKEND`; no list names them."""

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
"""The backend that every box has."""


def _nothing(_: QueueView) -> Sequence[tuple[str, str]]:
    return ()


@dataclass(frozen=True, slots=True)
class BackendOption:
    """An additional option of one backend, such as a partition."""

    name: str
    label: str
    help: str
    """Its meaning, in words that follow the backend's title."""
    default: str
    """The meaning of an empty value."""
    choices: Callable[[QueueView], Sequence[tuple[str, str]]] = _nothing
    """Returns its values on a box, with a few words about each; an empty result allows any text."""


@dataclass(frozen=True, slots=True)
class BackendKind:
    """A job backend, before it is made for a box."""

    name: str
    """Its name in `run --backend` and in records."""
    title: str
    """Its display name."""
    about: str
    """What it does with a job, in a few words."""
    make: Callable[[str, BoxBackend], Backend]
    """Makes it for a box of this name, over the box's own backend."""
    options: Sequence[BackendOption] = ()


@cache
def kinds() -> Sequence[BackendKind]:
    """Return every kind of backend, the box's own first, without importing them."""
    names = sorted(found.name for found in iter_modules(__path__))
    found = [cast("BackendKind", import_module(f"{__name__}.{name}").BACKEND) for name in names]
    return sorted(found, key=lambda kind: kind.name != BOX)


def options() -> dict[str, list[tuple[BackendKind, BackendOption]]]:
    """Return the options of all backends by name, each with the backends that have it."""
    found: dict[str, list[tuple[BackendKind, BackendOption]]] = {}
    for kind in kinds():
        for option in kind.options:
            found.setdefault(option.name, []).append((kind, option))
    return found


def title_of(name: str) -> str:
    """Return the display name of a backend; its name if this program does not know it."""
    return next((kind.title for kind in kinds() if kind.name == name), name)
