"""Addresses in the configuration of a Zabbix agent."""

from __future__ import annotations

from typing import List, Tuple


def entries(value: str) -> List[str]:
    """Return the entries of a setting; those of a cluster are divided by semicolons."""
    return [entry.strip() for entry in value.replace(";", ",").split(",") if entry.strip()]


def divided(entry: str) -> Tuple[str, str]:
    """Return the host and the port of an entry; the port is empty where there is none."""
    host, port = entry, ""
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
        port = port.lstrip(":")
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    return host, port
