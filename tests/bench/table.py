"""The results: one row a question, ours beside the best competitor and the target."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One question and its answers; less is better in all of them."""

    what: str
    unit: str
    value: float | None
    """Ours; None when it could not be measured."""
    target: float | None = None
    peers: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """The competitors' figures by name; None where they never got there."""
    note: str = ""
    """What to know of it."""
    why: str = ""
    """Why the target is missed, if it is."""

    @property
    def verdict(self) -> str:
        """Whether the target is reached."""
        if self.value is None:
            return "failed"
        if self.target is None:
            return ""
        return "hit" if self.value <= self.target else "MISS"

    @property
    def remark(self) -> str:
        """What to know of it, and the reason of a miss."""
        return "; ".join(filter(None, [self.note, self.why if self.verdict == "MISS" else ""]))

    @property
    def against(self) -> str:
        """Each competitor's figure and how many times ours it is."""
        parts: list[str] = []
        for name, value in self.peers.items():
            if value is None:
                parts.append(f"{name} never")
            elif self.value:
                parts.append(f"{name} {number(value)} ({value / self.value:.1f}x)")
        return ", ".join(parts)


def number(value: float | None) -> str:
    """Return a figure with three digits that count."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def lines(rows: list[Row]) -> list[str]:
    """Return the table."""
    head = ("", "ours", "target", "", "competitors (times ours)", "remark")
    cells = [
        (
            f"{row.what} [{row.unit}]",
            number(row.value),
            "" if row.target is None else number(row.target),
            row.verdict,
            row.against,
            row.remark,
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *cells)) for column in range(len(head) - 1)]
    right = (False, True, True, False, False)
    return [
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=False)
        )
        + "  "
        + line[-1]
        for line in (head, *cells)
    ]


def save(rows: list[Row], about: Mapping[str, object], path: Path) -> None:
    """Write the results as JSON, with what they were measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {"about": about, "rows": [{**asdict(row), "verdict": row.verdict} for row in rows]}
    path.write_text(json.dumps(result, indent=2) + "\n")
