"""The templates for Zabbix 6.0 and later: what the service pushes, and the same read by Zabbix' agent."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from gpubox.boxes.monitor_config.zabbix_graphs import dashboard, graph_prototypes, graphs
from gpubox.boxes.monitor_config.zabbix_rules import Part, triggers
from gpubox.common.metrics import DISK, GPU, HOST
from gpubox.common.yaml_text import yaml
from gpubox.common.zabbix_items import (
    BOX,
    ITEMS,
    JOBS,
    MASTER,
    NO_ALERTS,
    OWNER,
    TEXT,
    Item,
)

FRAME_FILE = "/var/lib/gpubox/frame.json"
"""Where the service writes frames for Zabbix' agent."""
FRESH_MINUTES = 3
"""Minutes after which a frame in the file is not worth reporting."""
_COMMENT = "Written by gpubox-tui from its tables of metrics and rules; changes here would be overwritten."
_TEMPLATES = {"uuid": "7df96b18c230490a9a0a9e2307226338", "name": "Templates"}
"""The group that every Zabbix has; its uuid is Zabbix' own."""
_UNITS = {"B/s": "Bps", "MHz": "!MHz", "time": "unixtime"}
"""Zabbix' words for our units; the mark keeps it from writing 1.8 GMHz. Others are the same."""
_YES_NO = {"lost", "rows_pending", "rows_failed"}
"""Items that are 0 or 1."""


class Discovered(NamedTuple):
    """A subject of which a box has several, which Zabbix discovers."""

    subject: str
    rows: str
    """The list in the frame."""
    macro: str
    """Names one of them."""
    macros: tuple[tuple[str, str], ...]
    """Macros, and the fields of a row of `discovery` that they stand for."""
    prefix: str
    """How the names of its items begin."""
    lifetime: str
    """How long Zabbix keeps what is gone."""


DISCOVERED = (
    Discovered(
        GPU, "gpus", "{#GPU.UUID}",
        (("{#GPU.UUID}", "uuid"), ("{#GPU.INDEX}", "index"), ("{#GPU.NAME}", "name")),
        "GPU {#GPU.INDEX}: ", "30d",
    ),
    Discovered(
        DISK, "disks", "{#DISK.ID}", (("{#DISK.ID}", "id"), ("{#MOUNT}", "mount")), "Disk {#MOUNT}: ", "30d"
    ),
    Discovered(
        OWNER, "owners", "{#USER.ID}", (("{#USER.ID}", "id"), ("{#USER}", "user")), "User {#USER}: ", "7d"
    ),
)  # fmt: skip
"""What is discovered."""


class Variant(NamedTuple):
    """One of the two templates."""

    name: str
    description: str
    master: Part
    """What its master item has of its own."""
    macros: tuple[tuple[str, str, str], ...]
    """Macro, value and what it is."""

    def uuid(self, *parts: str) -> str:
        """Return the uuid of a part: always the same, and version 4 in form, as the import demands."""
        digits = list(hashlib.sha256("|".join((self.name, *parts)).encode()).hexdigest()[:32])
        digits[12], digits[16] = "4", "89ab"[int(digits[16], 16) % 4]
        return "".join(digits)

    def key(self, item: Item) -> str:
        """Return the key of an item or of its prototype."""
        macro = next((one.macro for one in DISCOVERED if one.subject == item.subject), "")
        return f'{item.key}["{macro}"]' if macro else item.key


_NO_DATA = ("{$GPUBOX.NODATA}", "3m", "For so long no frame may come before it is a problem")

PUSH = Variant(
    "GPU box by gpubox",
    "NVIDIA GPUs, host, disks and jobs of a box, which the service of gpubox-tui on it sends to Zabbix. "
    "One frame comes into one trapper item; all others depend on it. The box judges its alerts itself.",
    {"type": "TRAP", "delay": "0"},
    (_NO_DATA,),
)
AGENT = Variant(
    "GPU box by Zabbix agent and gpubox",
    "NVIDIA GPUs, host, disks and jobs of a box, which Zabbix' agent reads from a file that the service of "
    "gpubox-tui writes: see gpubox_agent.conf. Not to be linked to a host beside `GPU box by gpubox`.",
    {"type": "ZABBIX_ACTIVE", "delay": "{$GPUBOX.INTERVAL}"},
    (_NO_DATA, ("{$GPUBOX.INTERVAL}", "30s", "How often the agent reads a frame")),
)


def files() -> dict[str, str]:
    """Return the generated files of config/zabbix by name."""
    return {
        "gpubox_template.yaml": template(PUSH),
        "gpubox_agent.yaml": template(AGENT),
        "gpubox_agent.conf": agent_conf(),
    }


def agent_conf() -> str:
    """Return what the configuration of Zabbix' agent includes; nothing is reported of an old frame."""
    return (
        f"# {_COMMENT}\n"
        "# Zabbix' agent includes it as /etc/zabbix/zabbix_agent2.d/gpubox.conf or zabbix_agentd.d.\n"
        "# The service needs the outlet `zabbix` with the setting `file`, and a folder that it may write:\n"
        f"#   sudo install -d -o $USER -m 755 {FRAME_FILE.rpartition('/')[0]}\n"
        f"UserParameter={MASTER},find {FRAME_FILE} -mmin -{FRESH_MINUTES} -exec cat {{}} \\;\n"
    )


def template(variant: Variant) -> str:
    """Return a template as a file that Zabbix imports."""
    items = [item for subject in (BOX, HOST, JOBS) for item in ITEMS[subject]]
    part: Part = {
        "uuid": variant.uuid("template"),
        "template": variant.name,
        "name": variant.name,
        "description": variant.description,
        "groups": [{"name": _TEMPLATES["name"]}],
        "items": [_master(variant), *(_item(variant, item) for item in items)],
        "discovery_rules": [_discovery(variant, one) for one in DISCOVERED],
        "macros": [
            {"macro": macro, "value": value, "description": words} for macro, value, words in variant.macros
        ],
        "dashboards": [dashboard(variant.name, variant.uuid)],
        "valuemaps": [
            {
                "uuid": variant.uuid("valuemap"),
                "name": "gpubox yes or no",
                "mappings": [{"value": "0", "newvalue": "no"}, {"value": "1", "newvalue": "yes"}],
            }
        ],
    }
    export = {"version": "6.0", "groups": [_TEMPLATES], "templates": [part]}
    return yaml({"zabbix_export": {**export, "graphs": graphs(variant.name, variant.uuid)}}, _COMMENT)


def _master(variant: Variant) -> Part:
    return {
        "uuid": variant.uuid(MASTER),
        "name": "gpubox: frame",
        "key": MASTER,
        **variant.master,
        "history": "0",
        "trends": "0",
        "value_type": TEXT,
        "description": "A whole frame, as JSON. Not stored: every other item is made of it.",
        "tags": [{"tag": "component", "value": "raw"}],
    }


def _item(variant: Variant, item: Item) -> Part:
    path = f"$.{item.name}" if item.subject == BOX else f"$.{item.subject}.{item.name}"
    prefix = {BOX: "Box: ", HOST: "Host: ", JOBS: "Jobs: "}[item.subject]
    part = _dependent(variant, item, prefix, [_step(path)])
    if item.name == "time":
        silent = f"nodata(/{variant.name}/{item.key},{{$GPUBOX.NODATA}})=1"
        part["triggers"] = [_silence(variant, silent)]
    if item.name == "alerts":
        found = triggers(BOX, f"/{variant.name}/{item.key}", variant.uuid)
        part["triggers"] = found
    return part


def _silence(variant: Variant, expression: str) -> Part:
    return {
        "uuid": variant.uuid("no data"),
        "expression": expression,
        "name": "No frame for {$GPUBOX.NODATA}",
        "priority": "HIGH",
        "description": "The box is down or cut off, or its service does not run. Its other values and "
        "problems are as old as the last frame.\n\nWhat to do: open it in gpubox-tui; look at its power and "
        "network.",
        "tags": [{"tag": "rule", "value": "no-data"}, {"tag": "scope", "value": BOX}],
    }


def _discovery(variant: Variant, one: Discovered) -> Part:
    return {
        "uuid": variant.uuid("discovery", one.subject),
        "name": f"{one.subject[:1].upper()}{one.subject[1:]} discovery".replace("Gpu", "GPU"),
        "type": "DEPENDENT",
        "key": f"gpubox.{one.subject}.discovery",
        "delay": "0",
        "lifetime": one.lifetime,
        "item_prototypes": [_prototype(variant, one, item) for item in ITEMS[one.subject]],
        "graph_prototypes": graph_prototypes(one.subject, variant.name, variant.uuid),
        "master_item": {"key": MASTER},
        "lld_macro_paths": [{"lld_macro": macro, "path": f"$.{field}"} for macro, field in one.macros],
        "preprocessing": [_step(f"$.discovery.{one.rows}"), _unchanged("1h")],
    }


def _prototype(variant: Variant, one: Discovered, item: Item) -> Part:
    path = f"$[?(@.id=='{one.macro}')].{item.name}.first()"
    # Of what is gone, nothing is known; but its alerts are over, and its owner holds nothing any more.
    gone = {OWNER: "0"}.get(item.subject) or (NO_ALERTS if item.name == "alerts" else "")
    part = _dependent(variant, item, one.prefix, [_step(f"$.{one.rows}"), _step(path, gone)])
    if item.name == "alerts":
        part["trigger_prototypes"] = triggers(
            one.subject, f"/{variant.name}/{variant.key(item)}", variant.uuid
        )
    return part


def _dependent(variant: Variant, item: Item, prefix: str, steps: list[Part]) -> Part:
    part: Part = {
        "uuid": variant.uuid("item", item.subject, item.name),
        "name": prefix + item.words,
        "type": "DEPENDENT",
        "key": variant.key(item),
        "delay": "0",
        "history": "30d",
        "trends": "0" if item.kind == TEXT else "365d",
        "value_type": item.kind,
        "description": item.help,
        "preprocessing": [*steps, *([_unchanged("1h")] if item.kind == TEXT else [])],
        "master_item": {"key": MASTER},
        "tags": [{"tag": "component", "value": item.subject}],
    }
    if (item.subject, item.name) == (BOX, "time"):
        # A file that nobody writes any more gives the same frame again, and that is silence.
        part["preprocessing"].append({"type": "DISCARD_UNCHANGED", "parameters": [""]})
    if item.unit:
        units = "uptime" if item.name == "uptime" else _UNITS.get(item.unit, item.unit)
        part["units"] = units
    if item.name in _YES_NO:
        part["valuemap"] = {"name": "gpubox yes or no"}
    return part


def _step(path: str, otherwise: str = "") -> Part:
    """Return the step that takes a part of a frame; what the frame lacks is no value, or `otherwise`."""
    if otherwise:
        handler = {"error_handler": "CUSTOM_VALUE", "error_handler_params": otherwise}
    else:
        handler = {"error_handler": "DISCARD_VALUE"}
    return {"type": "JSONPATH", "parameters": [path], **handler}


def _unchanged(heartbeat: str) -> Part:
    return {"type": "DISCARD_UNCHANGED_HEARTBEAT", "parameters": [heartbeat]}
