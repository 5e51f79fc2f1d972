"""A comparison as text for a terminal, JSON, CSV and Markdown; hostile names stay harmless in each."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence

from gpubox.boxes.jobs.compare.comparison import MEASURES, Comparison, Figure, Measure, SpeedUp
from gpubox.boxes.jobs.compare.grouping import Side, gpu_names
from gpubox.boxes.jobs.wording import command, outcome
from gpubox.common import units
from gpubox.common.metrics import SHOWN
from gpubox.core.json_text import json_text
from gpubox.core.sanitize import aligned, clean

_GAP = "   "
SCHEMA = 1
"""Version of the JSON: fields may be added, but none changes its meaning."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets take a cell that begins with these for a formula."""
_MARKS = re.compile(r"([\\`*_{}\[\]<>|#!~&$])")


_EXACT: Mapping[str, Callable[[float], str]] = {
    "s": lambda value: units.duration(value) if value >= 600 else f"{value:.2f} s",
    "J": lambda value: f"{value / 1000:.2f} kJ" if value >= 1000 else f"{value:.0f} J",
    "": lambda value: f"{value:,.0f}",
    "C": units.celsius,
}
"""Formatters that differ from those of metrics: runs are compared by hundredths of seconds."""


def written(value: float | None, unit: str) -> str:
    """Format a value of a measure: `83.42 s`, `3m 12s`, `7.6G`, or a dash."""
    return units.DASH if value is None else (_EXACT.get(unit) or SHOWN[unit])(value)


def figure(measure: Measure, one: Figure) -> str:
    """Return a figure: its mean, with `±` its deviation where there are several runs."""
    text = written(one.mean, measure.unit)
    return text if one.deviation is None else f"{text} ± {written(one.deviation, measure.unit)}"


def sentence(speed: SpeedUp) -> str:
    """Return `A ran 14.2 x faster than B`, with ± where both were repeated."""
    spread = "" if speed.deviation is None else f" ± {speed.deviation:.2g}"
    digits = 1 if speed.ratio >= 9.95 else 2
    if speed.ratio < 1.005:
        return f"{speed.faster.label} and {speed.slower.label} ran equally fast"
    unsure = speed.deviation is not None and speed.ratio - 2 * speed.deviation <= 1
    doubt = ", which is within the spread of their runs" if unsure else ""
    return (
        f"{speed.faster.label} ran {speed.ratio:.{digits}f}{spread} x faster than {speed.slower.label}{doubt}"
    )


def ended(side: Side) -> str:
    """Return how the runs of a side ended: `exit 0`, or `2 of 3 finished; ABRT, core dumped`."""
    outcomes = list(dict.fromkeys(outcome(record) for record in side.records))
    if len(outcomes) == 1:
        return outcomes[0]
    failed = [words for words in outcomes if words != "exit 0"]
    return f"{len(side.finished)} of {len(side.records)} finished; {', '.join(failed)}"


def table(comparison: Comparison) -> list[tuple[str, tuple[str, ...]]]:
    """Return the rows of the table: a name, and a value for each side."""
    sides = comparison.sides
    rows = [
        ("ended", tuple(ended(side) for side in sides)),
        ("ran on", tuple(gpu_names(side.last) for side in sides)),
    ]
    if any(len(side.records) > 1 for side in sides):
        rows.append(("runs", tuple(str(len(side.records)) for side in sides)))
    for measure, figures in comparison.figures:
        cells = (figure(measure, one) for one in figures)
        rows.append((measure.name, tuple(map(_doubted, cells, sides))))
        if measure.name == "real time" and any(one.deviation is not None for one in figures):
            ranges = (
                f"{written(f.low, 's')} … {written(f.high, 's')}" if f.deviation is not None else ""
                for f in figures
            )
            rows.append(("range", tuple(ranges)))
    return rows


def _doubted(cell: str, side: Side) -> str:
    """Format a figure, in parentheses where no run of its side finished."""
    return cell if side.finished or cell == units.DASH else f"({cell})"


def text(comparison: Comparison) -> str:
    """Return the comparison for a terminal: the table, then the notes."""
    heads = ("", *(side.label for side in comparison.sides))
    lines = aligned([heads, *((name, *cells) for name, cells in table(comparison))], gap=_GAP, right=True)
    lines += ["", *map(sentence, comparison.speedups)] if comparison.speedups else []
    lines += ["", *comparison.notes] if comparison.notes else []
    if comparison.differences:
        rows = [(name, *(cell or units.DASH for cell in cells)) for name, cells in comparison.differences]
        lines += ["", *aligned([("what differs", *heads[1:]), *rows], gap=_GAP)]
    return "\n".join(lines)


def as_json(comparison: Comparison) -> str:
    """Return all of it as one JSON object, numbers in s, bytes, %, W, J, °C and MHz."""
    sides = comparison.sides
    document = {
        "schema": SCHEMA,
        "sides": [
            {
                "label": side.label,
                "jobs": [record.id for record in side.records],
                "finished": len(side.finished),
                "ended": [outcome(record) for record in side.records],
                "env": side.last.spec.env,
                "command": side.last.spec.command,
                "gpus": [gpu.name for gpu in side.last.gpus],
                "measures": {
                    measure.name: {
                        "unit": measure.unit,
                        "mean": figures[place].mean,
                        "deviation": figures[place].deviation,
                        "low": figures[place].low,
                        "high": figures[place].high,
                        "values": figures[place].values,
                    }
                    for measure, figures in comparison.figures
                },
            }
            for place, side in enumerate(sides)
        ],
        "speedups": [
            {
                "faster": sides.index(speed.faster),
                "slower": sides.index(speed.slower),
                "ratio": speed.ratio,
                "deviation": speed.deviation,
                "words": sentence(speed),
            }
            for speed in comparison.speedups
        ],
        "notes": comparison.notes,
        "differences": [{"what": name, "values": cells} for name, cells in comparison.differences],
    }
    return json_text(document, indent=1) + "\n"


def as_csv(comparison: Comparison) -> str:
    """Return a line for each run, for spreadsheets; text that looks like a formula gets a quote."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads = [f"{one.name} [{one.unit}]" if one.unit else one.name for one in MEASURES]
    writer.writerow(["side", "job", "name", "env", "ran on", "command", "ended", *heads])
    for side in comparison.sides:
        for record in side.records:
            spec = record.spec
            texts = (
                side.label,
                record.id,
                spec.name,
                spec.env,
                gpu_names(record),
                command(record),
                outcome(record),
            )
            values = [measure.of(record) for measure in MEASURES]
            writer.writerow(
                [*map(_cell, texts), *("" if value is None else f"{value:.10g}" for value in values)]
            )
    return out.getvalue()


def _cell(text: str) -> str:
    safe = clean(text)
    return f"'{safe}" if safe.startswith(_FORMULA) or text.startswith(_FORMULA) else safe


def as_markdown(comparison: Comparison) -> str:
    """Return the table and the notes as Markdown."""
    heads = ["", *(side.label for side in comparison.sides)]
    lines = [_row(heads), _row(["---", *("---:" for _ in comparison.sides)], escape=False)]
    lines += [_row([name, *cells]) for name, cells in table(comparison)]
    for group in (map(sentence, comparison.speedups), comparison.notes):
        bullets = [f"- {_escaped(words)}" for words in group]
        lines += ["", *bullets] if bullets else []
    if comparison.differences:
        lines += ["", _row(["What differs", *heads[1:]]), _row(["---"] * len(heads), escape=False)]
        lines += [
            _row([name, *(cell or units.DASH for cell in cells)]) for name, cells in comparison.differences
        ]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(_escaped(cell) if escape else cell for cell in cells)} |"


def _escaped(text: str) -> str:
    return _MARKS.sub(r"\\\1", clean(text, 400))


def export(comparison: Comparison, form: str) -> str:
    """Return a comparison as `json`, `csv` or `markdown`, else as text for people."""
    return {"json": as_json, "csv": as_csv, "markdown": as_markdown}.get(form, text)(comparison)
