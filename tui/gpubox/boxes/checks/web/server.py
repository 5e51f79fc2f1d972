"""Whether the web servers of the box run."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, not_here, ok, warning
from gpubox.boxes.checks.web.facts import WebFacts
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(WebFacts)
    for one in facts.stopped:
        unit = clean(one.unit, 60)
        if one.state == "failed":
            return failed(f"{unit} failed", f"systemctl status {unit}", value="failed")
        if not facts.servers:
            text = f"{unit} is enabled, and does not run"
            return warning(text, f"sudo systemctl start {unit}; or disable it", value="stopped")
    names = [f"{one.name}{' in a container' if one.container else ''}" for one in facts.servers]
    if names:
        text = " and ".join(clean(name, 40) for name in names[:3])
        return ok(f"{text} {'runs' if len(names) == 1 else 'run'}", value=clean(", ".join(names), 60))
    if facts.tls:
        return ok("Something else than nginx, Apache or Caddy listens at port 443", value="other")
    return not_here("No web server runs here")


CHECK = Check(
    id="web.server",
    title="The web server runs",
    why="A web server in front of Jupyter or Zabbix adds TLS and passwords. A box that is reached through "
    "this panel needs none: its tunnels are encrypted already. A server that failed leaves its pages "
    "unreachable, and its certificates unused.",
    command="systemctl status nginx apache2 httpd caddy",
    needs=(WebFacts,),
    judge=_judge,
)
