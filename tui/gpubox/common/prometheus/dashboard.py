"""A dashboard for Grafana: GPUs, owners, alerts, the host and its jobs, of one box or of many."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from gpubox.common.metrics import DISK, GPU, HOST
from gpubox.common.prometheus.frame import (
    ALERT_ACTIVE,
    GPU_UP,
    JOBS,
    OWNER_MEMORY,
    OWNER_PROCESSES,
    THROTTLE,
    UP,
)
from gpubox.common.prometheus.naming import Exported, of_metric
from gpubox.common.severity import Severity

WIDTH = 24
"""Columns of Grafana's grid."""
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_CHOSEN = 'instance=~"$instance"'
_UNITS: Mapping[str, str] = {
    "": "short",
    "%": "percentunit",
    "B": "bytes",
    "B/s": "binBps",
    "°C": "celsius",
    "W": "watt",
    "MHz": "hertz",
    "J": "joule",
    "s": "s",
    "time": "dateTimeAsIso",
}
"""Grafana's units of base units, by the units of the table of metrics."""
_CARD = "{{instance}} GPU {{gpu}}"


class GrafanaPanel(NamedTuple):
    """One panel: what it shows, and how."""

    title: str
    kind: str
    """`timeseries`, `stat` or `table`."""
    queries: Sequence[Tuple[str, str]]
    """Queries, and the legend of each."""
    unit: str = "short"
    width: int = 12
    description: str = ""
    highest: float | None = None
    """The end of the axis, for shares."""


def dashboard() -> Dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    panels: List[Dict[str, Any]] = []
    top = 0
    for title, rows in _rows().items():
        panels.append(_row(title, len(panels) + 1, top))
        top += 1
        left = height = 0
        for panel in rows:
            if left + panel.width > WIDTH:
                left, top = 0, top + height
            height = 4 if panel.kind == "stat" else 8
            place = {"x": left, "y": top, "w": panel.width, "h": height}
            panels.append(_panel(panel, len(panels) + 1, place))
            left += panel.width
        top += height
    return {
        "title": "gpubox",
        "uid": "gpubox",
        "tags": ["gpubox", "gpu"],
        "schemaVersion": 38,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": panels,
    }


def _metric(subject: str, name: str) -> Exported:
    found = of_metric(subject, name)
    assert found is not None, f"{subject} {name} is not exported"
    return found


def _chosen(name: str, further: str = "") -> str:
    """Return the series of a metric that the chosen boxes have."""
    return f"{name}{{{_CHOSEN}{further}}}"


def _of(subject: str, name: str, title: str, legend: str) -> GrafanaPanel:
    """Return a panel with one metric of the table over time."""
    row = _metric(subject, name)
    highest = 1.0 if row.metric.unit == "%" else None
    queries = [(_chosen(row.series), legend)]
    words = f"{row.metric.help}."
    return GrafanaPanel(title, "timeseries", queries, _UNITS[row.metric.unit], 12, words, highest)


def _two_ways(title: str, **directions: str) -> GrafanaPanel:
    """Return a panel with two rates of the host, by what each is called."""
    queries = [
        (_chosen(_metric(HOST, name).series), f"{{{{instance}}}} {words}")
        for words, name in directions.items()
    ]
    return GrafanaPanel(title, "timeseries", queries, _UNITS["B/s"])


def _owned(title: str, name: str, unit: str) -> GrafanaPanel:
    """Return a panel with a sum over the GPUs by owner."""
    query = f"sum by (instance, user) ({_chosen(name)})"
    return GrafanaPanel(title, "timeseries", [(query, "{{instance}} {{user}}")], _UNITS[unit])


def _overview() -> List[GrafanaPanel]:
    used, total, power = (
        f"sum({_chosen(_metric(GPU, name).series)})" for name in ("memory_used", "memory_total", "power")
    )
    words = [severity.word for severity in reversed(Severity) if severity >= Severity.WARNING]
    chosen = [(_chosen(ALERT_ACTIVE.name, f',severity="{word}"'), word) for word in words]
    counted = [(f"count({query}) or vector(0)", word) for query, word in chosen]
    boxes, cards = (f"sum({_chosen(up.name)})" for up in (UP, GPU_UP))
    return [
        GrafanaPanel("Boxes that can be read", "stat", [(boxes, "")], width=4),
        GrafanaPanel("GPUs that can be read", "stat", [(cards, "")], width=4),
        GrafanaPanel("Alerts", "stat", counted, width=6),
        GrafanaPanel("GPU memory in use", "stat", [(f"{used} / {total}", "")], "percentunit", 5, highest=1),
        GrafanaPanel("Power of the GPUs", "stat", [(power, "")], "watt", 5),
    ]


def _rows() -> Dict[str, List[GrafanaPanel]]:
    holding = _chosen(THROTTLE.name, ',reason!="idle"') + " == 1"
    jobs = [(_chosen(JOBS.name), "{{instance}} {{state}}")]
    return {
        "Overview": _overview(),
        "GPUs": [
            _of(GPU, "util", "Utilization", _CARD),
            _of(GPU, "memory", "Memory", _CARD),
            _of(GPU, "temperature", "Temperature", _CARD),
            _of(GPU, "power", "Power", _CARD),
            _of(GPU, "clock_sm", "SM clock", _CARD),
            GrafanaPanel("What holds the clock", "timeseries", [(holding, f"{_CARD} {{{{reason}}}}")]),
        ],
        "Owners": [
            _owned("GPU memory by owner", OWNER_MEMORY.name, "B"),
            _owned("GPU processes by owner", OWNER_PROCESSES.name, ""),
        ],
        "Alerts": [
            GrafanaPanel("Active alerts", "table", [(_chosen(ALERT_ACTIVE.name), "")], width=WIDTH),
        ],
        "Host": [
            _of(HOST, "cpu", "Processors", "{{instance}}"),
            _of(HOST, "memory", "Memory", "{{instance}}"),
            _of(DISK, "fullness", "Disks", "{{instance}} {{mount}}"),
            _of(HOST, "temperature", "Processor temperature", "{{instance}}"),
            _two_ways("Network", received="net_receive", sent="net_send"),
            _two_ways("Disk traffic", read="disk_read", written="disk_write"),
            GrafanaPanel("Jobs", "timeseries", jobs, width=WIDTH),
        ],
    }


def _variables() -> List[Dict[str, Any]]:
    asked = f"label_values({UP.name}, instance)"
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {
            "name": "instance",
            "label": "Box",
            "type": "query",
            "datasource": _SOURCE,
            "definition": asked,
            "query": {"query": asked, "refId": "instances"},
            "refresh": 2,
            "includeAll": True,
            "multi": True,
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "sort": 1,
        },
    ]


def _row(title: str, number: int, top: int) -> Dict[str, Any]:
    place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: GrafanaPanel, number: int, place: Mapping[str, int]) -> Dict[str, Any]:
    defaults: Dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.highest is not None:
        defaults["max"] = panel.highest
    table = panel.kind == "table"
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": query,
            "legendFormat": legend or "__auto",
            "instant": panel.kind != "timeseries",
            "range": panel.kind == "timeseries",
            "format": "table" if table else "time_series",
        }
        for index, (query, legend) in enumerate(panel.queries)
    ]
    made: Dict[str, Any] = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": dict(place),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel.kind),
        "targets": targets,
    }
    if table:
        hidden = dict.fromkeys(("Time", "Value", "__name__", "job", "uuid"), True)
        made["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
    return made


def _options(kind: str) -> Dict[str, Any]:
    if kind == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"} if kind == "stat" else {}
