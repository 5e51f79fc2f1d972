"""Facts of what watches the box: agents that run, the configuration of Zabbix's, and whether they report."""

from __future__ import annotations

import glob
import os
import re
import time

from gpubox.remote import services
from gpubox.remote.checks import parts, running, zabbix_log, zabbix_talk
from gpubox.remote.kernel_files import read_all, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, Iterator, List, Tuple

    Row = Dict[str, Any]

AGENTS = (
    ("zabbix_agentd", "Zabbix agent"),
    ("zabbix_agent2", "Zabbix agent 2"),
    ("node_exporter", "node_exporter"),
    ("prometheus-node-exporter", "node_exporter"),
    ("dcgm-exporter", "dcgm-exporter"),
    ("nvidia_gpu_exporter", "nvidia_gpu_exporter"),
    ("netdata", "netdata"),
    ("telegraf", "Telegraf"),
    ("collectd", "collectd"),
    ("munin-node", "Munin"),
    ("nrpe", "NRPE"),
    ("icinga2", "Icinga 2"),
    ("cmk-agent-ctl", "Checkmk"),
    ("monit", "Monit"),
    ("beszel-agent", "Beszel"),
    ("glances", "Glances"),
    ("newrelic-infra", "New Relic"),
    ("datadog-agent", "Datadog"),
    ("otelcol", "OpenTelemetry"),
    ("otelcol-contrib", "OpenTelemetry"),
    ("grafana-agent", "Grafana Agent"),
    ("alloy", "Grafana Alloy"),
    ("vmagent", "vmagent"),
    ("metricbeat", "Metricbeat"),
    ("amazon-cloudwatch-agent", "CloudWatch"),
    ("google_cloud_ops_agent", "Google Ops Agent"),
    ("pmcd", "PCP"),
    ("snmpd", "SNMP"),
)
"""Names of the processes of agents, and what people call them."""
ZABBIX = ("zabbix_agent2", "zabbix_agentd")
FOLDERS = ("/etc/zabbix/", "/etc/", "/usr/local/etc/", "/etc/zabbix-agent/")
SETTINGS = ("Server", "ServerActive", "Hostname", "ListenIP", "ListenPort", "TLSAccept", "TLSConnect")
"""Settings that are reported; the identity and the file of a key are not."""
FILES = 60
"""Most included files that are read."""


def gather() -> Row:
    """Return the facts."""
    return parts.gathered({"agents": agents, "zabbix": zabbix, "server": runs_server})


def agents() -> List[Row]:
    """Return the agents that run, each once, with the addresses at which it listens."""
    names = {name[:15]: title for name, title in AGENTS}
    found: Dict[str, Row] = {}
    titles: Dict[int, str] = {}
    for process in running.processes():
        title = names.get(process.name)
        if title:
            titles[process.pid] = title
            user = services.users.name(process.uid)
            found.setdefault(title, {"name": title, "process": process.name[:32], "user": user, "ports": []})
    asked: Dict[int, float] = {}
    for one in running.connected() if found else ():
        asked[one.port] = min(one.age, asked.get(one.port, one.age))
    for port in running.ports() if found else ():
        title = titles.get(port.pid) if port.pid is not None else None
        if title:
            at: Row = {"host": port.host, "port": port.port, "local": running.is_local(port.host)}
            at["asked"] = asked.get(port.port)
            if at not in found[title]["ports"]:
                found[title]["ports"].append(at)
    return [found[title] for title in sorted(found)][:30]


def runs_server() -> bool:
    """Return whether a Zabbix server or proxy runs on this box itself."""
    return bool(running.named("zabbix_server", "zabbix_proxy"))


def zabbix() -> List[Row]:
    """Return the configurations of Zabbix's agents, each as far as this login may read it."""
    running_now = {one.name for one in running.named(*ZABBIX)}
    rows: List[Row] = []
    for name in ZABBIX:
        path = next((folder + name + ".conf" for folder in FOLDERS if exists(folder + name + ".conf")), "")
        program = any(os.path.exists(rooted(place + name)) for place in ("/usr/sbin/", "/usr/local/sbin/"))
        if path or program or name in running_now:
            row = {"program": name, "path": path, "runs": name in running_now, "installed": program}
            rows.append(dict(row, **configured(name, path)) if path else row)
    return rows


def configured(program: str, path: str) -> Row:
    """Return what a configuration says, and what shows that the agent reports."""
    row = settings(path)
    logging = row.pop("logging")
    if row["readable"]:
        row.update(zabbix_log.log(program, logging, time.time()))
        rejected = [one["address"] for one in row.get("rejected", ())]
        row["talks"] = zabbix_talk.talks(row["settings"], rejected)
    return row


def exists(path: str) -> bool:
    """Return whether a file exists, even if it may not be read."""
    return os.path.lexists(rooted(path))


def settings(path: str) -> Row:
    """Return what a configuration says, without what is secret in it."""
    row: Row = {
        "readable": True,
        "settings": {},
        "logging": {},
        "psk": False,
        "parameters": 0,
        "commands": False,
        "gpu": False,
    }
    for key, value in lines(path, row):
        if key in SETTINGS:
            row["settings"][key] = value[:200]
        elif key in zabbix_log.SETTINGS:
            row["logging"][key] = value
        elif key == "TLSPSKFile":
            row["psk"] = bool(value)
        elif key == "UserParameter":
            row["parameters"] += 1
            row["gpu"] = row["gpu"] or bool(re.search("nvidia|gpu|nvml", value, re.I))
        elif key == "EnableRemoteCommands":
            row["commands"] = row["commands"] or value == "1"
        elif key == "AllowKey":
            row["commands"] = row["commands"] or value.startswith(("system.run[*", "*"))
        elif key.startswith("Plugins.") and "nvidia" in key.lower():
            row["gpu"] = True
    return row


def lines(path: str, row: Row) -> Iterator[Tuple[str, str]]:
    """Yield the settings of a file and of those that it includes, in their order."""
    waiting = [path]
    seen: List[str] = []
    while waiting and len(seen) < FILES:
        place = waiting.pop(0)
        if place in seen:
            continue
        seen.append(place)
        try:
            text = read_all(rooted(place), 1 << 20).decode("utf-8", "replace")
        except OSError:
            row["readable"] = row["readable"] and place != path
            continue
        for line in text.splitlines():
            key, equals, value = line.strip().partition("=")
            if not equals or key.startswith("#"):
                continue
            if key.strip() == "Include":
                waiting += included(value.strip())
            else:
                yield key.strip(), value.strip()


def included(pattern: str) -> List[str]:
    """Return the files of an Include line: a file, a folder or a pattern; relative to /etc/zabbix."""
    place = pattern if pattern.startswith("/") else os.path.normpath("/etc/zabbix/" + pattern)
    if os.path.isdir(rooted(place)):
        place += "/*"
    root = len(rooted(""))
    return [found[root:] for found in sorted(glob.glob(rooted(place)))][:FILES]
