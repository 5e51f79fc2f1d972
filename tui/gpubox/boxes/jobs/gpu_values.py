"""One value of a job over all of its GPUs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

G = TypeVar("G")


def over_gpus(
    gpus: Iterable[G], of: Callable[[G], float | None], join: Callable[[list[float]], float]
) -> float | None:
    """Return what `join` makes of the values of GPUs, such as their sum; None where no GPU has one."""
    found = [value for gpu in gpus if (value := of(gpu)) is not None]
    return join(found) if found else None
