"""What `usage` prints."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gpubox.boxes.monitor.box_history import GpuUsage
from gpubox.common.units import duration, percent
from gpubox.core.sanitize import aligned, clean

HOUR = 3600.0
KWH = 3.6e6
"""Joules of a kilowatt-hour."""
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One user or one GPU."""

    name: str
    held: float
    """Hours of GPUs with a process on them."""
    busy: float
    """Hours of those in which the GPUs worked."""
    energy: float
    """Kilowatt-hours."""

    @property
    def idle(self) -> float:
        """Hours held without work."""
        return max(0.0, self.held - self.busy)

    def cells(self) -> list[str]:
        """Return it as the cells of a table."""
        share = percent(100 * self.busy / self.held) if self.held else ""
        held = f"{self.held:.1f}" if self.held else ""
        idle = f"{self.idle:.1f}" if self.held else ""
        return [clean(self.name, 40), held, share, idle, f"{self.energy:.2f}"]


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The use of a box over some time."""

    span: float
    """Seconds that were asked for."""
    watched: float
    """Seconds that the service watched."""
    by: Literal["user", "gpu"]
    rows: Sequence[UsageLine]
    """The largest first."""

    @property
    def seen(self) -> float:
        """How much of the time the service watched, from 0 to 1."""
        return min(1.0, self.watched / self.span)

    @property
    def total(self) -> UsageLine:
        """All rows together."""
        held, busy, energy = (
            sum(values)
            for values in zip(*((row.held, row.busy, row.energy) for row in self.rows), strict=True)
        )
        return UsageLine("all", held, busy, energy)

    def lines(self, box: str) -> list[str]:
        """Return it as a table for people."""
        title = f"{box}: use in the last {duration(self.span)}, seen {percent(100 * self.seen)} of the time"
        head = [self.by.upper(), "GPU HOURS", "BUSY", "IDLE HOURS", "KWH"]
        table = [head, *(row.cells() for row in self.rows)]
        if len(self.rows) > 1:
            table.append(self.total.cells())
        return [title, *aligned(table, right=True)]

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        rows = [
            {"name": row.name, "held_hours": row.held, "busy_hours": row.busy, "energy_kwh": row.energy}
            for row in self.rows
        ]
        return {"seconds": self.span, "watched": self.watched, "by": self.by, "rows": rows}

    def as_csv(self) -> list[str]:
        """Return it as comma-separated values with a line of names."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([self.by, "held_hours", "busy_hours", "energy_kwh"])
        for row in self.rows:
            # A name that begins like a formula would be one in a spreadsheet.
            name = f"'{row.name}" if row.name[:1] in "=+-@\t\r" else row.name
            writer.writerow([name, f"{row.held:.4f}", f"{row.busy:.4f}", f"{row.energy:.6f}"])
        return text.getvalue().splitlines()


def report(usage: GpuUsage, span: float, by: Literal["user", "gpu"]) -> UsageReport:
    """Return the report by user or by GPU; what a free GPU draws is `nobody`'s."""
    sums: dict[str, list[float]] = {}
    for row in usage.rows:
        name = clean((row.user or NOBODY) if by == "user" else row.uuid, 80)
        one = sums.setdefault(name, [0.0, 0.0, 0.0])
        one[0] += row.held / HOUR
        one[1] += (row.busy if row.user else 0.0) / HOUR
        one[2] += row.energy / KWH
    rows = [UsageLine(name, *values) for name, values in sums.items()]
    rows.sort(key=lambda row: (row.name == NOBODY, -row.held, row.name))
    return UsageReport(span, usage.watched, by, rows)
