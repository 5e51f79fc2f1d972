"""Families of metrics as text: Prometheus' format 0.0.4, and OpenMetrics 1.0.

Formats: https://prometheus.io/docs/instrumenting/exposition_formats and RFC draft
draft-richih-opsawg-openmetrics-00. The order is that of the families, so equal readings give equal bytes.
"""

from __future__ import annotations

import math
import re
from typing import Iterable, Mapping, NamedTuple, Sequence

from gpubox.common.prometheus.naming import COUNTER, INFO

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
LABEL_LIMIT = 256
"""Most characters of a label's value; the rest is cut off."""
_OPENMETRICS_VERSIONS = ("", "0.0.1", "1.0.0")

# What a parser may stop at: controls but the newline, which is escaped, and halves of surrogate pairs. And
# marks that turn the direction of writing, by which a page would show another text than there is.
_UNWRITABLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

Labels = Mapping[str, object]


class Series(NamedTuple):
    """One value, and the labels that name it."""

    labels: Labels
    value: float


class Family(NamedTuple):
    """All series of one metric."""

    name: str
    """Without `_total` for a counter, and without `_info` for what identifies something."""
    kind: str
    help: str
    """A sentence without its full stop."""
    series: Sequence[Series]
    unit: str = ""
    """The base unit at the end of the name; empty for counts."""

    @property
    def series_name(self) -> str:
        """The name of its series, as queries have it."""
        return self.name + {COUNTER: "_total", INFO: "_info"}.get(self.kind, "")


def exposition(families: Iterable[Family], *, openmetrics: bool = False) -> bytes:
    """Return families as a body, in UTF-8. Families without series are left out, as are repeated series."""
    lines = [line for family in families for line in _family(family, openmetrics)]
    return "".join(f"{line}\n" for line in (*lines, *(("# EOF",) if openmetrics else ()))).encode()


def wants_openmetrics(accept: str) -> bool:
    """Return whether an Accept header prefers OpenMetrics 1.0 to the text format."""
    weights: dict[bool, float] = {True: 0.0, False: 0.0}
    for entry in accept[:1000].split(","):
        kind, *rest = (part.strip().lower() for part in entry.split(";"))
        options = dict(part.split("=", 1) for part in rest if "=" in part)
        if kind == "application/openmetrics-text":
            if options.get("version", "").strip('" ') not in _OPENMETRICS_VERSIONS:
                continue
            weights[True] = max(weights[True], _weight(options.get("q", "1")))
        elif kind in ("text/plain", "text/*"):
            weights[False] = max(weights[False], _weight(options.get("q", "1")))
    return weights[True] > 0 and weights[True] >= weights[False]


def label_value(value: object) -> str:
    """Return a label's value as it stands between quotes: short, escaped, and of what UTF-8 can carry."""
    text = _UNWRITABLE.sub("\ufffd", ("" if value is None else str(value))[:LABEL_LIMIT])
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    """Return a value as both formats write it; it reads back as the same number."""
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "+Inf" if value > 0 else "-Inf"
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
    return repr(value)


def _weight(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _family(family: Family, openmetrics: bool) -> list[str]:
    if not family.series:
        return []
    name = family.name if openmetrics else family.series_name
    words = family.help.replace("\\", r"\\").replace("\n", r"\n") + "."
    words = words.replace('"', r"\"") if openmetrics else words
    kind = "gauge" if family.kind == INFO and not openmetrics else family.kind
    head = [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
    if openmetrics and family.unit:
        head.append(f"# UNIT {name} {family.unit}")
    lines: dict[str, str] = {}
    for labels, value in family.series:
        given = ",".join(f'{key}="{label_value(text)}"' for key, text in labels.items())
        lines.setdefault(family.series_name + (f"{{{given}}}" if given else ""), number(value))
    return [*head, *(f"{series} {value}" for series, value in lines.items())]
