"""The configuration of the service: a JSON file that only its user can read, for it may hold secrets.

Fields: `interval` (seconds), `limits` (thresholds of alerts, as `common.rules.rule.Limits` has them),
`environment` (variables for the sampler) and `outlets` (the configuration of each outlet, by its name).
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any, Dict, Mapping, NamedTuple

from gpubox.common.rules.rule import DEFAULTS, Limits
from gpubox.remote.kernel_files import read_all

Row = Dict[str, Any]

INTERVAL = 10.0
"""Seconds between two samples, when the configuration names none."""
SHORTEST, LONGEST = 1.0, 60.0
"""Bounds of the interval, in seconds."""
SIZE = 1 << 20
"""Most bytes of the file."""
PAIRS = ("temperature", "memory", "host_memory", "disk")
"""The limits that are pairs of a warning and a critical threshold."""


class ConfigFault(Exception):
    """The configuration cannot be used; the text says why."""


class ServiceConfig(NamedTuple):
    """What the service does."""

    interval: float = INTERVAL
    limits: Limits = DEFAULTS
    environment: Mapping[str, str] = MappingProxyType({})
    outlets: Mapping[str, Row] = MappingProxyType({})


def read(path: str) -> ServiceConfig:
    """Return the configuration in a file, the defaults without one; raises ConfigFault."""
    try:
        data = read_all(path, SIZE)
    except FileNotFoundError:
        return ServiceConfig()
    except OSError as error:
        raise ConfigFault("%s cannot be read: %s" % (path, error.strerror)) from None
    try:
        found = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigFault("%s is no JSON: %s" % (path, error)) from None
    return checked(found)


def checked(row: object) -> ServiceConfig:
    """Return the configuration in a JSON value; unknown fields are ignored. Raises ConfigFault."""
    if not isinstance(row, dict):
        raise ConfigFault("The configuration is no JSON object")
    interval = row.get("interval", INTERVAL)
    if not _is_number(interval) or not SHORTEST <= interval <= LONGEST:
        raise ConfigFault("The interval is not between %d and %d seconds" % (SHORTEST, LONGEST))
    environment = row.get("environment", {})
    if not isinstance(environment, dict) or not all(
        isinstance(value, str) and "\0" not in name + value and name and "=" not in name
        for name, value in environment.items()
    ):
        raise ConfigFault("`environment` is no table of variables")
    outlets = row.get("outlets", {})
    if not isinstance(outlets, dict) or not all(isinstance(one, dict) for one in outlets.values()):
        raise ConfigFault("`outlets` is no table of tables")
    return ServiceConfig(float(interval), _limits(row.get("limits", {})), environment, outlets)


def _limits(row: object) -> Limits:
    if not isinstance(row, dict):
        raise ConfigFault("`limits` is no table")
    pairs: Dict[str, Any] = {}
    for name in PAIRS:
        pair = row.get(name)
        if pair is None:
            continue
        if not isinstance(pair, list) or len(pair) != 2 or not all(map(_is_number, pair)):
            raise ConfigFault("The limit `%s` is not two numbers" % name)
        pairs[name] = (pair[0], pair[1])
    unit = row.get("temperature_unit", DEFAULTS.temperature_unit)
    return DEFAULTS._replace(temperature_unit=str(unit), **pairs)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
