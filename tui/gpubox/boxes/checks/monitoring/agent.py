"""Whether something watches the box while nobody looks."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok, unknown
from gpubox.boxes.checks.monitoring.facts import AgentPort, MonitoringAgent, MonitoringFacts
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
    more = len(lines) > 1 or any(port.asked is not None for agent in agents for port in agent.ports)
    return ok(f"{names} {verb}", value=names, details=lines if more else ())


def _said(agent: MonitoringAgent) -> str:
    ports = ", ".join(_port(one) for one in agent.ports[:4])
    return f"{clean(agent.name, 30)} as {clean(agent.user, 32)}{f', {ports}' if ports else ''}"


def _port(one: AgentPort) -> str:
    local = " on this machine only" if one.local else ""
    asked = " with a connection in the last minute" if one.asked is not None else ""
    return f"port {one.port}{local}{asked}"


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
