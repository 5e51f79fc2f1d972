"""The fix that makes a web server read its files again."""

from __future__ import annotations

import re

from gpubox.boxes.checks.fix import Fix, UndoableCommand
from gpubox.boxes.checks.web.facts import WebFacts, WebServer

_UNITS = {
    "nginx": ("nginx.service",),
    "apache": ("apache2.service", "httpd.service"),
    "caddy": ("caddy.service",),
}
_USUAL = {
    "nginx": ("/etc/nginx/nginx.conf",),
    "apache": ("/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf"),
    "caddy": ("/etc/caddy/Caddyfile",),
}
"""Configurations that belong to root, as packages bring them."""
_TITLES = {"nginx": "nginx", "apache": "Apache", "caddy": "Caddy"}
_PATH = re.compile(r"/[\w@%+=:,./-]{1,300}")


def reload_fix(facts: WebFacts, name: str) -> Fix | None:
    """Return the fix that tests the configuration of a web server, and reloads it.

    None where it is not one server, its configuration is not known to be valid, or another user could have
    named the file that root would read.
    """
    servers = [one for one in facts.servers if one.name == name]
    if len(servers) != 1 or name not in _UNITS:
        return None
    (server,) = servers
    paths = (server.config, server.prefix) if server.prefix else (server.config,)
    if server.container or server.valid is not True or not all(map(_PATH.fullmatch, paths)):
        return None
    if name == "apache" and server.config not in _USUAL[name]:  # apachectl takes no other everywhere
        return None
    by_systemd = server.unit in _UNITS[name] and server.config in _USUAL[name]
    as_root = by_systemd or not server.mine
    if as_root and not (by_systemd or facts.root):  # facts of a user may hold anything
        return None
    reload = ("systemctl", "reload", server.unit) if by_systemd else _reload(server)
    title = _TITLES[name]
    return Fix(
        f"Reload {title}",
        f"{title} reads its certificates again, and whatever else was changed in its files. Open connections "
        "go on. The configuration is tested first. There is nothing to undo.",
        needs_root=as_root,
        commands=(UndoableCommand(_test(server)), UndoableCommand(reload)),
    )


def _test(server: WebServer) -> tuple[str, ...]:
    if server.name == "nginx":
        return (*_nginx(server), "-t")
    if server.name == "caddy":  # `validate` leaves files behind
        return ("caddy", "adapt", "--config", server.config)
    return ("apachectl", "configtest")


def _reload(server: WebServer) -> tuple[str, ...]:
    if server.name == "nginx":
        return (*_nginx(server), "-s", "reload")
    if server.name == "caddy":
        return ("caddy", "reload", "--force", "--config", server.config)
    return ("apachectl", "graceful")


def _nginx(server: WebServer) -> tuple[str, ...]:
    """Return the program with the options that name its configuration."""
    return ("nginx", "-c", server.config, *(("-p", server.prefix) if server.prefix else ()))
