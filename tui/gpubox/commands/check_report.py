"""Results of checks as lines for people, as Markdown or as JSON; pure functions."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import click

from gpubox.boxes.checks.check import GROUPS, Check, Outcome, Result
from gpubox.boxes.checks.run import Judged
from gpubox.commands.output import json_line
from gpubox.common.units import DASH
from gpubox.core.sanitize import aligned, cells, clean

SEVEREST = (0, 3, 1, 2)
"""Exit statuses, the worst last: what is known to be wrong outranks what could not be looked at."""
_STATUS = {Outcome.FAILED: 2, Outcome.WARNING: 1, Outcome.UNKNOWN: 3}
_COLORS = {
    Outcome.FAILED: "red",
    Outcome.WARNING: "yellow",
    Outcome.UNKNOWN: "cyan",
    Outcome.HINT: "blue",
    Outcome.OK: "green",
}
_LOUD = (Outcome.FAILED, Outcome.WARNING)
_TEXT = 400
"""Most characters of a text in the output."""
_WIDTH = 110
"""Columns of lines for people."""
_TITLE = 46
"""Columns of the titles; a longer one takes a line of its own."""
_VALUE = 24
"""Most characters of a value in a table."""


@dataclass(frozen=True, slots=True)
class Form:
    """How results are printed."""

    as_json: bool = False
    markdown: bool = False
    color: bool = False
    everything: bool = False
    """Also what is not here, one by one."""


def exit_status(found: Sequence[Judged]) -> int:
    """Return 2 when something failed, else 1 with warnings, else 3 if some could not be looked at, else 0."""
    return max((_STATUS.get(one.result.outcome, 0) for one in found), key=SEVEREST.index, default=0)


def report(found: Mapping[str, Sequence[Judged]], form: Form, *, model: str = "") -> Iterator[str]:
    """Yield the lines about all boxes; with a `model`, only where the others differ from it."""
    if form.as_json:
        for box, rows in found.items():
            yield json_line(box, **to_json(rows))
    elif form.markdown:
        yield from markdown(found)
    elif len(found) == 1 and not model:
        (rows,) = found.values()
        yield from lines(rows, color=form.color, everything=form.everything)
    else:
        yield from compared(found, model, color=form.color)


def table_of_checks(checks: Sequence[Check]) -> list[str]:
    """Return the ids and titles of checks as aligned lines."""
    return aligned([("ID", "WHAT IS TRUE WHEN ALL IS WELL"), *((one.id, one.title) for one in checks)])


def lines(found: Sequence[Judged], *, color: bool = False, everything: bool = False) -> Iterator[str]:
    """Yield the results of one box, by group, and a last line that counts them.

    What is not here takes one line per group, unless `everything` is asked for.
    """
    for group, title in GROUPS.items():
        rows = [one for one in found if one.check.group == group]
        if not rows:
            continue
        yield click.style(title, bold=True) if color else title
        shown = [one for one in rows if everything or one.result.outcome is not Outcome.NOT_HERE]
        for one in shown:
            yield from _lines_of(one, color)
        if rest := [one.result.text for one in rows if one not in shown]:
            reason = f": {clean(rest[0], _TEXT)}" if len(set(rest)) == 1 else ""
            many = f"{len(rest)} checks" if len(rest) > 1 else "1 check"
            yield f"  {_word(Outcome.NOT_HERE, color)}  {many}{reason}"
        yield ""
    yield summary(found)


def _lines_of(one: Judged, color: bool) -> Iterator[str]:
    """Yield a result: its text beside the title where there is room, details and what to do below."""
    indent = " " * (_MARK + 4)
    head = f"  {_word(one.result.outcome, color)}  {one.check.title}"
    text = clean(one.result.text, _TEXT)
    if _MARK + 4 + _TITLE + 2 + cells(text) <= _WIDTH:
        yield f"{head}{' ' * (_TITLE - cells(one.check.title))}  {text}"
    else:
        yield head
        yield from _wrapped(text, indent)
    for line in one.result.details if one.result.outcome is not Outcome.OK else ():
        yield from _wrapped(clean(line, _TEXT), indent)
    if one.result.step:
        yield from _wrapped(f"→ {clean(one.result.step, _TEXT)}", indent)
    if one.result.fix is not None:
        yield f"{indent}→ gpubox-tui check BOX --fix {one.check.id}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


_MARK = max(len(outcome.value) for outcome in Outcome)


def _word(outcome: Outcome, color: bool) -> str:
    word = f"{outcome.value:<{_MARK}}"
    return click.style(word, fg=_COLORS.get(outcome), bold=outcome in _LOUD) if color else word


def summary(found: Sequence[Judged]) -> str:
    """Return how many checks came to what: `2 failed, 1 warning, 20 ok`."""
    counts = Counter(one.result.outcome for one in found)
    return ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]) or DASH


def compared(found: Mapping[str, Sequence[Judged]], model: str = "", *, color: bool = False) -> Iterator[str]:
    """Yield a table of checks and boxes, and below it what is wrong; with a model, only what differs."""
    rows = {box: {one.check.id: one.result for one in judged} for box, judged in found.items()}
    checks = {one.check.id: one.check for judged in found.values() for one in judged}
    table = [("CHECK", *(clean(box, 32) for box in found))]
    for name in checks:
        results = [rows[box].get(name) for box in found]
        if model and not any(_differs(result, rows[model].get(name)) for result in results if result):
            continue
        if all(result is None or result.outcome is Outcome.NOT_HERE for result in results):
            continue
        table.append((name, *map(_cell, results)))
    if model and len(table) == 1:
        yield f"All are set up as {clean(model, 64)} is"
        return
    yield from aligned(table)
    for box, judged in found.items():
        worst = [one for one in judged if one.result.outcome in _LOUD]
        if worst and not model:
            yield ""
            yield click.style(clean(box, 64), bold=True) if color else clean(box, 64)
            for one in worst:
                yield f"  {_word(one.result.outcome, color)}  {one.check.id}: {clean(one.result.text, _TEXT)}"


def _differs(result: Result, model: Result | None) -> bool:
    return model is None or (result.outcome, result.comparable) != (model.outcome, model.comparable)


def _cell(result: Result | None) -> str:
    if result is None or result.outcome is Outcome.NOT_HERE:
        return DASH
    word = result.outcome.value
    return f"{word} {clean(result.value, _VALUE)}" if result.value else word


def markdown(found: Mapping[str, Sequence[Judged]]) -> Iterator[str]:
    """Yield a table per box in Markdown."""
    for box, rows in found.items():
        yield f"## {_cell_text(box)}"
        yield ""
        yield "| check | outcome | found | what to do |"
        yield "|---|---|---|---|"
        for one in rows:
            cell = map(
                _cell_text, (one.check.title, one.result.outcome.value, one.result.text, one.result.step)
            )
            yield f"| {' | '.join(cell)} |"
        yield ""


def _cell_text(text: str) -> str:
    """Return text that Markdown shows as it is, in a cell of a table."""
    safe = clean(text, _TEXT)
    for character in "\\`*_[]<>|#":
        safe = safe.replace(character, f"\\{character}")
    return safe


def to_json(found: Sequence[Judged]) -> dict[str, object]:
    """Return the results of a box as JSON has them."""
    return {
        "checks": [
            {
                "id": one.check.id,
                "title": one.check.title,
                "outcome": one.result.outcome.value,
                "text": clean(one.result.text, _TEXT),
                "step": clean(one.result.step, _TEXT),
                "fix": one.result.fix.title if one.result.fix else None,
                "value": clean(one.result.value, _TEXT) or None,
                "details": [clean(line, _TEXT) for line in one.result.details],
            }
            for one in found
        ]
    }
