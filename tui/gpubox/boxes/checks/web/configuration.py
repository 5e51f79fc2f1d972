"""Whether the configuration of the web servers is valid."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, unknown
from gpubox.boxes.checks.web.facts import WebFacts, WebServer
from gpubox.core.sanitize import clean

_TESTS = {
    "nginx": "sudo nginx -t",
    "apache": "sudo apachectl configtest",
    "caddy": "sudo -u caddy caddy validate --config /etc/caddy/Caddyfile",
}


def _judge(gathered: Gathered) -> Result:
    servers = gathered.of(WebFacts).servers
    if not servers:
        return not_here("No web server runs here that has a configuration")
    for one in servers:
        if one.valid is False:
            text = f"The configuration of {clean(one.name, 20)} is wrong: {clean(one.problem, 200)}"
            return failed(text, f"Mend it, then: {_test(one)}", value="wrong")
    for one in servers:
        if one.valid is None:
            text = f"The configuration of {clean(one.name, 20)} was not tested: {clean(one.problem, 200)}"
            return unknown(text, f"{'In the container' if one.container else 'By hand'}: {_test(one)}")
    for one in servers:
        if one.warnings:
            text = f"{clean(one.name, 20)} warns of its configuration: {clean(one.warnings[0], 200)}"
            return hint(text, _test(one), value="valid", details=one.warnings[1:])
    return ok(f"Valid: {', '.join(clean(one.config or one.name, 80) for one in servers[:3])}", value="valid")


def _test(server: WebServer) -> str:
    """Return the command that tests a configuration."""
    if server.name == "nginx" and server.config not in ("", "/etc/nginx/nginx.conf"):
        return f"sudo nginx -t -c {clean(server.config, 120)}"
    return _TESTS.get(server.name, "")


CHECK = Check(
    id="web.configuration",
    title="The web server's configuration is valid",
    why="A server that runs keeps the configuration that it read last. When the files are wrong, a reload "
    "changes nothing, so a renewed certificate is not used; and after a reboot the server does not start at "
    "all.",
    command="sudo nginx -t; sudo apachectl configtest; caddy validate --config /etc/caddy/Caddyfile",
    needs=(WebFacts,),
    judge=_judge,
    depends_on=("web.server",),
)
