"""Chooses checks by their ids and groups."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.boxes.checks.check import GROUPS, Check
from gpubox.config.expect import near
from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean


def is_id(word: str, every: Sequence[Check]) -> bool:
    """Return whether a word of a command line is the id of a check, and not a box."""
    return any(check.id == word for check in every)


def select(
    every: Sequence[Check], only: Sequence[str], skip: Sequence[str], *, trials: bool = False
) -> list[Check]:
    """Return the checks that `only` names, all without it, less those that `skip` names.

    Trials are among them only with `trials`, or when one is named by its own id.

    Raises ConfigError for a name that is neither a check nor a group.
    """
    words = {check.id for check in every} | set(GROUPS)
    for word in (*only, *skip):
        if word not in words:
            raise ConfigError(
                "No such check",
                f"`{clean(word, 64)}` is neither a check nor a group{near(word, sorted(words))}",
                "`gpubox-tui check --list` prints all",
            )
    return [
        check
        for check in every
        if (not only or _named(check, only))
        and not _named(check, skip)
        and (trials or not check.trial or check.id in only)
    ]


def _named(check: Check, words: Sequence[str]) -> bool:
    return check.id in words or check.group in words
