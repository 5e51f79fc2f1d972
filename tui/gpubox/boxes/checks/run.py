"""Judges facts as they come in: each check once, after those that it depends on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gpubox.boxes.checks.check import CannotLook, Check, Facts, Gathered, Outcome, Result, unknown

_LOG = logging.getLogger("gpubox.checks")

_BLOCKING = (Outcome.FAILED, Outcome.NOT_HERE, Outcome.UNKNOWN)
"""Outcomes of a check after which those that depend on it say nothing of their own."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A check and what it came to on one box."""

    check: Check
    result: Result
    before: Result | None = None
    """What it came to at the last look; None at the first one."""

    @property
    def changed(self) -> bool:
        """Whether the last look came to something else."""
        return self.before is not None and (self.before.outcome, self.before.comparable) != (
            self.result.outcome,
            self.result.comparable,
        )


def needed(chosen: Sequence[Check], every: Sequence[Check]) -> list[Check]:
    """Return the chosen checks and all that they depend on, in the order of `every`."""
    by_id = {check.id: check for check in every}
    ids: set[str] = set()
    pending = [check.id for check in chosen]
    while pending:
        name = pending.pop()
        if name not in ids:
            ids.add(name)
            pending += by_id[name].depends_on
    return [check for check in every if check.id in ids]


class Judging:
    """One look at a box: facts go in, results come out."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._pending = list(checks)
        self._facts: dict[type[Facts], Facts | str] = {}
        self._results: dict[str, tuple[Check, Result]] = {}

    @property
    def missing(self) -> set[type[Facts]]:
        """The kinds of facts that some check still waits for."""
        return {kind for check in self._pending for kind in check.needs if kind not in self._facts}

    def take(self, kind: type[Facts], facts: Facts | str) -> Iterator[tuple[Check, Result]]:
        """Take facts, or why there are none; yield the checks that can be judged now, with their results."""
        self._facts[kind] = facts
        yield from self.judge()

    def judge(self) -> Iterator[tuple[Check, Result]]:
        """Yield the checks that can be judged now, with their results."""
        waiting: list[Check] = []
        for check in self._pending:  # in an order in which dependencies come first
            ready = all(kind in self._facts for kind in check.needs) and all(
                name in self._results for name in check.depends_on
            )
            if not ready:
                waiting.append(check)
                continue
            self._results[check.id] = check, self._judged(check)
            yield self._results[check.id]
        self._pending = waiting

    def give_up(self, why: str) -> Iterator[tuple[Check, Result]]:
        """Yield the rest: their facts will not come."""
        for kind in self.missing:
            self._facts[kind] = why
        yield from self.judge()

    def _judged(self, check: Check) -> Result:
        for name in check.depends_on:
            other, result = self._results[name]
            if result.outcome is Outcome.NOT_HERE:
                return result
            if result.outcome in _BLOCKING:
                return unknown(f"It waits for this one: {other.title}", waits_for=name)
        return judged(check, self._facts)


def judged(check: Check, facts: Mapping[type[Facts], Facts | str]) -> Result:
    """Return what a check comes to; a judge that fails is a result, too."""
    try:
        return check.judge(Gathered(facts))
    except CannotLook as reason:
        return unknown(str(reason))
    except Exception:  # a fault of one check must not cost the others; the log has the traceback
        _LOG.exception("check %s failed", check.id)
        return unknown(
            "This check itself failed, which is a fault of gpubox-tui", "Run again with --log FILE"
        )
