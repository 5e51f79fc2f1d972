"""The graphs and the dashboard of the templates for Zabbix."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gpubox.boxes.monitor_config.zabbix_rules import Part
from gpubox.common.metrics import DISK, GPU, HOST
from gpubox.common.zabbix_items import ITEMS, JOBS, OWNER

Uuid = Callable[..., str]
"""Returns the uuid of a part by its names."""

_COLORS = ("1F78B4", "E31A1C", "33A02C", "FF7F00", "6A3D9A", "B15928")
_MACROS = {GPU: "{#GPU.UUID}", DISK: "{#DISK.ID}", OWNER: "{#USER.ID}"}


class ZabbixGraph(NamedTuple):
    """One graph, or the prototype of one."""

    name: str
    subject: str
    items: tuple[str, ...]
    """Names of items of the subject; one after `|` has its axis on the right."""
    percent: bool = False
    """Whether its axis is from 0 to 100."""


GRAPHS = (
    ZabbixGraph("Host: processor and memory", HOST, ("cpu", "memory"), percent=True),
    ZabbixGraph("Host: disks and network", HOST, ("disk_read", "disk_write", "net_receive", "net_send")),
    ZabbixGraph("Jobs", JOBS, ("running", "queued", "failed")),
    ZabbixGraph("GPU {#GPU.INDEX}: load", GPU, ("util", "memory", "memory_util"), percent=True),
    ZabbixGraph("GPU {#GPU.INDEX}: heat", GPU, ("temperature", "temperature_margin", "fan", "|power")),
    ZabbixGraph("GPU {#GPU.INDEX}: clocks", GPU, ("clock_sm", "clock_memory", "|pstate")),
    ZabbixGraph("Disk {#MOUNT}: fullness", DISK, ("fullness",), percent=True),
    ZabbixGraph("User {#USER}: memory of GPUs", OWNER, ("gpu_memory", "|processes")),
)
"""Every graph. Those of discovered subjects become one for each."""


def graphs(template: str, uuid: Uuid) -> list[Part]:
    """Return the graphs of a template."""
    return [_graph(graph, template, uuid) for graph in GRAPHS if graph.subject not in _MACROS]


def graph_prototypes(subject: str, template: str, uuid: Uuid) -> list[Part]:
    """Return the prototypes of graphs of a discovered subject."""
    return [_graph(graph, template, uuid) for graph in GRAPHS if graph.subject == subject]


def _graph(graph: ZabbixGraph, template: str, uuid: Uuid) -> Part:
    fixed = {"ymin_type_1": "FIXED", "ymax_type_1": "FIXED"} if graph.percent else {}
    return {
        "uuid": uuid("graph", graph.name),
        "name": graph.name,
        **fixed,
        "graph_items": [_line(graph, order, template) for order in range(len(graph.items))],
    }


def _line(graph: ZabbixGraph, order: int, template: str) -> Part:
    name = graph.items[order]
    item = next(item for item in ITEMS[graph.subject] if item.name == name.lstrip("|"))
    macro = _MACROS.get(graph.subject)
    return {
        "sortorder": str(order),
        "color": _COLORS[order],
        **({"yaxisside": "RIGHT"} if name.startswith("|") else {}),
        "item": {"host": template, "key": f'{item.key}["{macro}"]' if macro else item.key},
    }


def dashboard(template: str, uuid: Uuid) -> Part:
    """Return the dashboard: a page of GPUs, and one of what is around them."""
    return {
        "uuid": uuid("dashboard"),
        "name": "GPU box",
        "pages": [
            {"name": "GPUs", "widgets": _widgets(template, (GPU,), columns=3)},
            {"name": "Box", "widgets": _widgets(template, (HOST, JOBS, DISK, OWNER), columns=3)},
        ],
    }


def _widgets(template: str, subjects: tuple[str, ...], *, columns: int) -> list[Part]:
    shown = [graph for graph in GRAPHS if graph.subject in subjects]
    tall = 16 if len(subjects) == 1 else 6
    return [
        {
            "type": "GRAPH_PROTOTYPE" if graph.subject in _MACROS else "GRAPH_CLASSIC",
            "x": str(order % columns * (24 // columns)),
            "y": str(order // columns * tall),
            "width": str(24 // columns),
            "height": str(tall),
            "fields": _fields(graph, template),
        }
        for order, graph in enumerate(shown)
    ]


def _fields(graph: ZabbixGraph, template: str) -> list[Part]:
    named = {"host": template, "name": graph.name}
    if graph.subject not in _MACROS:
        return [
            {"type": "INTEGER", "name": "source_type", "value": "0"},
            {"type": "GRAPH", "name": "graphid", "value": named},
        ]
    return [
        {"type": "INTEGER", "name": "columns", "value": "1"},
        {"type": "INTEGER", "name": "rows", "value": "4" if graph.subject == GPU else "2"},
        {"type": "INTEGER", "name": "source_type", "value": "2"},
        {"type": "GRAPH_PROTOTYPE", "name": "graphid", "value": named},
    ]
