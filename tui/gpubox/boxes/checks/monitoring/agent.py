"""Whether something watches the box while nobody looks."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok, unknown
from gpubox.boxes.checks.monitoring.facts import MonitoringAgent, MonitoringFacts
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    agents = gathered.of(MonitoringFacts).agents
    if agents is None:
        return unknown("The processes could not be read in time", "ps -e | grep -E 'zabbix|exporter|netdata'")
    if not agents:
        return hint(
            "No agent of a known monitoring runs",
            "If you have a Zabbix or Prometheus server, install its agent: zabbix-agent2 or "
            "prometheus-node-exporter are packages of most distributions",
            value="none",
        )
    names = ", ".join(clean(agent.name, 30) for agent in agents[:4])
    verb = "runs" if len(agents) == 1 else "run"
    lines = tuple(_said(agent) for agent in agents)
    return ok(f"{names} {verb}", value=names, details=lines if len(lines) > 1 else ())


def _said(agent: MonitoringAgent) -> str:
    ports = ", ".join(
        f"port {one.port}{' on this machine only' if one.local else ''}" for one in agent.ports[:4]
    )
    return f"{clean(agent.name, 30)} as {clean(agent.user, 32)}{f', {ports}' if ports else ''}"


CHECK = Check(
    id="monitoring.agent",
    title="Something watches the box",
    why="This panel sees a box while it is open. An agent reports at night as well, and its server sends "
    "a message when a GPU falls off the bus, a disk fills up, or the box is silent. Most agents know "
    "processors and disks only: for GPUs there are dcgm-exporter and the NVIDIA plugin of Zabbix agent 2.",
    command="ps -e | grep -E 'zabbix|exporter|netdata|telegraf'",
    needs=(MonitoringFacts,),
    judge=_judge,
)
